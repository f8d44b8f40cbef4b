/** Copies of models in a folder of their own, and what a server says of its models. Used by the suites of the life cycle. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask, askJson } from "../support/raw.ts";
import type { TestServer } from "../support/server.ts";
import { TINY } from "../support/server.ts";

/** With Shimmy Tiny under these names. */
export function folderOf(...names: readonly string[]): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "shimmy-life-"));
  for (const name of names) copyFileSync(TINY, join(path, `${name}.gguf`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Ps {
  readonly models: ReadonlyArray<{
    readonly model: string;
    readonly state: string;
    readonly pid?: number;
    readonly expires_at?: string | null;
    readonly pinned?: boolean;
    readonly memory_bytes?: number;
  }>;
  readonly memory: { readonly used_bytes: number; readonly budget_bytes: number };
}

export async function ps(server: TestServer): Promise<Ps> {
  return JSON.parse((await ask(server, "/api/ps")).text) as Ps;
}

export async function loadedModels(server: TestServer): Promise<string[]> {
  return (await ps(server)).models.filter(({ state }) => state === "loaded").map(({ model }) => model);
}

/** Three tokens of a model. */
export function short(server: TestServer, model: string, more: object = {}) {
  return askJson(server, "/v1/completions", { model, prompt: "Once upon a time", max_tokens: 3, temperature: 0, ...more });
}
