/** The raw JSON of a run: everything that was seen, and what a report needs to be made again. Written by run.ts, read back with `--from`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Machine } from "../src/bench/measure/machine.ts";
import type { Contestant } from "./contestants/commands.ts";
import type { RunRecord } from "./session.ts";
import type { StartupRecord } from "./startup.ts";

export interface Results {
  /** ISO 8601. */
  readonly started: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  /** As given; only what a report shows is named here. */
  readonly options: {
    readonly servers: readonly Contestant[];
    readonly rounds: number;
    readonly slots: number;
    readonly referenceSlots: number;
    readonly context: number;
    readonly fresh: string;
    readonly noisy: boolean;
    readonly oursFlags: readonly string[];
    readonly referenceFlags: readonly string[];
  };
  readonly runs: RunRecord[];
  /** Disturbed by other programs and run again: kept for the reader, in no figure. */
  readonly discarded: RunRecord[];
  readonly startup: StartupRecord[];
}

/** @throws when it is not a file of the bench */
export function readResults(file: string): Results {
  const results = JSON.parse(readFileSync(file, "utf8")) as Results;
  if (!Array.isArray(results.runs) || !Array.isArray(results.startup)) throw new Error(`${file} is no raw JSON of the bench`);
  return results;
}

/** Makes the folder too. */
export function writeFile(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
