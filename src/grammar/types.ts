/** Which types a place may have. Called by compile.ts and one-of.ts. */
import { ABOUT_TYPE, type Keywords, type Located, TYPES, type Type, typesOf } from "./keywords.ts";

/** Named types; where there are none those that other keywords speak of; else all. Integers are named only where they must be. */
export function typesAt(all: readonly Located[]): readonly Type[] {
  let types: readonly Type[] = TYPES.filter((type) => type !== "integer");
  let named = false;
  for (const located of all) {
    const own = typesOf(located);
    if (!own) continue;
    named = true;
    const integers = types.includes("number") && !own.includes("number") && own.includes("integer");
    const kept = types.filter((type) => own.includes(type) || (type === "integer" && own.includes("number")));
    types = integers ? [...kept, "integer"] : kept;
  }
  if (named) return types;
  const spokenOf = new Set(all.flatMap(({ keywords }) => Object.keys(keywords).map((keyword) => kindOf(keyword, keywords))));
  const kinds = types.filter((type) => spokenOf.has(type));
  return kinds.length > 0 ? kinds : types;
}

/** The type a keyword is about; `format` is about numbers where OpenAPI's formats are named. */
export function kindOf(keyword: string, keywords: Keywords): string | undefined {
  if (keyword === "format") return /^(u?int\d*|float|double|decimal)$/.test(String(keywords.format)) ? "number" : "string";
  return ABOUT_TYPE.get(keyword);
}
