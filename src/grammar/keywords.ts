/**
 * The keywords of JSON Schema (drafts 4 to 2020-12, and OpenAPI's `nullable`): which there are, which of them say something about
 * which type, which cannot be enforced. A schema here is always located: it knows where it stands in the request. Pure.
 */
import { below, refusal } from "./refusal.ts";

export type Keywords = Readonly<Record<string, unknown>>;

/** A schema that is an object, and its path in the request. */
export interface Located {
  readonly keywords: Keywords;
  readonly path: string;
}

export type Type = "null" | "boolean" | "integer" | "number" | "string" | "array" | "object";
export const TYPES: readonly Type[] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/** Keywords that say something about values of one type only. */
const BY_TYPE = {
  object: [
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
  ],
  array: ["items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"],
  string: ["minLength", "maxLength", "pattern"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
} as const;
export const ABOUT_TYPE: ReadonlyMap<string, "object" | "array" | "string" | "number"> = new Map(
  (["object", "array", "string", "number"] as const).flatMap((type) => BY_TYPE[type].map((keyword) => [keyword, type] as const)),
);

/** Keywords that assert something, whatever the type. `format` is about strings, or about numbers in OpenAPI. */
const GENERAL = ["type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf", "format", "nullable"];
const ASSERTIONS: ReadonlySet<string> = new Set([...ABOUT_TYPE.keys(), ...GENERAL]);

/** Asserting keywords that a grammar cannot hold, and those nobody has needed yet. All others are annotations. */
const REFUSED: ReadonlySet<string> = new Set([
  "not",
  "if",
  "contains",
  "dependencies",
  "dependentRequired",
  "dependentSchemas",
  "unevaluatedItems",
  "$dynamicRef",
  "$recursiveRef",
  "extends",
  "disallow",
]);

export function isAssertion(keyword: string): boolean {
  return ASSERTIONS.has(keyword);
}

export function isObject(value: unknown): value is Keywords {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws invalid_value for a schema that is none, or asks what cannot be promised. */
export function checkKeywords({ keywords, path }: Located): void {
  for (const keyword of Object.keys(keywords)) if (REFUSED.has(keyword)) throw refusal(below(path, keyword), "it cannot be enforced");
  if (keywords.uniqueItems === true && !(typeof keywords.maxItems === "number" && keywords.maxItems <= 1))
    throw refusal(below(path, "uniqueItems"), "it cannot be enforced");
  if (isObject(keywords.unevaluatedProperties)) throw refusal(below(path, "unevaluatedProperties"), "only false or true can be enforced");
}

/** The types that `type` names; undefined when it is absent. */
export function typesOf({ keywords, path }: Located): readonly Type[] | undefined {
  const { type } = keywords;
  if (type === undefined) return undefined;
  const names = Array.isArray(type) ? type : [type];
  for (const name of names) {
    if (!TYPES.includes(name)) throw refusal(below(path, "type"), `it must be one or several of ${TYPES.join(", ")}`);
  }
  return names;
}

/** A list of schemas, such as `anyOf`. */
export function listOf({ keywords, path }: Located, keyword: string): unknown[] {
  const value = keywords[keyword];
  if (!Array.isArray(value) || value.length === 0) throw refusal(below(path, keyword), "it must be an array with something in it");
  return value;
}

/** A count such as `minItems`; undefined when it is absent. */
export function countOf({ keywords, path }: Located, keyword: string): number | undefined {
  const value = keywords[keyword];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0)
    throw refusal(below(path, keyword), "it must be a whole number from 0");
  return value;
}

/** The tightest of a count: the largest minimum or the smallest maximum, and where it stands. */
export function tightest(all: readonly Located[], keyword: string): { readonly value: number; readonly path: string } | undefined {
  const counts = all.flatMap((located) => {
    const value = countOf(located, keyword);
    return value === undefined ? [] : [{ value, path: below(located.path, keyword) }];
  });
  const sign = keyword.startsWith("min") ? 1 : -1;
  return counts.sort((a, b) => sign * (b.value - a.value))[0];
}
