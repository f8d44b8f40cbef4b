/**
 * Loads mutants that the reader accepts with libllama in child processes, many in each, and says which of them ended or blocked their child.
 * Called by run.ts and by test/integrity/fuzz.test.ts. The child is the bundle of loader.ts.
 */
import { spawn } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { writeMutant } from "./campaign.ts";
import { type Mutant, mutant } from "./mutations.ts";

export interface Loads {
  loaded: number;
  refused: number;
  readonly crashes: Crash[];
}

export interface Crash {
  readonly seed: number;
  readonly how: string;
}

/** A new child after so many files: what libllama leaks stays small. */
const FILES_OF_A_CHILD = 400;
/** A load of a file of 100 kB that takes longer is a hang. */
const LIMIT_MS = 20_000;

/** Within the repository, so that the child finds its packages. @returns the bundle's path. */
export async function buildLoader(): Promise<string> {
  const outfile = "node_modules/.cache/fuzz/loader.mjs";
  await build({ entryPoints: ["bench/fuzz/loader.ts"], outfile, bundle: true, platform: "node", format: "esm", packages: "external" });
  return outfile;
}

/** @param make gives the file of a number. */
export async function loadSurvivors(seeds: readonly number[], folder: string, loader: string, make = mutant): Promise<Loads> {
  const loads: Loads = { loaded: 0, refused: 0, crashes: [] };
  const files = seeds.map((seed) => ({ seed, make: () => make(seed) }));
  for (let done = 0; done < files.length; ) done += await loadSome(files.slice(done, done + FILES_OF_A_CHILD), folder, loader, loads);
  return loads;
}

interface File {
  readonly seed: number;
  readonly make: () => Mutant;
}

/** @returns how many files were dealt with: all, or those up to the one that ended the child. */
async function loadSome(files: readonly File[], folder: string, loader: string, loads: Loads): Promise<number> {
  const own = join(folder, "load");
  await mkdir(own, { recursive: true });
  const env = { ...process.env, GGML_NO_BACKTRACE: "1" };
  const child = spawn(process.execPath, [loader], { env, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined); // it may be gone already
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });
  const ended = new Promise<string>((resolve) => child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  try {
    for (const [index, { seed, make }] of files.entries()) {
      const path = join(own, `${seed}.gguf`);
      await writeMutant(path, make());
      child.stdin.write(`${seed} ${path}\n`);
      const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
      await lines.next();
      const { value: result } = await lines.next();
      clearTimeout(timer);
      await rm(path);
      if (result === undefined) {
        loads.crashes.push({ seed, how: `${await ended}: ${firstLineOf(stderr)}` });
        return index + 1;
      }
      if (String(result).startsWith("loaded")) loads.loaded++;
      else loads.refused++;
    }
    child.stdin.end();
    const how = await ended;
    // Freed twice, or freed memory written: it may show at the end only.
    if (how !== "exit code 0") loads.crashes.push({ seed: files.at(-1)!.seed, how: `at its end, ${how}: ${firstLineOf(stderr)}` });
    return files.length;
  } finally {
    child.kill("SIGKILL");
  }
}

function firstLineOf(stderr: string): string {
  return stderr.trim().split("\n").slice(-3).join(" | ").slice(0, 300);
}
