/**
 * Which schemas hold at a place: references resolved, `allOf` taken apart. Called by compile.ts and one-of.ts.
 */
import { checkKeywords, isAssertion, isObject, type Keywords, type Located, listOf } from "./keywords.ts";
import type { Subschema } from "./objects.ts";
import { below, refusal } from "./refusal.ts";

export interface Place {
  /** Without `$ref` and `allOf`. */
  readonly all: readonly Located[];
  /** One of them is `false`. */
  readonly impossible: boolean;
}

export function flatten(schemas: readonly Subschema[], root: Subschema): Place {
  const all: Located[] = [];
  const seen = new Set<unknown>();
  let impossible = false;
  const add = ({ schema, path }: Subschema, way: readonly unknown[], from = path): void => {
    if (schema === true) return;
    if (schema === false) {
      impossible = true;
      return;
    }
    if (!isObject(schema)) throw refusal(path, "it must be a JSON Schema: an object, true or false");
    if (way.includes(schema)) throw refusal(from, "it refers to itself with nothing in between");
    if (seen.has(schema)) return;
    seen.add(schema);
    const located = { keywords: schema, path };
    checkKeywords(located);
    if (schema.$ref !== undefined) add(resolveReference({ schema, path }, root), [...way, schema], below(path, "$ref"));
    if (schema.allOf !== undefined)
      listOf(located, "allOf").forEach((part, i) => {
        add({ schema: part, path: below(below(path, "allOf"), i) }, [...way, schema]);
      });
    all.push({ keywords: own(schema), path });
  };
  for (const subschema of schemas) add(subschema, []);
  return { all, impossible };
}

const owned = new WeakMap<Keywords, Keywords>();

/** Without what leads elsewhere; the same object each time, since places are known by their schemas. */
function own(schema: Keywords): Keywords {
  if (schema.$ref === undefined && schema.allOf === undefined) return schema;
  const known = owned.get(schema);
  if (known) return known;
  const { $ref: _reference, allOf: _parts, ...rest } = schema;
  owned.set(schema, rest);
  return rest;
}

/** A reference with nothing beside it but annotations. */
export function isSoleReference({ schema }: Subschema): boolean {
  return isObject(schema) && schema.$ref !== undefined && Object.keys(schema).filter(isAssertion).length === 1;
}

/** Follows a JSON pointer (RFC 6901) from the root of the schema; other documents are never fetched. */
export function resolveReference({ schema, path }: Subschema, root: Subschema): Subschema {
  const at = below(path, "$ref");
  const { $ref: reference } = schema as { $ref: unknown };
  if (typeof reference !== "string") throw refusal(at, "it must be a string");
  if (!/^#(\/|$)/.test(reference)) throw refusal(at, "only references within the schema, such as #/$defs/name, can be resolved");
  let target: Subschema = root;
  for (const part of reference.split("/").slice(1)) {
    const key = decode(part, at);
    const { schema: parent } = target;
    const index = Array.isArray(parent) && /^\d+$/.test(key) ? Number(key) : key;
    if (typeof parent !== "object" || parent === null || !Object.hasOwn(parent, index)) throw refusal(at, `there is no ${reference}`);
    target = { schema: (parent as Record<string | number, unknown>)[index], path: below(target.path, index) };
  }
  return target;
}

function decode(part: string, at: string): string {
  try {
    return decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
  } catch {
    throw refusal(at, "it is not well written");
  }
}
