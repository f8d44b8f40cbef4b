/** Arrays: items, tuples, bounds. Called by compile.ts with all schemas that must hold at once. */
import type { Compiler } from "./compile.ts";
import { type Expression, isNever, NEVER, repeat, sequence, text } from "./expression.ts";
import { type Located, tightest } from "./keywords.ts";
import type { Subschema } from "./objects.ts";
import { below, refusal } from "./refusal.ts";

/** A longer tuple or a larger bound is a mistake, or an attack. */
const MAX_ITEMS = 1_000_000;

export function arrayOf(all: readonly Located[], compiler: Compiler): Expression {
  const tuples = all.map(tupleOf);
  const places = Math.max(0, ...tuples.map(({ items }) => items.length));
  const min = tightest(all, "minItems");
  const max = tightest(all, "maxItems");
  for (const bound of [min, max])
    if (bound && bound.value > MAX_ITEMS && bound.value < 2 ** 31 - 1) throw refusal(bound.path, `it must be at most ${MAX_ITEMS}`);
  const most = max && max.value <= MAX_ITEMS ? max.value : Number.POSITIVE_INFINITY;
  const rest = compiler.grammar.share(compiler.all(tuples.flatMap((tuple) => tuple.rest)));
  // A tuple is written whole; more items follow only where the schema describes them or asks for them.
  const open = places === 0 || tuples.some(({ rest }) => rest.length > 0);
  const first = Array.from({ length: Math.min(places, most) }, (_, i) => compiler.all(tuples.flatMap((tuple) => at(tuple, i))));
  const least = Math.max(0, (min?.value ?? 0) - first.length);
  const mostRest = open ? most - first.length : least;
  if (first.length === 0) return isNever(rest) ? emptyOnly(least) : compiler.json.list("[", rest, "]", least, mostRest);
  const written = first.flatMap((item, i) => (i === 0 ? [item] : [compiler.json.comma, item]));
  return sequence(text("["), ...written, repeat(sequence(compiler.json.comma, rest), least, mostRest), text("]"));
}

function emptyOnly(least: number): Expression {
  return least > 0 ? NEVER : text("[]");
}

interface Tuple {
  readonly items: readonly Subschema[];
  /** The schema of all items behind; none: anything. */
  readonly rest: readonly Subschema[];
}

/** `prefixItems` and `items`; before 2020 an array in `items` and `additionalItems`. */
function tupleOf({ keywords, path }: Located): Tuple {
  const old = Array.isArray(keywords.items);
  const [prefix, rest] = old ? ["items", "additionalItems"] : ["prefixItems", "items"];
  const items = keywords[prefix!] ?? [];
  if (!Array.isArray(items)) throw refusal(below(path, prefix!), "it must be an array of schemas");
  if (items.length > MAX_ITEMS) throw refusal(below(path, prefix!), `it must have at most ${MAX_ITEMS} items`);
  const applies = rest === "items" || old; // additionalItems alone says nothing
  return {
    items: items.map((schema, i) => ({ schema, path: below(below(path, prefix!), i) })),
    rest: applies && keywords[rest!] !== undefined ? [{ schema: keywords[rest!], path: below(path, rest!) }] : [],
  };
}

function at({ items, rest }: Tuple, index: number): readonly Subschema[] {
  return index < items.length ? [items[index]!] : rest;
}
