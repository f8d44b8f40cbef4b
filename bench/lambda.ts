/**
 * Cold and warm starts of the template lambda: its handler in a fresh process each time, between the tests' stand-in of Lambda's runtime API
 * and a model. Linux; limits of memory and processors need root and cgroups of version 1, else it runs without and says so. After a build:
 * `npm run bench:lambda -- [--rounds 7] [--memory 1769,3538] [--model FILE.gguf]`. Without --model: the embedded one.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { number, table } from "../src/bench/format.ts";
import { median } from "../src/bench/measure/figures.ts";
import { cannotLimit } from "../test/support/container/cgroups.ts";
import { type ColdStart, coldStart, dropFromCache } from "./lambda/cold-start.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    memory: { type: "string", default: "1769,3538" },
    model: { type: "string" },
    cache: { type: "string", default: "warm,cold" },
  },
});
const model = values.model === undefined ? resolve("models/shimmy-tiny/shimmy-tiny-q8_0.gguf") : resolve(values.model);
const folder = mkdtempSync(join(tmpdir(), "shimmy-lambda-"));
const limited = process.getuid?.() === 0 && cannotLimit() === undefined;

/** Median, and the least and most of the rounds. */
function spread(starts: readonly ColdStart[], of: (start: ColdStart) => number): string {
  const all = starts.map(of);
  return `${number(median(all))} (${number(Math.min(...all))}–${number(Math.max(...all))})`;
}

const COLUMNS: ReadonlyArray<readonly [string, (start: ColdStart) => number]> = [
  ["init ms", ({ initMs }) => initMs],
  ["first byte", ({ cold }) => cold.byteMs],
  ["first token", ({ cold }) => cold.tokenMs],
  ["end", ({ cold }) => cold.endMs],
  ["warm token", ({ warm }) => warm.tokenMs],
  ["warm end", ({ warm }) => warm.endMs],
  ["RSS peaks MB", ({ peakBytes }) => peakBytes / 1e6],
  ["cgroup peak MB", ({ cgroupBytes }) => (cgroupBytes ?? Number.NaN) / 1e6],
];

async function main(): Promise<void> {
  const task = join(folder, "task");
  execFileSync(process.execPath, [resolve("dist/cli.js"), "init", "--template", "lambda", "--out", task, "--memory", "2Gi"], {
    cwd: folder,
    env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
  });
  mkdirSync(join(task, "node_modules"));
  symlinkSync(resolve("."), join(task, "node_modules/shimmy"), "dir");
  console.log(
    `${basename(model)}, ${(statSync(model).size / 1e6).toFixed(0)} MB; ${cpus()[0]?.model} × ${cpus().length}, Node ${process.version}`,
  );
  if (!limited) console.log("no limits: they need root and cgroups of version 1");
  const rows: string[][] = [["memory MB", "page cache", ...COLUMNS.map(([name]) => name)]];
  for (const memory of values.memory.split(",").map(Number)) {
    for (const cache of values.cache.split(",")) {
      const starts: ColdStart[] = [];
      for (let round = 0; round < Number(values.rounds); round++) {
        if (cache === "cold")
          dropFromCache([model, resolve("dist"), resolve("node_modules/@node-llama-cpp"), resolve("node_modules/koffi")]);
        starts.push(
          await coldStart({
            task,
            home: join(folder, `home-${memory}-${cache}-${round}`),
            model,
            ...(limited && { memoryMegabytes: memory }),
          }),
        );
      }
      rows.push([limited ? `${memory}` : "-", cache, ...COLUMNS.map(([, of]) => spread(starts, of))]);
    }
  }
  console.log(table(rows));
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
