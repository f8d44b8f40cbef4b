/**
 * llama.cpp's own download cache, a flat folder. Older versions name a file `owner_repository_file.gguf` and lay a
 * `manifest=owner=repository=tag.json` beside it, which tells where the name ends. Source: fs_get_cache_directory (common/common.cpp)
 * and common/download.cpp. Newer ones use the cache of the hub.
 */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { findModelFiles } from "../walk.ts";
import type { Found, FoundFile, Store, Surroundings } from "./store.ts";

export const llamaCpp: Store = {
  name: "llama-cpp",
  places: async (around) => [{ label: "llama-cpp", path: cacheFolder(around), find: () => find(cacheFolder(around)) }],
};

function cacheFolder({ env, home, platform }: Surroundings): string {
  if (env.LLAMA_CACHE) return env.LLAMA_CACHE;
  if (platform === "darwin") return join(home, "Library", "Caches", "llama.cpp");
  if (platform === "win32") return join(env.LOCALAPPDATA || join(home, "AppData", "Local"), "llama.cpp");
  return join(env.XDG_CACHE_HOME || join(home, ".cache"), "llama.cpp");
}

async function find(path: string): Promise<Found> {
  const found = await findModelFiles(path);
  if (found.files.length === 0) return found;
  const names = await readdir(path).catch((): string[] => []);
  const repositories = names.map((name) => /^manifest=([^=]+)=([^=]+)=/.exec(name)).filter((match) => match !== null);
  const prefixes = repositories.map(([, owner, name]) => ({ prefix: `${owner}_${name}_`, repository: `${owner}/${name}` }));
  return { ...found, files: found.files.map((file) => named(file, prefixes)) };
}

function named(file: FoundFile, prefixes: ReadonlyArray<{ prefix: string; repository: string }>): FoundFile {
  const name = basename(file.path);
  const match = prefixes.filter(({ prefix }) => name.startsWith(prefix)).sort((a, b) => b.prefix.length - a.prefix.length)[0];
  return match ? { ...file, name: name.slice(match.prefix.length), repository: match.repository } : file;
}
