/**
 * Jan: `llamacpp/models/<model>/model.gguf` in its data folder (0.6 and later), `models/<model>/*.gguf` before. A `model.yml` names the
 * file of an imported model, which may lie anywhere. Source: janhq/jan, src-tauri/src/core/app and extensions/llamacpp-extension.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, sep } from "node:path";
import { findModelFiles } from "../walk.ts";
import { foldersIn, readSmallJson, readSmallText } from "./read.ts";
import type { Found, FoundFile, Place, Skipped, Store, Surroundings } from "./store.ts";

export const jan: Store = { name: "jan", places };

async function places(around: Surroundings): Promise<Place[]> {
  const configured = await Promise.all(
    appFolders(around).map(async (folder) => (await readSmallJson(join(folder, "settings.json")))?.data_folder),
  );
  const data = [
    ...configured.filter((folder): folder is string => typeof folder === "string" && isAbsolute(folder) && !folder.includes("\0")),
    ...appFolders(around).map((folder) => join(folder, "data")),
    join(around.home, "jan"),
  ];
  return [...new Set(data)].flatMap((folder) => [
    { label: "jan", path: join(folder, "llamacpp", "models"), find: () => find(join(folder, "llamacpp", "models"), folder) },
    { label: "jan", path: join(folder, "models"), find: () => find(join(folder, "models"), folder) },
  ]);
}

function appFolders({ env, home, platform }: Surroundings): string[] {
  if (platform === "darwin") return [join(home, "Library", "Application Support", "Jan")];
  if (platform === "win32") return [join(env.APPDATA || join(home, "AppData", "Roaming"), "Jan")];
  return [join(env.XDG_DATA_HOME || join(home, ".local", "share"), "Jan"), join(env.XDG_CONFIG_HOME || join(home, ".config"), "Jan")];
}

async function find(root: string, data: string): Promise<Found> {
  const found = await findModelFiles(root);
  if (!found.exists) return found;
  const imported = await importedFiles(root, data);
  return {
    ...found,
    files: [...found.files.map((file) => ({ ...file, ...nameOf(file.path, root) })), ...imported.files],
    skipped: [...found.skipped, ...imported.skipped],
  };
}

/** `model.gguf` says nothing: its folder, `owner/name` or just a name, is the model's name, spelled as that of a file. */
function nameOf(path: string, root: string): Partial<FoundFile> {
  const folder = relative(root, dirname(path)).split(sep).join("/");
  return folder !== "" && /^model\.gguf$/i.test(basename(path)) ? { name: `${folder.split("/").at(-1)}.gguf`, aliases: [folder] } : {};
}

/** Models whose `model.yml` leads out of their folder, two levels deep as Jan writes them. */
async function importedFiles(root: string, data: string): Promise<{ files: FoundFile[]; skipped: Skipped[] }> {
  const files: FoundFile[] = [];
  const skipped: Skipped[] = [];
  for (const folder of await modelFolders(root)) {
    const description = join(root, folder, "model.yml");
    const named = /^model_path:\s*["']?(.+?)["']?\s*$/m.exec((await readSmallText(description)) ?? "")?.[1];
    if (named === undefined || named.includes("\0")) continue;
    const path = isAbsolute(named) ? named : join(data, named);
    if (!relative(root, path).startsWith("..") && !isAbsolute(relative(root, path))) continue; // the walk has it
    const isFile = await stat(path).then(
      (info) => info.isFile(),
      () => false,
    );
    if (isFile) files.push({ path, name: `${folder.split("/").at(-1)}.gguf`, aliases: [folder] });
    else skipped.push({ path: description, reason: "the file that its model_path names is not there" });
  }
  return { files, skipped };
}

async function modelFolders(root: string): Promise<string[]> {
  const outer = (await foldersIn(root)) ?? [];
  const inner = await Promise.all(outer.map(async (name) => ((await foldersIn(join(root, name))) ?? []).map((each) => `${name}/${each}`)));
  return [...outer, ...inner.flat()];
}
