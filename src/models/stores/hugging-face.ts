/**
 * The cache of the Hugging Face hub: `models--owner--name/snapshots/<revision>/file.gguf`, links into `blobs/`. Newer versions of
 * llama.cpp and many Python programs fill it. Layout: huggingface_hub, docs "Manage the huggingface_hub cache-system".
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { findModelFiles } from "../walk.ts";
import { foldersIn, readSmallText } from "./read.ts";
import { type Found, NOTHING, type Store, type Surroundings } from "./store.ts";

export const huggingFace: Store = {
  name: "hugging-face",
  places: async (around) => [{ label: "hugging-face", path: hubFolder(around), find: () => findInHub(hubFolder(around)) }],
};

/** As constants.py of huggingface_hub finds it: the same on all systems. */
function hubFolder({ env, home }: Surroundings): string {
  const named = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  if (named) return expand(named, home);
  const root = env.HF_HOME ? expand(env.HF_HOME, home) : join(env.XDG_CACHE_HOME || join(home, ".cache"), "huggingface");
  return join(root, "hub");
}

function expand(path: string, home: string): string {
  return path.replace(/^~(?=$|[/\\])/, () => home);
}

/** Of each repository the files of one revision: older ones are what the user had before. */
export async function findInHub(root: string): Promise<Found> {
  const names = await foldersIn(root);
  if (!names) return NOTHING;
  const repositories = names.filter((name) => name.startsWith("models--"));
  const found = await Promise.all(repositories.map((name) => findInRepository(join(root, name), name)));
  return {
    exists: true,
    files: found.flatMap(({ files }) => files),
    skipped: found.flatMap(({ skipped }) => skipped),
    folders: [root, ...found.flatMap(({ folders }) => folders)],
  };
}

async function findInRepository(folder: string, name: string): Promise<Found> {
  const repository = name.slice("models--".length).replaceAll("--", "/");
  const snapshot = await currentSnapshot(folder);
  const found = snapshot === undefined ? NOTHING : await findModelFiles(snapshot);
  const files = found.files.map((file) => ({ ...file, repository }));
  return { ...found, files, folders: [folder, join(folder, "snapshots"), join(folder, "refs"), ...found.folders] };
}

/** The revision that `refs/main` names if it is here, else the newest: it was asked for by another name or as a commit. */
async function currentSnapshot(repository: string): Promise<string | undefined> {
  const snapshots = join(repository, "snapshots");
  const revisions = (await foldersIn(snapshots)) ?? [];
  if (revisions.length <= 1) return revisions[0] && join(snapshots, revisions[0]);
  const main = (await readSmallText(join(repository, "refs", "main"), 1024))?.trim();
  // Compared with what is there, never joined to a path as it is.
  const named = revisions.find((revision) => revision === main);
  if (named) return join(snapshots, named);
  const times = await Promise.all(
    revisions.map((revision) =>
      stat(join(snapshots, revision)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return join(snapshots, revisions[times.indexOf(Math.max(...times))]!);
}
