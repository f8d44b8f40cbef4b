/**
 * Gives mutants to the header reader as the server would, and keeps count: what was refused, what passed, how long and how much memory it took.
 * Called by run.ts and by test/integrity/fuzz.test.ts. A mutant is its number, so whatever is found can be made again.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { ShimmyError } from "../../src/contract/errors.ts";
import { isServable } from "../../src/models/capabilities.ts";
import { readModelFile } from "../../src/models/model-file.ts";
import { type Mutant, mutant } from "./mutations.ts";

export interface Campaign {
  readonly headers: number;
  readonly refused: number;
  /** The numbers of those that the reader takes for a model. */
  readonly survivors: number[];
  /** How many of those that it takes neither generate nor make vectors: the pool refuses them, so they are no survivors. */
  readonly unserved: number;
  /** Anything but a description or a model_file_invalid. */
  readonly faults: Array<{ readonly seed: number; readonly error: string }>;
  /** The slowest header. */
  readonly slowest: { readonly seed: number; readonly ms: number };
  /** Highest resident memory in bytes, and what it was before the first header. */
  readonly rss: { readonly before: number; readonly peak: number };
}

/** Memory is looked at each so many headers. */
const SAMPLE = 50;

export async function runCampaign(from: number, until: number, folder: string): Promise<Campaign> {
  const survivors: number[] = [];
  const faults: Campaign["faults"] = [];
  let [refused, unserved, slowest] = [0, 0, { seed: from, ms: 0 }];
  const before = process.memoryUsage.rss();
  let peak = before;
  const path = join(folder, "mutant.gguf");
  for (let seed = from; seed < until; seed++) {
    await writeMutant(path, mutant(seed));
    const began = performance.now();
    try {
      if (isServable(await readModelFile(path))) survivors.push(seed);
      else unserved++;
    } catch (error) {
      if (error instanceof ShimmyError && error.code === "model_file_invalid") refused++;
      else faults.push({ seed, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
    const ms = performance.now() - began;
    if (ms > slowest.ms) slowest = { seed, ms };
    if (seed % SAMPLE === 0) peak = Math.max(peak, process.memoryUsage.rss());
  }
  return { headers: until - from, refused, survivors, unserved, faults, slowest, rss: { before, peak } };
}

export async function writeMutant(path: string, { content, size }: Mutant): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.write(content);
    if (size > content.length) await file.truncate(size);
  } finally {
    await file.close();
  }
}
