/**
 * Ollama: `manifests/<host>/<namespace>/<model>/<tag>` lists layers by digest, which are `blobs/sha256-<hex>`. The weights are a GGUF
 * file; template, parameters, system message, adapters and projectors are layers beside it. Source: ollama/ollama, server/manifest.go,
 * server/images.go, types/model/name.go.
 */
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ModelDefaults } from "../../contract/model.ts";
import { isRecord, readSmallJson, readSmallText } from "./read.ts";
import { type Found, type FoundFile, NOTHING, type Place, type Skipped, type Store, type Surroundings } from "./store.ts";

export const ollama: Store = { name: "ollama", places };

const LAYER = "application/vnd.ollama.image.";
/** Real manifests have ten layers. */
const MAX_LAYERS = 256;
const MAX_MANIFESTS = 10_000;
const READ_AT_ONCE = 32;

async function places({ env, home, platform }: Surroundings): Promise<Place[]> {
  const paths = [
    ...(env.OLLAMA_MODELS ? [env.OLLAMA_MODELS] : []),
    join(home, ".ollama", "models"),
    // The service of the Linux installer has its own user; the snap package its own folder.
    ...(platform === "linux" ? ["/usr/share/ollama/.ollama/models", "/var/snap/ollama/common/models"] : []),
  ];
  return [...new Set(paths)].map((path) => ({ label: "ollama", path, find: () => findInOllama(path) }));
}

interface Manifest {
  readonly path: string;
  /** As `ollama list` shows it. */
  readonly name: string;
}

export async function findInOllama(root: string): Promise<Found> {
  const exists = await stat(root).then(
    (info) => info.isDirectory(),
    () => false,
  );
  if (!exists) return NOTHING;
  const skipped: Skipped[] = [];
  const folders = [root];
  const [manifests, blobs] = await Promise.all([findManifests(join(root, "manifests"), folders, skipped), findBlobs(root)]);
  // A gulp at a time: many small files take long one after the other.
  const files: FoundFile[] = [];
  for (let start = 0; start < manifests.length; start += READ_AT_ONCE) {
    const gulp = manifests.slice(start, start + READ_AT_ONCE);
    for (const found of await Promise.all(gulp.map((manifest) => modelOf(manifest, blobs)))) {
      if ("reason" in found) skipped.push(found);
      else files.push(found);
    }
  }
  return { exists, files, skipped, folders };
}

interface Blobs {
  /** The path of a layer's file, and whether it is a plain file there; undefined for what is no digest. */
  find(digest: unknown): { readonly path: string; readonly exists: boolean; readonly real?: string } | undefined;
  /** The text of a small one; models share most of theirs. */
  text(path: string): Promise<string | undefined>;
}

async function findBlobs(root: string): Promise<Blobs> {
  const folder = join(root, "blobs");
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const kinds = new Map(entries.map((entry) => [entry.name, entry.isFile() ? "file" : entry.isSymbolicLink() ? "link" : "other"]));
  const real = await realpath(folder).catch(() => folder);
  const texts = new Map<string, Promise<string | undefined>>();
  return {
    find(digest) {
      const name = blobName(digest);
      if (name === undefined) return undefined;
      const kind = kinds.get(name);
      const exists = kind === "file" || kind === "link";
      return { path: join(folder, name), exists, ...(kind === "file" && { real: join(real, name) }) };
    },
    text(path) {
      const text = texts.get(path) ?? readSmallText(path);
      texts.set(path, text);
      return text;
    },
  };
}

/** Four levels: host, namespace, model, tag. Hidden files are the desktop's, not Ollama's. */
async function findManifests(root: string, folders: string[], skipped: Skipped[]): Promise<Manifest[]> {
  let level: string[][] = [[]];
  const read = async (parts: readonly string[]) => {
    const folder = join(root, ...parts);
    folders.push(folder);
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") skipped.push({ path: folder, reason: `the folder cannot be read (${error.code})` });
      return [];
    });
    return { parts, entries };
  };
  for (let depth = 0; depth < 4; depth++) {
    const next: string[][] = [];
    for (const { parts, entries } of await Promise.all(level.map(read))) {
      const wanted = entries.filter((entry) => !entry.name.startsWith(".") && (depth < 3 ? entry.isDirectory() : entry.isFile()));
      const names = wanted.map(({ name }) => name).sort(latestFirst);
      next.push(...names.map((name) => [...parts, name]));
    }
    level = next.slice(0, MAX_MANIFESTS);
  }
  return level.map((parts) => ({ path: join(root, ...parts), name: nameOf(parts) }));
}

/** Of two tags with the same weights the first names the model. */
function latestFirst(a: string, b: string): number {
  if (a === "latest" || b === "latest") return a === b ? 0 : a === "latest" ? -1 : 1;
  return a < b ? -1 : 1;
}

/** The defaults of Ollama's names are left out, as `ollama list` does: "llama3:latest", "hf.co/owner/repository:Q4_K_M". */
function nameOf([host, namespace, model, tag]: readonly string[]): string {
  const official = host === "registry.ollama.ai";
  const prefix = official ? (namespace === "library" ? "" : `${namespace}/`) : `${host}/${namespace}/`;
  return `${prefix}${model}:${tag}`;
}

async function modelOf({ path, name }: Manifest, blobs: Blobs): Promise<FoundFile | Skipped> {
  const manifest = await readSmallJson(path);
  if (!manifest || !Array.isArray(manifest.layers)) return { path, reason: "not an Ollama manifest" };
  const layers = manifest.layers.slice(0, MAX_LAYERS).filter(isRecord);
  const layersOf = (type: string) =>
    layers.filter(({ mediaType }) => mediaType === LAYER + type).flatMap(({ digest }) => blobs.find(digest) ?? []);
  const [weights] = layersOf("model");
  if (!weights) {
    const other = layers.some(({ mediaType }) => mediaType === `${LAYER}tensor`);
    return { path, reason: other ? "its weights are no GGUF file (tensor layers)" : "the manifest names no model file" };
  }
  if (!weights.exists) return { path, reason: "the file of its weights is not there (an unfinished pull?)" };
  const defaults = await defaultsOf((type) => layersOf(type).map((blob) => blob.path), blobs);
  const real = weights.real;
  return { path: weights.path, name, ...(real !== undefined && { real }), ...(Object.keys(defaults).length > 0 && { defaults }) };
}

async function defaultsOf(pathsOf: (type: string) => readonly string[], blobs: Blobs): Promise<ModelDefaults> {
  const text = async (type: string) => {
    const path = pathsOf(type).at(-1);
    return path === undefined ? undefined : await blobs.text(path);
  };
  const [template, system, params] = await Promise.all([text("template"), text("system"), text("params")]);
  const parameters = parametersIn(params);
  const [adapters, projectors] = [pathsOf("adapter"), pathsOf("projector")];
  return {
    ...(template !== undefined && { template }),
    ...(system !== undefined && { system }),
    ...(parameters && { parameters }),
    ...(adapters.length > 0 && { adapters }),
    ...(projectors.length > 0 && { projectors }),
  };
}

/** What is no number, text, switch or list of texts is no parameter of Ollama's. */
function parametersIn(text: string | undefined): ModelDefaults["parameters"] {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (!isRecord(value)) return undefined;
    const usable = Object.entries(value).filter(
      ([, each]) =>
        ["number", "string", "boolean"].includes(typeof each) || (Array.isArray(each) && each.every((item) => typeof item === "string")),
    );
    return Object.fromEntries(usable) as ModelDefaults["parameters"];
  } catch {
    return undefined;
  }
}

/** A digest is checked to the letter before it becomes a path: `sha256:<hex>` lies in `sha256-<hex>`. */
function blobName(digest: unknown): string | undefined {
  const hex = typeof digest === "string" ? /^sha256[:-]([0-9a-f]{64})$/.exec(digest)?.[1] : undefined;
  return hex === undefined ? undefined : `sha256-${hex}`;
}
