/** The words of an alert's condition. Called by parse.ts; it knows spelling and units, not meaning. */

/** Dimensions: seconds, bytes, a number that stands for itself. */
export type Dimension = "time" | "bytes" | "number";

export type Token = { readonly at: number; readonly text: string } & (
  | { readonly type: "quantity"; readonly value: number; readonly dimension: Dimension; readonly percent: boolean }
  | { readonly type: "name" | "label" | "sign" | "end" }
);

/** What a condition is refused for. `at` counts characters from 0. */
export class ConditionError extends Error {
  override readonly name = "ConditionError";
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

const KIB = 1024;
/** Times in seconds. Sizes are powers of 1024 with either spelling, as everywhere in the settings (config/kinds.ts). */
const TIMES: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
const SIZES: Readonly<Record<string, number>> = { "": 1, k: KIB, m: KIB ** 2, g: KIB ** 3, t: KIB ** 4 };
const UNITS = "ms, s, m, h, d, B, KB, MB, GB, TB, KiB, MiB, GiB, TiB and %";

const NUMBER = /(\d+(?:\.\d+)?)(?:\s*([A-Za-z%_][\w%]*))?/y;
const NAME = /[A-Za-z_:][\w:]*/y;
/** What stands in braces is read whole: labels have rules of their own. */
const LABELS = /\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}/y;
const SIGN = />=|<=|==|!=|[<>+\-*/()]/y;

/** @throws ConditionError */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; ; ) {
    while (/\s/.test(text[at] ?? "")) at++;
    if (at >= text.length) return [...tokens, { type: "end", at, text: "" }];
    const token = next(text, at);
    tokens.push(token);
    at += token.text.length;
  }
}

function next(text: string, at: number): Token {
  const number = match(NUMBER, text, at);
  if (number) return quantity(number, at);
  const name = match(NAME, text, at);
  if (name) return { type: "name", at, text: name[0] };
  const labels = match(LABELS, text, at);
  if (labels) return { type: "label", at, text: labels[0] };
  const sign = match(SIGN, text, at);
  if (sign) return { type: "sign", at, text: sign[0] };
  throw new ConditionError(at, `${JSON.stringify(text[at])} means nothing here`);
}

function quantity([text, digits, unit = ""]: RegExpExecArray, at: number): Token {
  const size = /^([kmgt]?)(?:i?b)$/i.exec(unit);
  const [factor, dimension]: [number | undefined, Dimension] = size
    ? [SIZES[size[1]!.toLowerCase()], "bytes"]
    : unit in TIMES
      ? [TIMES[unit], "time"]
      : [unit === "" ? 1 : unit === "%" ? 0.01 : undefined, "number"];
  if (factor === undefined) throw new ConditionError(at + text.length - unit.length, `'${unit}' is no unit; units are ${UNITS}`);
  return { type: "quantity", at, text, value: Number(digits) * factor, dimension, percent: unit === "%" };
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
