/** `shimmy embed`: vectors of texts as JSON, for scripts. */
import { randomUUID } from "node:crypto";
import type { LoadedConfig } from "../config/load.ts";
import { nameOf } from "../contract/generation.ts";
import { tellFallback } from "./ask.ts";
import { openToLoad } from "./open.ts";
import { printJson } from "./output.ts";

interface Flags {
  readonly model?: string;
  readonly truncate?: boolean;
}

export async function embed(loaded: LoadedConfig, texts: readonly string[], { model: name = "default", truncate }: Flags): Promise<void> {
  const { pool } = await openToLoad(loaded);
  try {
    const model = await pool.resolve(name, { wants: "vectors" });
    tellFallback(model);
    const inputs = texts.map((text) => ({ text }));
    const request = { id: randomUUID(), model: name, inputs, ...(truncate && { truncate }) };
    const { vectors, tokens } = await pool.embed(model, request, new AbortController().signal);
    printJson({ model: nameOf(model), vectors: vectors.map((vector) => Array.from(vector)), tokens });
  } finally {
    await pool.stop();
  }
}
