/**
 * What headers said, kept in a file of the user's cache folder, so that a new process need not read them again. Called by `examine.ts`.
 * It is only ever shown to people and used to choose a model: before a load the header is read anew (`Catalogue.verify`). A file that is
 * not exactly as this build writes it counts as none.
 */
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelDescription } from "./describe.ts";
import type { Examination } from "./model-file.ts";
import { isRecord, readSmallJson } from "./stores/read.ts";
import type { Surroundings } from "./stores/store.ts";
import { writeWhole } from "./write-whole.ts";

/** A file as it was when its header was read. */
export interface Examined {
  /** Size, time and inode of all its files: if one differs, it is read again. */
  readonly identity: string;
  readonly result: Examination;
}

interface Stored extends Examined {
  /** The day it was last in a list, counted from the epoch. */
  readonly day: number;
  /** The chat template is one of `texts`: most models share theirs with others. */
  readonly text?: number;
}

/** Of the layout below; what headers are described by is told by `buildMark`. */
const LAYOUT = 1;
const MAX_ENTRIES = 4096;
const MAX_BYTES = 32 * 1024 * 1024;
const DAY_MS = 86_400_000;

/** `models.json` in the user's cache folder for Shimmy. */
export function cacheFile({ env, home, platform }: Surroundings): string {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "shimmy", "models.json");
  if (platform === "darwin") return join(home, "Library", "Caches", "shimmy", "models.json");
  if (platform === "win32") return join(env.LOCALAPPDATA || join(home, "AppData", "Local"), "shimmy", "cache", "models.json");
  return join(home, ".cache", "shimmy", "models.json");
}

/** @returns real path → what its header said; empty if there is no usable file. */
export async function readHeaderCache(file: string): Promise<Map<string, Examined>> {
  return new Map([...(await readStored(file))].map(([path, { identity, result }]) => [path, { identity, result }]));
}

/**
 * Adds what was examined to what the file holds: other processes list other folders. The longest unlisted go first.
 * @throws when the folder cannot be written.
 */
export async function writeHeaderCache(file: string, examined: ReadonlyMap<string, Examined>): Promise<void> {
  const day = Math.floor(Date.now() / DAY_MS);
  const merged = await readStored(file);
  for (const [path, { identity, result }] of examined) if (identity !== "") merged.set(path, { identity, result, day });
  const kept = [...merged].sort(([, a], [, b]) => b.day - a.day).slice(0, MAX_ENTRIES);
  const text = encode(kept, await buildMark());
  if (text.length > MAX_BYTES) return;
  await writeWhole(file, text);
}

function encode(entries: ReadonlyArray<readonly [string, Stored]>, build: string): string {
  const texts = new Map<string, number>();
  const files = entries.map(([path, { identity, result, day }]): [string, Stored] => {
    const template = result.kind === "model" ? result.description.chatTemplate : undefined;
    if (result.kind !== "model" || template === undefined) return [path, { identity, result, day }];
    const text = texts.get(template) ?? texts.set(template, texts.size).size - 1;
    const { chatTemplate: _, ...description } = result.description;
    return [path, { identity, result: { ...result, description }, day, text }];
  });
  return JSON.stringify({ layout: LAYOUT, build, texts: [...texts.keys()], files: Object.fromEntries(files) });
}

async function readStored(file: string): Promise<Map<string, Stored>> {
  const entries = new Map<string, Stored>();
  const content = await readSmallJson(file, MAX_BYTES);
  if (content?.layout !== LAYOUT || content.build !== (await buildMark())) return entries;
  const { files, texts } = content;
  if (!isRecord(files) || !Array.isArray(texts)) return entries;
  for (const [path, value] of Object.entries(files)) {
    const stored = decode(value, texts);
    if (stored) entries.set(path, stored);
  }
  return entries;
}

function decode(value: unknown, texts: readonly unknown[]): Stored | undefined {
  if (!isRecord(value) || typeof value.identity !== "string" || typeof value.day !== "number" || !isExamination(value.result))
    return undefined;
  const { identity, day, result, text } = value;
  if (text === undefined || result.kind !== "model") return { identity, day, result };
  const chatTemplate = texts[Number(text)];
  if (typeof chatTemplate !== "string") return undefined;
  return { identity, day, result: { ...result, description: { ...result.description, chatTemplate } } };
}

type Fact = "string" | "number" | "boolean" | "texts" | "numbers";

/** Of what type each fact is, so that half a description is none; `?`: it may be absent. The compiler asks for a line for each new field. */
const FACTS: { readonly [K in keyof Required<ModelDescription>]: undefined extends ModelDescription[K] ? `${Fact}?` | "never" : Fact } = {
  path: "string",
  sizeBytes: "number",
  modifiedMs: "number",
  architecture: "string",
  family: "string",
  parameters: "number",
  quantization: "string",
  contextLength: "number",
  chatTemplate: "string?",
  templateFormat: "string?",
  capabilities: "texts?",
  generative: "boolean",
  kvBytesPerToken: "number",
  kvQuantizes: "boolean?",
  license: "string?",
  sampling: "numbers?",
  ignoredSampling: "texts?",
  // Not from the header.
  aliases: "never",
  digest: "never",
  defaults: "never",
};

function isDescription(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return Object.entries(FACTS).every(([key, fact]) => {
    const given = value[key];
    if (given === undefined) return fact === "never" || fact.endsWith("?");
    if (fact.startsWith("texts")) return areTexts(given);
    return fact.startsWith("numbers") ? areNumbers(given) : typeof given === fact.replace("?", "");
  });
}

function isExamination(value: unknown): value is Examination {
  if (!isRecord(value)) return false;
  const { kind, reason, description, names, adapter } = value;
  if (kind === "none") return typeof reason === "string";
  if (kind === "adapter")
    return (
      isRecord(adapter) && typeof adapter.architecture === "string" && typeof adapter.sizeBytes === "number" && areTexts(adapter.baseNames)
    );
  return kind === "model" && areTexts(names) && isDescription(description);
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function areNumbers(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((each) => typeof each === "number");
}

/**
 * This code: what another build made of a header is not what this one would make of it. In the package the file's name holds a hash over
 * all that it imports; where it does not, the time tells.
 */
async function buildMark(): Promise<string> {
  const own = fileURLToPath(import.meta.url);
  const { size, mtimeMs } = await stat(own);
  return `${basename(own)}:${size}:${mtimeMs}`;
}
