/** What a body refers to, from the store: the conversation before it, and items by their ids. Called by create.ts before the body is decoded. */
import type { ResponseStore, StoredResponse, WireObject } from "../../contract/responses.ts";
import { type Earlier, referencesOf, responseOfItem } from "../../protocols/openai/responses/index.ts";

/** A conversation holds what went before, so a few files have the items of many turns. */
const MOST_FILES = 64;

export async function earlierOf(store: ResponseStore, caller: string | undefined, body: unknown): Promise<Earlier> {
  const { previous, items: wanted } = referencesOf(body);
  const conversation = previous === undefined ? undefined : conversationOf(await store.get(previous, caller));
  return { items: await itemsOf(store, caller, wanted), ...(conversation && { conversation }) };
}

function conversationOf(stored: StoredResponse | undefined): readonly unknown[] | undefined {
  return stored && !isOpen(stored.response) ? [...stored.input, ...outputOf(stored)] : undefined;
}

/** It was kept before it was made: it still is being made, or its server has ended. */
export function isOpen({ status }: WireObject): boolean {
  return status === "queued" || status === "in_progress";
}

function outputOf({ response }: StoredResponse): readonly unknown[] {
  return Array.isArray(response.output) ? response.output : [];
}

/** The latest first: it knows those before it. */
async function itemsOf(store: ResponseStore, caller: string | undefined, wanted: readonly string[]): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  const asked = new Set<string>();
  for (const id of wanted.toReversed()) {
    const response = responseOfItem(id);
    if (found.has(id) || response === undefined || asked.has(response) || asked.size >= MOST_FILES) continue;
    asked.add(response);
    for (const item of conversationOf(await store.get(response, caller)) ?? []) {
      const { id: known } = item as { readonly id?: unknown };
      if (typeof known === "string") found.set(known, item);
    }
  }
  return found;
}
