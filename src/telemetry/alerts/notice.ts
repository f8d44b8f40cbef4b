/**
 * How people hear of an alert: labels, severity, words, and how often. Read by rule.ts; what is told is made by message.ts for webhooks and
 * by prometheus-rules.ts for Prometheus. It must not know conditions. Pure.
 */
import { BadValue, duration } from "../../config/kinds.ts";

export interface AlertNotice {
  /** False: it is listed, and not looked at. */
  readonly enabled: boolean;
  readonly severity: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As written, with `{value}` and `{instance}` in it; absent: the usual one. */
  readonly summary?: string;
  readonly description?: string;
  /** 0: it is told once. */
  readonly repeatSeconds: number;
}

export const NOTICE_KEYS = ["severity", "summary", "description", "repeat", "enabled"];

/** As Alertmanager's `repeat_interval`: what a receiver has lost or closed comes again. */
const DEFAULT_REPEAT_SECONDS = 4 * 3600;
const LEAST_REPEAT_SECONDS = 10;
const MOST_LABELS = 20;
const LONGEST = { severity: 100, label: 200, summary: 1000, description: 1000 } as const;
/** Told by Shimmy, or by Prometheus. */
const RESERVED = ["alertname", "instance", "job", "severity"];

/** `texts` have the keys above; `refuse` throws. */
export function readNotice(
  { severity = "warning", summary, description, repeat, enabled = "true" }: Readonly<Record<string, string>>,
  labels: unknown = {},
  refuse: (key: string, value: string, reason: string) => never,
): AlertNotice {
  const printable = (key: keyof typeof LONGEST, place: string, text: string) => {
    const most = LONGEST[key];
    return text.length <= most && !/\p{C}/u.test(text) ? text : refuse(place, text, `use at most ${most} printable characters`);
  };
  if (enabled !== "true" && enabled !== "false") refuse("enabled", enabled, "use true or false");
  return {
    enabled: enabled === "true",
    severity: printable("severity", "severity", severity),
    labels: readLabels(labels, refuse, (name, value) => printable("label", `labels.${name}`, value)),
    ...(summary !== undefined && { summary: printable("summary", "summary", summary) }),
    ...(description !== undefined && { description: printable("description", "description", description) }),
    repeatSeconds: repeat === undefined ? DEFAULT_REPEAT_SECONDS : readRepeat(repeat, refuse),
  };
}

function readLabels(
  labels: unknown,
  refuse: (key: string, value: string, reason: string) => never,
  printable: (name: string, value: string) => string,
): AlertNotice["labels"] {
  const entries = labels !== null && typeof labels === "object" && !Array.isArray(labels) ? Object.entries(labels) : undefined;
  if (!entries) return refuse("labels", String(labels), "use names with values, such as {team: search}");
  if (entries.length > MOST_LABELS) refuse("labels", `${entries.length} labels`, `use at most ${MOST_LABELS}`);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (!/^[a-zA-Z_]\w{0,99}$/.test(name) || name.startsWith("__")) refuse("labels", name, "use a name of letters, digits and _");
      if (RESERVED.includes(name)) refuse("labels", name, name === "severity" ? "use severity beside labels" : "choose another name");
      return [name, printable(name, String(value))];
    }),
  );
}

function readRepeat(text: string, refuse: (key: string, value: string, reason: string) => never): number {
  try {
    const seconds = duration.parse(text, { folder: "", home: "" }) / 1000;
    if (seconds === 0 || seconds >= LEAST_REPEAT_SECONDS) return seconds;
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    return refuse("repeat", text, error.message);
  }
  return refuse("repeat", text, `use a time of at least ${LEAST_REPEAT_SECONDS} s, or 0 for never`);
}

/** A text with what is known in the place of `{value}` and `{instance}`. */
export function filled(text: string, known: Readonly<Record<"value" | "instance", string>>): string {
  return text.replace(/(?<!\{)\{(value|instance)\}(?!\})/g, (_, word: "value" | "instance") => known[word]);
}
