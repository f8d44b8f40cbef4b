/**
 * Checks a value against a schema and says in one sentence what is wrong with the first field that is.
 * Called by the decoders. It must not know which fields there are.
 */
import * as z from "zod/mini";
import { ShimmyError } from "../../contract/errors.ts";
import { documentedAs } from "../document.ts";

type Issue = z.core.$ZodIssue;

/**
 * @param at Where the value stands in the body, e.g. `messages[2]`; empty for the body itself.
 * @throws invalid_value with the path of the field and the reason.
 */
export function validate<Schema extends z.core.$ZodType>(schema: Schema, value: unknown, at = ""): z.output<Schema> {
  const result = z.safeParse(schema, value, { reportInput: true });
  if (result.success) return result.data;
  const issue = innermost(result.error.issues[0]!);
  throw invalid(pathOf(issue.path, at), reasonOf(issue));
}

export function invalid(param: string, reason: string): ShimmyError {
  return new ShimmyError("invalid_value", { param, reason });
}

/**
 * A list whose length is checked before its items are looked at: zod collects an issue for each wrong item,
 * and a body of a few MB holds millions.
 */
export function boundedArray<Item extends z.core.$ZodType>(item: Item, max: number) {
  return documentedAs(z.pipe(z.array(z.unknown()).check(z.maxLength(max)), z.array(item)), z.array(item).check(z.maxLength(max)));
}

/** An object whose entries are counted before they are looked at, as in `boundedArray`. */
export function boundedRecord<Value extends z.core.$ZodType>(key: z.ZodMiniString, value: Value, max: number) {
  const counted = z
    .record(z.string(), z.unknown())
    .check(z.refine((entries) => Object.keys(entries).length <= max, `must have at most ${max} entries`));
  const entries = z.record(key, value);
  return documentedAs(z.pipe(counted, entries), entries);
}

/**
 * A list that is judged item by item up to the first wrong one, which is the one that is told. Its items stay as they came: no defaults,
 * no key moved or left out, so `item` may hold loose objects and nothing that transforms.
 * @param sound a quick look that is enough for most items, where there may be millions
 */
export function list<Item extends z.core.$ZodType>(item: Item, max = Number.MAX_SAFE_INTEGER, sound?: (value: unknown) => boolean) {
  const judged = z.array(z.unknown()).check(z.maxLength(max, { abort: true }), z.check(firstFault(item, sound)));
  const shape = z.array(item);
  const shown = max < Number.MAX_SAFE_INTEGER ? shape.check(z.maxLength(max)) : shape;
  return documentedAs(judged as unknown as z.ZodMiniType<z.output<Item>[], unknown[]>, shown);
}

function firstFault(item: z.core.$ZodType, sound: (value: unknown) => boolean = () => false) {
  return ({ value, issues }: z.core.ParsePayload<unknown[]>) => {
    for (const [index, each] of value.entries()) {
      if (sound(each)) continue;
      const judged = item._zod.run({ value: each, issues: [] }, { async: false, reportInput: true });
      if (judged instanceof Promise || judged.issues.length === 0) continue;
      issues.push(...judged.issues.map((issue) => ({ ...issue, path: [index, ...(issue.path ?? [])] })));
      return;
    }
  };
}

/** A union's own issue says only that nothing fitted; the branch that got past the outer type knows more. */
function innermost(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  for (const branch of issue.errors) {
    const first = branch[0];
    if (first && (first.path.length > 0 || first.code !== "invalid_type")) {
      return innermost({ ...first, path: [...issue.path, ...first.path] });
    }
  }
  return issue;
}

function pathOf(path: readonly PropertyKey[], at: string): string {
  const text = path.reduce<string>((sum, key) => sum + (typeof key === "number" ? `[${key}]` : sum ? `.${String(key)}` : String(key)), at);
  return text || "body";
}

function reasonOf(issue: Issue): string {
  if (issue.input === undefined && (issue.code === "invalid_type" || issue.code === "invalid_union")) return "it is required";
  switch (issue.code) {
    case "invalid_type":
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}, not ${nameOf(issue.input)}`;
    case "too_small":
      return boundOf(issue.origin, "at least", "greater than", issue.minimum, issue.inclusive);
    case "too_big":
      return boundOf(issue.origin, "at most", "less than", issue.maximum, issue.inclusive);
    case "invalid_value":
      return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    default:
      return issue.message;
  }
}

function boundOf(origin: string, inclusiveWord: string, exclusiveWord: string, bound: number | bigint, inclusive = true): string {
  const word = inclusive ? inclusiveWord : exclusiveWord;
  if (origin === "array") return `must have ${word} ${bound} items`;
  if (origin === "string") return `must have ${word} ${bound} characters`;
  return `must be ${word} ${bound}`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  number: "a number",
  string: "a string",
  boolean: "true or false",
  array: "an array",
  object: "an object",
  record: "an object",
};

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  // JSON's 1e999 arrives as Infinity, which is a number to JavaScript and not to us.
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : String(value);
  return typeof value === "boolean" ? "a boolean" : (TYPE_NAMES[typeof value] ?? typeof value);
}
