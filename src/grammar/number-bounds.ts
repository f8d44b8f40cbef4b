/** What a schema says about numbers: bounds, steps, OpenAPI's formats. Called by compile.ts. */
import type { Expression } from "./expression.ts";
import type { Json } from "./json.ts";
import type { Located } from "./keywords.ts";
import { type Bound, integersBetween, LARGEST, multiplesOfTen, numbersBetween } from "./numbers.ts";
import { below, refusal } from "./refusal.ts";

/** OpenAPI's formats that bound a number; the others (int64, float, double) allow what we write anyway. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0, LARGEST],
  uint: [0, LARGEST],
};

export function numberOf(all: readonly Located[], integer: boolean, json: Json): Expression {
  const low = tightestOf(
    all.flatMap((located) => boundsOf(located, "minimum", "exclusiveMinimum", 0)),
    1,
  );
  const high = tightestOf(
    all.flatMap((located) => boundsOf(located, "maximum", "exclusiveMaximum", 1)),
    -1,
  );
  const step = stepOf(all);
  if (step) {
    if (low || high) throw refusal(step.path, "it cannot be enforced beside bounds");
    if (step.power !== 0 || !integer) return multiplesOfTen(step.power, integer);
  }
  if (!low && !high) return json.anyOf(integer ? "integer" : "number");
  if (!integer) return numbersBetween(low, high);
  const from = low ? Math.ceil(low.value) + (low.exclusive && Number.isInteger(low.value) ? 1 : 0) : -LARGEST;
  const to = high ? Math.floor(high.value) - (high.exclusive && Number.isInteger(high.value) ? 1 : 0) : LARGEST;
  return integersBetween(from, to);
}

function boundsOf({ keywords, path }: Located, keyword: string, exclusiveKeyword: string, side: 0 | 1): Bound[] {
  const bounds: Bound[] = [];
  const exclusive = keywords[exclusiveKeyword];
  // In draft 4 the exclusive one is a boolean about the other.
  if (keywords[keyword] !== undefined) bounds.push({ value: numberAt(keywords, path, keyword, side), exclusive: exclusive === true });
  if (exclusive !== undefined && typeof exclusive !== "boolean")
    bounds.push({ value: numberAt(keywords, path, exclusiveKeyword, side), exclusive: true });
  const range = typeof keywords.format === "string" ? RANGES[keywords.format] : undefined;
  if (range) bounds.push({ value: range[side], exclusive: false });
  return bounds;
}

/** A bound beyond what we write is as good as the last number we write, on its own side. */
function numberAt(keywords: Located["keywords"], path: string, keyword: string, side: 0 | 1): number {
  const value = keywords[keyword];
  if (typeof value !== "number" || !Number.isFinite(value)) throw refusal(below(path, keyword), "it must be a number");
  if (side === 0 ? value > LARGEST : value < -LARGEST) throw refusal(below(path, keyword), `numbers beyond ±${LARGEST} are not written`);
  return Math.max(-LARGEST, Math.min(LARGEST, value));
}

function tightestOf(bounds: readonly Bound[], sign: 1 | -1): Bound | undefined {
  return [...bounds].sort((a, b) => sign * (b.value - a.value) || Number(b.exclusive) - Number(a.exclusive))[0];
}

/** Only powers of ten: their multiples are seen in the digits. */
function stepOf(all: readonly Located[]): { readonly power: number; readonly path: string } | undefined {
  const steps = all.flatMap(({ keywords, path }) => {
    const { multipleOf } = keywords;
    if (multipleOf === undefined) return [];
    const at = below(path, "multipleOf");
    const power = typeof multipleOf === "number" && multipleOf > 0 ? Math.round(Math.log10(multipleOf)) : Number.NaN;
    if (Number(`1e${power}`) !== multipleOf || Math.abs(power) > 12) throw refusal(at, "only powers of ten can be enforced");
    return [{ power, path: at }];
  });
  return steps.sort((a, b) => b.power - a.power)[0];
}
