/** `shimmy rm`: removes what Shimmy pulled, after asking, and nothing else. */
import { createInterface } from "node:readline/promises";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { pullFolder } from "../hub/places.ts";
import { findPulled, type Pulled, removePulled } from "../hub/records.ts";
import { parseReference } from "../hub/reference.ts";
import { findByName } from "../models/resolve.ts";
import { openHere } from "./open.ts";

export async function rm(loaded: LoadedConfig, name: string, { yes }: { yes?: boolean }): Promise<void> {
  const root = pullFolder(loaded.config.pullDir);
  const pulled = await findPulled(root);
  const chosen = byReference(name, pulled) ?? (await byId(loaded, name, pulled));
  if (chosen.length === 0) throw new ShimmyError("not_pulled", { model: name });
  for (const one of chosen) process.stderr.write(`${describe(one)}\n`);
  const what = chosen.length === 1 ? "this model" : `these ${chosen.length} models`;
  if (!yes && !(await confirmed(what))) {
    process.stderr.write("nothing was removed\n");
    process.exitCode = 1;
    return;
  }
  let bytes = 0;
  for (const one of chosen) bytes += await removePulled(root, one);
  process.stderr.write(`removed ${what}, ${Math.round(bytes / 1e6)} MB\n`);
}

/** As it was pulled: a repository stands for all that came from it. Undefined: the name is no such thing. */
function byReference(name: string, pulled: readonly Pulled[]): Pulled[] | undefined {
  if (!name.includes("/")) return undefined;
  const { repo, quant, file } = parseReference(name);
  const matching = pulled.filter(({ record }) => {
    if (record.repo.toLowerCase() !== repo.toLowerCase()) return false;
    if (quant !== undefined && record.quantization.toLowerCase() !== quant.toLowerCase()) return false;
    return file === undefined || record.files.some(({ path }) => path === file);
  });
  return matching.length > 0 ? matching : undefined;
}

async function byId(loaded: LoadedConfig, name: string, pulled: readonly Pulled[]): Promise<Pulled[]> {
  const { catalogue } = await openHere(loaded);
  const model = findByName(name, await catalogue.list());
  return pulled.filter(({ firstFile }) => firstFile === model?.path);
}

function describe({ record, firstFile }: Pulled): string {
  const bytes = record.files.reduce((sum, { size }) => sum + size, 0);
  return `${record.repo} ${record.quantization}, ${Math.round(bytes / 1e6)} MB: ${firstFile}`;
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
