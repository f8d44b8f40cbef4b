/** The `alerts:` block as rules that can be looked at. Called when a server with alerts starts, and by `shimmy alerts export`. */

import { BadValue, duration } from "../../config/kinds.ts";
import type { AlertSpec, LoadedConfig } from "../../config/load.ts";
import { nearest } from "../../config/suggest.ts";
import type { AlertUnit } from "../../contract/alerts.ts";
import { ShimmyError } from "../../contract/errors.ts";
import { KEPT_SECONDS, type MetricDescription } from "../../contract/observation.ts";
import { ALIASES, HISTOGRAM_ALIASES, type Reading } from "./names.ts";
import { type AlertNotice, NOTICE_KEYS, readNotice } from "./notice.ts";
import { type Condition, parseCondition, readingsOf } from "./parse.ts";
import { ConditionError } from "./tokens.ts";

export interface AlertRule extends Condition {
  readonly name: string;
  /** The whole condition, also where the alert's name is its left side. */
  readonly text: string;
  readonly windowSeconds: number;
  /** A window was asked for, so that gauges are averages over it. */
  readonly averages: boolean;
  readonly holdSeconds: number;
  readonly unit: AlertUnit;
  readonly notice: AlertNotice;
}

export const DEFAULT_WINDOW_SECONDS = 300;
const MOST_RULES = 200;

/** @throws invalid_setting, which names the file, the alert and the place in its condition */
export function readRules({ alerts, file = "alerts" }: Pick<LoadedConfig, "alerts" | "file">): AlertRule[] {
  const entries = Object.entries(alerts);
  if (entries.length > MOST_RULES) throw refusal(file, "alerts", `${entries.length} alerts`, `use at most ${MOST_RULES}`);
  return entries.map(([name, spec]) => readRule(file, name, spec));
}

function readRule(file: string, name: string, spec: AlertSpec): AlertRule {
  const place = `alerts.${name}`;
  if (name.length > 100 || /\p{C}/u.test(name)) throw refusal(file, place, "its name", "use at most 100 printable characters");
  const { when, window, for: hold, ...rest } = textsOf(file, place, spec);
  if (when === undefined) throw refusal(file, place, "its value", 'use a condition such as >5%, or {when: ">5%", window: 5m, for: 1m}');
  const seconds = (key: string, text: string, least: number) => readSeconds(file, `${place}.${key}`, text, least);
  const condition = readCondition(file, place, when, name);
  return {
    ...condition,
    name,
    text: /^\s*[<>=!]/.test(when) ? `${name} ${when.trim()}` : when,
    windowSeconds: window === undefined ? DEFAULT_WINDOW_SECONDS : seconds("window", window, 1),
    averages: window !== undefined,
    holdSeconds: hold === undefined ? 0 : seconds("for", hold, 0),
    unit: unitOf(condition),
    notice: readNotice(rest, typeof spec === "string" ? undefined : spec.labels, (key, value, reason) => {
      throw refusal(file, `${place}.${key}`, `'${value.slice(0, 80)}'`, reason);
    }),
  };
}

const KEYS = ["when", "window", "for", ...NOTICE_KEYS];

/** All of it but the labels, which alone are a mapping. */
function textsOf(file: string, place: string, spec: AlertSpec): Readonly<Record<string, string>> {
  if (typeof spec === "string") return { when: spec };
  const strange = Object.keys(spec).find((key) => key !== "labels" && !KEYS.includes(key));
  if (strange !== undefined) throw refusal(file, place, strange, `use ${[...KEYS, "labels"].join(", ")}`);
  const { labels: _, ...rest } = spec;
  const wrong = Object.keys(rest).find((key) => typeof rest[key] !== "string");
  if (wrong !== undefined) throw refusal(file, `${place}.${wrong}`, "its value", "use a text");
  return rest as Readonly<Record<string, string>>;
}

function readCondition(file: string, place: string, when: string, name: string): Condition {
  try {
    return parseCondition(when, name);
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    throw refusal(file, place, `'${when.slice(0, 80)}'`, `at character ${error.at + 1}: ${error.message}`);
  }
}

function readSeconds(file: string, place: string, text: string, least: number): number {
  try {
    const value = duration.parse(text, { folder: "", home: "" }) / 1000;
    if (value >= least && value <= KEPT_SECONDS) return value;
    throw new BadValue(`use a time from ${least} s to ${KEPT_SECONDS / 60} minutes`);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw refusal(file, place, `'${text.slice(0, 80)}'`, error.message);
  }
}

function unitOf({ left, percent }: Condition): AlertUnit {
  if (left.dimension === "time") return "seconds";
  return left.dimension === "bytes" ? "bytes" : percent ? "percent" : "number";
}

/**
 * A metric that does not exist would never fire, so it is refused.
 * @throws invalid_setting
 */
export function checkNames(rules: readonly AlertRule[], known: readonly MetricDescription[], file = "alerts"): void {
  const types = new Map(known.flatMap(({ name, type }) => (type === "histogram" ? histogramNames(name) : [[name, type] as const])));
  for (const { name, text, left, right } of rules) {
    for (const reading of [...readingsOf(left), ...readingsOf(right)]) {
      const problem = wrongName(reading, types);
      if (problem) throw refusal(file, `alerts.${name}`, `'${text.slice(0, 80)}'`, problem);
    }
  }
}

function histogramNames(name: string): ReadonlyArray<readonly [string, MetricDescription["type"]]> {
  return [
    [name, "histogram"],
    [`${name}_sum`, "counter"],
    [`${name}_count`, "counter"],
  ];
}

function wrongName({ how, metric }: Reading, types: ReadonlyMap<string, MetricDescription["type"]>): string | undefined {
  const type = types.get(metric);
  const wanted = how === "quantile" || how === "mean" ? "histogram" : how;
  if (type === wanted) return undefined;
  if (type === "histogram") return `${metric} is a histogram: say ${metric}_p95 or ${metric}_avg`;
  if (type !== undefined) return `${metric} is a ${type}`;
  const near = nearest(metric, [
    ...types.keys(),
    ...Object.keys(ALIASES),
    ...Object.keys(HISTOGRAM_ALIASES).map((alias) => `${alias}_p95`),
  ]);
  return `there is no metric ${metric}${near ? `; did you mean ${near}?` : "; /metrics tells all there are"}`;
}

function refusal(source: string, name: string, value: string, reason: string): ShimmyError {
  return new ShimmyError("invalid_setting", { source, name, value, reason });
}
