/**
 * `shimmy rm`: removes a saved alias, or what Shimmy pulled, that after asking; nothing else. What is being pulled at that moment is not
 * removed: the pull, which may be a server's, would put it back, or fail half-way for whoever waits for it.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import type { LoadedConfig } from "../config/load.ts";
import { size } from "../contract/byte-size.ts";
import { ShimmyError } from "../contract/errors.ts";
import { bytesDone, discard, findPartials, lockPath, PARTIAL_FOLDER, type PartialPaths, type PartialState } from "../hub/partial.ts";
import { pullFolder } from "../hub/places.ts";
import { findPulled, type Pulled, removePulled } from "../hub/records.ts";
import { type HubReference, parseReference } from "../hub/reference.ts";
import { labelOf, spelled } from "../hub/variants.ts";
import { removeAlias } from "../models/aliases.ts";
import { acquire, type Lock } from "../models/process-lock.ts";
import { findByName } from "../models/resolve.ts";
import { openHere } from "./open.ts";
import { printable } from "./output.ts";

/** One thing to remove. */
interface Removable {
  readonly description: string;
  readonly repo: string;
  /** Of one of its files, in the repository. */
  readonly path: string;
  /** @returns the bytes that it took. */
  remove(): Promise<number>;
}

export async function rm(loaded: LoadedConfig, name: string, { yes }: { yes?: boolean }): Promise<void> {
  const alias = await removeAlias(name);
  if (alias !== undefined) {
    process.stderr.write(`removed the alias of ${printable(alias)}\n`);
    return;
  }
  const root = pullFolder(loaded.config.pullDir);
  const chosen = await find(loaded, name, root);
  if (chosen.length === 0) throw new ShimmyError("not_pulled", { model: name });
  for (const { description } of chosen) process.stderr.write(`${description}\n`);
  const what = chosen.length === 1 ? "this model" : `these ${chosen.length} models`;
  if (!yes && !(await confirmed(what))) {
    process.stderr.write("nothing was removed\n");
    process.exitCode = 1;
    return;
  }
  const bytes = await removeAll(root, chosen, () => find(loaded, name, root));
  process.stderr.write(`removed ${what}, ${size(bytes)}\n`);
}

/**
 * @param findAgain while somebody thought about the question, a pull may have made a whole model of what was begun
 * @throws pull_running, and then nothing is removed. @returns the bytes that they took
 */
async function removeAll(root: string, chosen: readonly Removable[], findAgain: () => Promise<Removable[]>): Promise<number> {
  await mkdir(join(root, PARTIAL_FOLDER), { recursive: true });
  const locks: Lock[] = [];
  try {
    const ours = new Map(chosen.map((one) => [lockPath(root, one.repo, one.path), one.repo]));
    for (const [path, repo] of ours) {
      const refuse = (pid: number) => Promise.reject(new ShimmyError("pull_running", { model: repo, pid }));
      locks.push(await acquire(path, { signal: new AbortController().signal, onWait: refuse }));
    }
    let bytes = 0;
    for (const one of await findAgain()) if (ours.has(lockPath(root, one.repo, one.path))) bytes += await one.remove();
    return bytes;
  } finally {
    for (const lock of locks) await lock.release();
  }
}

/** By what was pulled, whole or begun; else by id. */
async function find(loaded: LoadedConfig, name: string, root: string): Promise<Removable[]> {
  const pulled = await findPulled(root);
  const removable = (one: Pulled): Removable => ({
    description: describe(one),
    repo: one.record.repo,
    path: one.record.files[0].path,
    remove: () => removePulled(root, one),
  });
  if (name.includes("/")) {
    const reference = parseReference(name);
    const whole = pulled.filter(({ record }) => means(reference, record.repo, record.quantization, record.files));
    const begun = (await findPartials(root)).filter(({ state }) => means(reference, state.repo, labelOf(state.path), [state]));
    return [...whole.map(removable), ...begun.map(({ state, paths }) => unfinished(state, paths))];
  }
  const { catalogue } = await openHere(loaded);
  const model = findByName(name, await catalogue.list());
  return pulled.filter(({ firstFile }) => firstFile === model?.path).map(removable);
}

/** A repository stands for all that came from it. */
function means(
  { repo, quant, file }: HubReference,
  ofRepo: string,
  label: string,
  files: ReadonlyArray<{ readonly path: string }>,
): boolean {
  if (ofRepo.toLowerCase() !== repo.toLowerCase()) return false;
  if (quant !== undefined && spelled(label) !== spelled(quant)) return false;
  return file === undefined || files.some(({ path }) => path === file);
}

function unfinished(state: PartialState, paths: PartialPaths): Removable {
  const bytes = bytesDone(state);
  return {
    description: `${state.repo} ${state.path}, ${size(bytes)}: not pulled to its end`,
    repo: state.repo,
    path: state.path,
    remove: async () => {
      await discard(paths);
      return bytes;
    },
  };
}

function describe({ record, firstFile }: Pulled): string {
  const bytes = record.files.reduce((sum, { size }) => sum + size, 0);
  return `${record.repo} ${record.quantization}, ${size(bytes)}: ${firstFile}`;
}

/** @throws confirmation_needed when nobody is there to answer. */
async function confirmed(what: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new ShimmyError("confirmation_needed", { what });
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await asking.question(`Remove ${what}? [y/N] `)).trim());
  } finally {
    asking.close();
  }
}
