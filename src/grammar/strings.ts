/**
 * Strings: lengths, patterns, formats. Called by compile.ts with all schemas that must hold at once.
 */
import * as z from "zod/mini";
import { encoded } from "./characters.ts";
import { choice, type Expression, repeat, sequence, text } from "./expression.ts";
import { formatNames, formatPattern } from "./formats.ts";
import { type Located, tightest } from "./keywords.ts";
import { below, refusal } from "./refusal.ts";
import { lengthsOf, parseRegex, type Regex, RegexError, wholeTexts } from "./regex.ts";

/** Longer bounds would make grammars of megabytes. */
const MAX_LENGTH = 1_000_000;

/** What the compiler must give: the rule for any character of a string. */
export function stringOf(all: readonly Located[], anyCharacter: Expression): Expression {
  const min = tightest(all, "minLength");
  const max = tightest(all, "maxLength");
  const pattern = patternOf(all);
  const quote = text('"');
  if (pattern) return sequence(quote, encodedRegex(withLengths(pattern, min, max)), quote);
  if ((min?.value ?? 0) > MAX_LENGTH) throw refusal(min!.path, `it must be at most ${MAX_LENGTH}`);
  if (max && max.value > MAX_LENGTH && max.value < 2 ** 31 - 1) throw refusal(max.path, `it must be at most ${MAX_LENGTH}`);
  // The largest integer of most languages is written by generators that mean no limit; no answer has so many characters.
  const most = max && max.value <= MAX_LENGTH ? max.value : Number.POSITIVE_INFINITY;
  return sequence(quote, repeat(anyCharacter, min?.value ?? 0, most), quote);
}

interface Pattern {
  readonly regex: Regex;
  readonly path: string;
}

function patternOf(all: readonly Located[]): Pattern | undefined {
  const asked = all.flatMap(({ keywords, path }) => {
    const { pattern, format } = keywords;
    if (pattern !== undefined && typeof pattern !== "string") throw refusal(below(path, "pattern"), "it must be a string");
    const known = pattern !== undefined && zodPatterns().has(pattern);
    const formats = format === undefined || known ? [] : [{ source: formatSource(format, path), path: below(path, "format") }];
    if (pattern === undefined) return formats;
    return [{ source: known ? orFormat(pattern, format) : pattern, path: below(path, "pattern") }, ...formats];
  });
  const [first, ...others] = asked;
  if (!first) return undefined;
  const other = others.find(({ source }) => source !== first.source);
  if (other) throw refusal(other.path, "only one pattern or format of a string can be enforced");
  try {
    return { regex: wholeTexts(parseRegex(first.source)), path: first.path };
  } catch (error) {
    if (error instanceof RegexError) throw refusal(first.path, error.message);
    throw error;
  }
}

function formatSource(format: unknown, path: string): string {
  const source = typeof format === "string" ? formatPattern(format) : undefined;
  if (source === undefined) throw refusal(below(path, "format"), `it cannot be enforced; these can: ${formatNames().join(", ")}`);
  return source;
}

let known: ReadonlySet<string> | undefined;

/** zod writes a pattern beside each format; its patterns are as strict as the format, or stricter. */
function zodPatterns(): ReadonlySet<string> {
  const { datetime, uuid, time, ...constants } = z.regexes;
  known ??= new Set(
    [
      ...Object.values(constants),
      uuid(),
      uuid(4),
      uuid(6),
      uuid(7),
      datetime({}),
      datetime({ offset: true }),
      datetime({ local: true }),
      time({}),
    ]
      .filter((value) => value instanceof RegExp)
      .map(({ source }) => source)
      // Before zod 4.4, with look-ahead.
      .concat("^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"),
  );
  return known;
}

/** Some of them look ahead: then the format, which is ours, stands for them. */
function orFormat(pattern: string, format: unknown): string {
  return (/\(\?[=!<]/.test(pattern) && typeof format === "string" && formatPattern(format)) || pattern;
}

function withLengths(
  { regex }: Pattern,
  min: { value: number; path: string } | undefined,
  max: { value: number; path: string } | undefined,
): Regex {
  const [least, most] = lengthsOf(regex);
  const fits = least >= (min?.value ?? 0) && most <= (max?.value ?? Number.POSITIVE_INFINITY);
  if (fits) return regex;
  const single = singleRepeat(regex);
  if (single) {
    const [from, to] = [Math.max(single.min, min?.value ?? 0), Math.min(single.max, max?.value ?? Number.POSITIVE_INFINITY)];
    if (from <= to) return { ...single, min: from, max: to };
  }
  const atFault = least < (min?.value ?? 0) ? min! : max!;
  throw refusal(atFault.path, `it cannot be enforced beside this pattern or format, whose texts have ${least} to ${most} characters`);
}

/** `^[a-z]*$` and its like: the only pattern whose count of characters is its own. */
function singleRepeat(regex: Regex): (Regex & { kind: "repeat" }) | undefined {
  if (regex.kind === "sequence" && regex.items.length === 1) return singleRepeat(regex.items[0]!);
  return regex.kind === "repeat" && regex.item.kind === "set" ? regex : undefined;
}

function encodedRegex(regex: Regex): Expression {
  switch (regex.kind) {
    case "set":
      return encoded(regex.ranges);
    case "sequence":
      return sequence(...regex.items.map((item) => encodedRegex(item)));
    case "choice":
      return choice(...regex.items.map((item) => encodedRegex(item)));
    case "repeat":
      return repeat(encodedRegex(regex.item), regex.min, regex.max);
    case "anchor":
      throw new Error("an anchor was left");
  }
}
