/** What a condition comes to, now. Pure but for the view that it reads; called by watch.ts at each look. */
import type { MetricSelector, MetricsView } from "../../contract/observation.ts";
import type { Matcher, Reading } from "./names.ts";
import type { Comparison, Expression, Operator } from "./parse.ts";

export interface Outlook {
  readonly view: Pick<MetricsView, "latest" | "increase" | "quantile" | "average">;
  readonly windowSeconds: number;
  /** Gauges are averages over the window too; else they are as they are now. */
  readonly averages: boolean;
  /** There are two samples, so a counter that is not there has not grown. */
  readonly sampledTwice: boolean;
}

/** Undefined: there is nothing to tell it from (no request yet, no such series), or it is divided by nothing. Never NaN. */
export function evaluate(expression: Expression, outlook: Outlook): number | undefined {
  if (expression.type === "quantity") return expression.value;
  if (expression.type === "reading") return finite(read(expression.reading, outlook));
  const left = evaluate(expression.left, outlook);
  const right = evaluate(expression.right, outlook);
  return left === undefined || right === undefined ? undefined : finite(calculate(expression.operator, left, right));
}

export function holds(comparison: Comparison, left: number, right: number): boolean {
  switch (comparison) {
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case "==":
      return left === right;
    case "!=":
      return left !== right;
  }
}

function calculate(operator: Operator, left: number, right: number): number {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return left / right;
  }
}

function read(
  { how, metric, labels, quantile = 0 }: Reading,
  { view, windowSeconds, averages, sampledTwice }: Outlook,
): number | undefined {
  const selector = selectorOf(metric, labels);
  switch (how) {
    case "gauge":
      return averages ? view.average(selector, windowSeconds) : view.latest(selector);
    case "counter":
      return sampledTwice ? (view.increase(selector, windowSeconds) ?? 0) : undefined;
    case "quantile":
      return view.quantile(quantile, selector, windowSeconds);
    case "mean": {
      const total = view.increase(selectorOf(`${metric}_sum`, labels), windowSeconds);
      const count = view.increase(selectorOf(`${metric}_count`, labels), windowSeconds);
      return total === undefined || count === undefined ? undefined : total / count;
    }
  }
}

function selectorOf(name: string, labels: readonly Matcher[]): MetricSelector {
  if (labels.length === 0) return { name };
  return { name, labels: Object.fromEntries(labels.map((matcher) => [matcher.label, pattern(matcher)])) };
}

/** Prometheus compares whole values, so an expression is anchored. */
function pattern({ operator, value }: Matcher): string | RegExp {
  if (operator === "=") return value;
  const body = operator === "!=" ? value.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&") : value;
  return operator === "=~" ? new RegExp(`^(?:${body})$`, "s") : new RegExp(`^(?!(?:${body})$)`, "s");
}

function finite(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}
