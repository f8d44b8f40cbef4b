/**
 * A small part of the fuzz campaign (bench/fuzz), always the same: damaged and strange headers through the reader, and what it takes for a
 * model through libllama. The whole campaign is run by hand; its figures are in docs/decisions.md.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LOADABLE } from "../../bench/fuzz/bases.ts";
import { runCampaign, writeMutant } from "../../bench/fuzz/campaign.ts";
import { mutant } from "../../bench/fuzz/mutations.ts";
import { buildLoader, loadSurvivors } from "../../bench/fuzz/survivors.ts";
import { readModelFile } from "../../src/models/model-file.ts";
import { buildGguf } from "../fixtures/gguf.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MIB = 1024 ** 2;
let survivors: readonly number[] = [];

test("2,000 mutated headers: each read or refused with an error of the catalogue, quickly and in bounded memory", async () => {
  const campaign = await runCampaign(1, 2001, folder);
  expect(campaign.faults).toEqual([]);
  expect(campaign.refused).toBeGreaterThan(800);
  expect(campaign.survivors.length).toBeGreaterThan(400);
  expect(campaign.slowest.ms).toBeLessThan(2000);
  expect(campaign.rss.peak - campaign.rss.before).toBeLessThan(256 * MIB);
  survivors = campaign.survivors;
});

test("libllama ends no process over 100 of those that passed", async () => {
  const loads = await loadSurvivors(survivors.slice(0, 100), folder, await buildLoader());
  expect(loads.crashes).toEqual([]);
  // Some are refused for a tensor that is missing; most must really have been loaded.
  expect(loads.loaded).toBeGreaterThan(40);
});

test("a crash is seen: a tensor of a type that nothing multiplies ends the process that loads it, and the reader refuses it", async () => {
  const llama = LOADABLE.find(({ name }) => name === "llama")!;
  const tensors = llama.tensors.map((tensor) => (tensor.name === "blk.0.attn_q.weight" ? { ...tensor, type: 24 } : tensor));
  const content = buildGguf({ metadata: llama.metadata, tensors });
  const broken = { base: "llama", mutation: "by hand", content, size: content.length };
  const path = join(folder, "known.gguf");
  await writeMutant(path, broken);
  await expect(readModelFile(path)).rejects.toMatchObject({ code: "model_file_invalid" });
  const { crashes } = await loadSurvivors([7], folder, await buildLoader(), () => broken);
  expect(crashes).toEqual([{ seed: 7, how: expect.stringContaining("SIG") }]);
});

test("a mutant is its number: the same one, the same file", () => {
  for (const seed of [1, 77, 1234]) expect(mutant(seed)).toEqual(mutant(seed));
  expect(mutant(1).content.equals(mutant(2).content)).toBe(false);
});
