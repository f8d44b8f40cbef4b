/**
 * What a body refers to that a server may have kept, and how ids lead there: the id of an item tells the response it came with. Called by the
 * server before it lets the body be decoded, so it takes bodies of any shape.
 *
 *     resp_<32 hex>          msg_<32 hex>_0 (output)          msg_<32 hex>_in0 (input)
 */

export interface References {
  readonly previous?: string;
  /** Ids of items, in order. */
  readonly items: readonly string[];
}

export function referencesOf(body: unknown): References {
  if (typeof body !== "object" || body === null) return { items: [] };
  const { previous_response_id: previous, input } = body as Readonly<Record<string, unknown>>;
  const items = Array.isArray(input) ? input.map(referenceOf).filter((id) => id !== undefined) : [];
  return { items, ...(typeof previous === "string" && previous !== "" && { previous }) };
}

/** The id that an item refers to: `{type: "item_reference", id}`, or an id alone. */
export function referenceOf(item: unknown): string | undefined {
  if (typeof item !== "object" || item === null) return undefined;
  const { type, role, id } = item as Readonly<Record<string, unknown>>;
  const refers = type === "item_reference" || ((type === undefined || type === null) && role === undefined);
  return refers && typeof id === "string" ? id : undefined;
}

/** The response with which an item came; undefined for ids that were not made here. */
export function responseOfItem(id: string): string | undefined {
  const base = /^[a-z]+_([0-9a-f]{32})_(?:in)?\d+$/.exec(id)?.[1];
  return base === undefined ? undefined : `resp_${base}`;
}

/** The common part of the ids of a response and its items. */
export function idBase(requestId: string): string {
  return requestId.replaceAll("-", "");
}

/** A map, for the types of items that are skipped are any words of the caller's. */
const PREFIXES: ReadonlyMap<string, string> = new Map([
  ["message", "msg"],
  ["reasoning", "rs"],
  ["function_call", "fc"],
  ["function_call_output", "fco"],
  ["custom_tool_call", "ctc"],
  ["custom_tool_call_output", "ctco"],
  ["compaction", "cmp"],
]);

export function itemId(type: string, base: string, index: number, given = false): string {
  return `${PREFIXES.get(type) ?? "item"}_${base}_${given ? "in" : ""}${index}`;
}

/** Input items as they are kept and listed: each with an id and a type, messages with parts. */
export function keptItems(items: readonly unknown[], base: string): unknown[] {
  return items.map((item, index) => {
    const fields = item as Readonly<Record<string, unknown>>;
    const type = typeof fields.type === "string" ? fields.type : "message";
    const id = typeof fields.id === "string" && fields.id !== "" ? fields.id : itemId(type, base, index, true);
    if (type !== "message") return { ...fields, id };
    const part = fields.role === "assistant" ? { type: "output_text", annotations: [] } : { type: "input_text" };
    const content = typeof fields.content === "string" ? [{ ...part, text: fields.content }] : fields.content;
    return { status: "completed", ...fields, id, type, content };
  });
}
