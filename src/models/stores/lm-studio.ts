/**
 * LM Studio: `models/publisher/repository/file.gguf` in its home, which was ~/.cache/lm-studio before 0.3.6 and is ~/.lmstudio now,
 * or wherever `.lmstudio-home-pointer` says; the folder that its settings name, if another one was chosen there.
 */
import { isAbsolute, join, relative, sep } from "node:path";
import { findModelFiles } from "../walk.ts";
import { readSmallJson, readSmallText } from "./read.ts";
import type { Found, FoundFile, Place, Store, Surroundings } from "./store.ts";

export const lmStudio: Store = { name: "lm-studio", places };

async function places({ env, home, platform }: Surroundings): Promise<Place[]> {
  const pointer = (await readSmallText(join(home, ".lmstudio-home-pointer"), 4096))?.trim();
  const homes = [
    ...(pointer && isAbsolute(pointer) ? [pointer] : []),
    join(home, ".lmstudio"),
    join(home, ".cache", "lm-studio"),
    // Where the first versions on Windows had it; the Rust original looks there too.
    ...(platform === "win32" ? [join(env.APPDATA || join(home, "AppData", "Roaming"), "LM Studio")] : []),
  ];
  const chosen = await Promise.all(homes.map(async (folder) => (await readSmallJson(join(folder, "settings.json")))?.downloadsFolder));
  const paths = [
    ...chosen.filter((folder): folder is string => typeof folder === "string" && isAbsolute(folder) && !folder.includes("\0")),
    ...homes.map((folder) => join(folder, "models")),
  ];
  return [...new Set(paths)].map((path) => ({ label: "lm-studio", path, find: () => find(path) }));
}

async function find(root: string): Promise<Found> {
  const found = await findModelFiles(root);
  return { ...found, files: found.files.map((file) => withRepository(file, root)) };
}

function withRepository(file: FoundFile, root: string): FoundFile {
  const [publisher, name, inside] = relative(root, file.path).split(sep);
  return inside === undefined ? file : { ...file, repository: `${publisher}/${name}` };
}
