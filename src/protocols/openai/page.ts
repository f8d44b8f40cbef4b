/**
 * Pages of a list, as OpenAI has them for files, batches and the items of a response: a cursor is the id of the last item that was told.
 * Called by the routes and encoders of these.
 */
import * as z from "zod/mini";
import { wholeRange } from "./schema.ts";
import { invalid, validate } from "./validate.ts";

/** @param most items of a page */
export function pageQuery(most: number) {
  return { limit: wholeRange(1, most), after: z.nullish(z.string()) };
}

export const orderQuery = z.nullish(z.enum(["asc", "desc"]));

export function pageAnswer<Item extends z.core.$ZodType>(item: Item) {
  const id = z.nullable(z.string());
  return z.object({ object: z.literal("list"), data: z.array(item), first_id: id, last_id: id, has_more: z.boolean() });
}

/** A query as the schemas of bodies judge it: whole numbers are numbers, where one is wanted. @throws invalid_value */
export function queryFields<Shape extends z.core.$ZodShape>(shape: Shape, query: URLSearchParams): z.output<z.ZodMiniObject<Shape>> {
  const values = [...query].map(([name, text]) => [name, NUMBERS.has(name) && /^-?\d{1,15}$/.test(text) ? Number(text) : text]);
  return validate(z.object(shape), Object.fromEntries(values)) as z.output<z.ZodMiniObject<Shape>>;
}

const NUMBERS: ReadonlySet<string> = new Set(["limit", "starting_after"]);

/** What stands behind `after`. @throws invalid_value when that is gone: a client would begin anew. */
export function page<T extends { readonly id: string }, Wire>(
  items: readonly T[],
  encode: (item: T) => Wire,
  after: string | null | undefined,
  limit: number,
) {
  const start = after ? items.findIndex(({ id }) => id === after) + 1 : 0;
  if (after && start === 0) throw invalid("after", "there is nothing of that id in this list");
  const shown = items.slice(start, start + limit);
  return {
    object: "list" as const,
    data: shown.map(encode),
    first_id: shown[0]?.id ?? null,
    last_id: shown.at(-1)?.id ?? null,
    has_more: start + limit < items.length,
  };
}
