/**
 * The fuzz campaign on the header reader, a piece at a time: `run.js FIRST COUNT [--load | --load=N]`. Started by hand
 * (`npm run bench:fuzz -- 0 100000 --load`); prints a JSON line with the figures. What it found: docs/decisions.md.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCampaign } from "./campaign.ts";
import { mutant } from "./mutations.ts";
import { buildLoader, loadSurvivors } from "./survivors.ts";

const [first = "0", count = "1000", load] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "shimmy-fuzz-"));
try {
  const began = performance.now();
  const { survivors, ...read } = await runCampaign(Number(first), Number(first) + Number(count), folder);
  const readSeconds = (performance.now() - began) / 1000;
  const wanted = load?.includes("=") ? Number(load.split("=")[1]) : survivors.length;
  const loads = load === undefined ? undefined : await loadSurvivors(survivors.slice(0, wanted), folder, await buildLoader());
  const loadSeconds = (performance.now() - began) / 1000 - readSeconds;
  for (const { seed, how } of loads?.crashes ?? []) {
    const { base, mutation } = mutant(seed);
    console.error(`crash ${seed} (${base}, ${mutation}): ${how}`);
  }
  const { loaded, refused: refusedByLibllama, crashes } = loads ?? { loaded: 0, refused: 0, crashes: [] };
  const figures = { ...read, survivors: survivors.length, readSeconds, loaded, refusedByLibllama, crashes: crashes.length, loadSeconds };
  console.log(JSON.stringify(figures));
  process.exitCode = read.faults.length > 0 || crashes.length > 0 ? 1 : 0;
} finally {
  await rm(folder, { recursive: true });
}
