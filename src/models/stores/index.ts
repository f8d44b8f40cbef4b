/** All places where models are looked for, in the order of preference. Called by the catalogue, on its first use. */
import { resolve } from "node:path";
import { folderPlace } from "./folders.ts";
import { home } from "./home.ts";
import { huggingFace } from "./hugging-face.ts";
import { jan } from "./jan.ts";
import { llamaCpp } from "./llama-cpp.ts";
import { lmStudio } from "./lm-studio.ts";
import { ollama } from "./ollama.ts";
import type { Place, Store, Surroundings } from "./store.ts";

const STORES: readonly Store[] = [ollama, lmStudio, huggingFace, llamaCpp, jan, home];

export const STORE_NAMES: readonly string[] = STORES.map(({ name }) => name);

/**
 * @param dirs folders that were named, first; `stores` names of the automatic ones, "auto" for all; "off" forbids them all.
 * @returns each path once.
 */
export async function placesOf(
  dirs: ReadonlyArray<string | { readonly path: string; readonly label: string }>,
  stores: readonly string[],
  around: Surroundings | undefined,
): Promise<Place[]> {
  const wanted = stores.includes("off") ? [] : STORES.filter(({ name }) => stores.includes("auto") || stores.includes(name));
  const automatic = around ? await Promise.all(wanted.map((store) => store.places(around))) : [];
  const places = [
    ...dirs.map((dir) => (typeof dir === "string" ? folderPlace(resolve(dir)) : folderPlace(resolve(dir.path), dir.label))),
    ...automatic.flat(),
  ];
  const seen = new Set<string>();
  return places.filter(({ path }) => !seen.has(path) && seen.add(path));
}
