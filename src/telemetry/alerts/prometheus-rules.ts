/**
 * Configured alerts as alerting rules of Prometheus: the same metrics, windows and hold times, judged for each server apart.
 * Called by `shimmy alerts export`; it gives plain data, and whoever calls writes the YAML.
 */
import type { Matcher, Reading } from "./names.ts";
import { filled } from "./notice.ts";
import type { Expression } from "./parse.ts";
import type { AlertRule } from "./rule.ts";

const EACH = "by (job, instance)";
/** One for each server, always there: what makes a counter without series a counter that has not grown. */
const NOTHING = `sum ${EACH} (shimmy_build_info) * 0`;

export function prometheusRules(rules: readonly AlertRule[]) {
  return {
    groups: [
      {
        name: "shimmy",
        rules: rules.filter(({ notice }) => notice.enabled).map(prometheusRule),
      },
    ],
  };
}

function prometheusRule(rule: AlertRule) {
  const { name, text, unit, holdSeconds, notice } = rule;
  const value = `{{ $value ${FORMATS[unit]} }}`.replace("  ", " ");
  const written = (words: string) => filled(plain(words), { value, instance: "{{ $labels.instance }}" });
  return {
    alert: name,
    expr: `${promql(rule.left, rule)} ${rule.comparison} ${promql(rule.right, rule)}`,
    ...(holdSeconds > 0 && { for: time(holdSeconds) }),
    labels: Object.fromEntries(Object.entries({ ...notice.labels, severity: notice.severity }).map(([label, of]) => [label, plain(of)])),
    annotations: {
      summary: notice.summary === undefined ? `${plain(name)} of {{ $labels.instance }} is ${value}` : written(notice.summary),
      description: notice.description === undefined ? `The condition is ${plain(text)}` : written(notice.description),
    },
  };
}

const FORMATS = { seconds: "| humanizeDuration", bytes: "| humanize1024", percent: "| humanizePercentage", number: "" } as const;

type Windows = Pick<AlertRule, "windowSeconds" | "averages">;

export function promql(expression: Expression, rule: Windows): string {
  if (expression.type === "quantity") return String(expression.value);
  if (expression.type === "reading") return reading(expression.reading, rule);
  return `(${promql(expression.left, rule)} ${expression.operator} ${promql(expression.right, rule)})`;
}

function reading({ how, metric, labels, quantile }: Reading, { windowSeconds, averages }: Windows): string {
  const chosen = selector(labels);
  const window = `[${time(windowSeconds)}]`;
  switch (how) {
    case "gauge":
      return `sum ${EACH} (${averages ? `avg_over_time(${metric}${chosen}${window})` : metric + chosen})`;
    case "counter":
      return `(sum ${EACH} (increase(${metric}${chosen}${window})) or ${NOTHING})`;
    case "quantile":
      return `histogram_quantile(${quantile}, sum by (job, instance, le) (rate(${metric}_bucket${chosen}${window})))`;
    case "mean":
      return `(sum ${EACH} (increase(${metric}_sum${chosen}${window})) / sum ${EACH} (increase(${metric}_count${chosen}${window})))`;
  }
}

function selector(labels: readonly Matcher[]): string {
  return labels.length === 0
    ? ""
    : `{${labels.map(({ label, operator, value }) => `${label}${operator}${JSON.stringify(value)}`).join(",")}}`;
}

function time(seconds: number): string {
  if (!Number.isInteger(seconds)) return `${Math.round(seconds * 1000)}ms`;
  return seconds % 60 === 0 && seconds > 0 ? `${seconds / 60}m` : `${seconds}s`;
}

/** Braces begin a template there. */
function plain(text: string): string {
  return text.replaceAll("{{", '{{ "{{" }}');
}
