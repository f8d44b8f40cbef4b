/** `enum` and `const`: the values that are left when all schemas of a place have had their say. Called by compile.ts and one-of.ts. */
import { ABOUT_TYPE, isAssertion, type Located, listOf, type Type, typesOf } from "./keywords.ts";
import { below, refusal } from "./refusal.ts";

const MAX_VALUES = 100_000;

/** Undefined when no schema lists values. @throws invalid_value for a keyword beside them that is not checked here. */
export function valuesOf(all: readonly Located[]): readonly unknown[] | undefined {
  const lists = all.flatMap((located) => [
    ...(located.keywords.enum === undefined ? [] : [enumOf(located)]),
    ...("const" in located.keywords ? [[located.keywords.const]] : []),
  ]);
  if (lists.length === 0) return undefined;
  for (const { keywords, path } of all) {
    const other = Object.keys(keywords).find((key) => (ABOUT_TYPE.has(key) || key === "format") && isAssertion(key));
    if (other !== undefined) throw refusal(below(path, other), "it cannot be enforced beside enum or const");
  }
  const [first, ...others] = lists;
  const allowed = others.map((list) => new Set(list.map(canonical)));
  return first!.filter(
    (value) => allowed.every((set) => set.has(canonical(value))) && all.every((located) => hasType(value, typesOf(located))),
  );
}

function enumOf(located: Located): unknown[] {
  const values = listOf(located, "enum");
  if (values.length > MAX_VALUES) throw refusal(below(located.path, "enum"), `it must have at most ${MAX_VALUES} values`);
  return values;
}

/** Whether a value has one of these types; any, when they are absent. */
export function hasType(value: unknown, types: readonly Type[] | undefined): boolean {
  if (!types) return true;
  const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  return types.includes(type as Type) || (types.includes("integer") && Number.isInteger(value));
}

/** Equal for equal JSON values, whatever the order of their names. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
