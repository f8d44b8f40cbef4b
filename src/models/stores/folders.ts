/** A plain folder of GGUF files, searched recursively: ./models and the configured ones. A folder that is a store is read as that store. */
import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import { findModelFiles } from "../walk.ts";
import { findInHub } from "./hugging-face.ts";
import { findInOllama } from "./ollama.ts";
import { EMBEDDED, type Found, GIVEN_FILE, type Place } from "./store.ts";

export function folderPlace(path: string, label: string = labelOf(path)): Place {
  return { label, path, find: () => findIn(path) };
}

/** The folder's own name. A slash keeps it apart from the sources that mean something: the embedded model is told by its source. */
function labelOf(path: string): string {
  const name = basename(path);
  return name === EMBEDDED || name === GIVEN_FILE ? `${name}/` : name;
}

/** Somebody who names the folder of an Ollama store or of a hub cache wants its names, not its digests. */
async function findIn(path: string): Promise<Found> {
  const names = await readdir(path).catch((): string[] => []);
  if (names.includes("manifests") && names.includes("blobs")) return findInOllama(path);
  if (names.some((name) => /^models--[^/]+--/.test(name))) return findInHub(path);
  return findModelFiles(path);
}
