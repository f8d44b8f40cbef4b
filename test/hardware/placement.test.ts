/** What is told to libllama: experts that stay behind by pattern, no devices at all, and a device that has gone. */
import { expect, test } from "vitest";
import { LlamaModel } from "../../src/llama/model.ts";
import { TINY } from "../support/server.ts";

test("a model with overrides for its experts loads as without", () => {
  const placed = LlamaModel.load(TINY, "shimmy-tiny", { placement: { devices: [], gpuLayers: 0, cpuMoeLayers: 6 } });
  const plain = LlamaModel.load(TINY, "shimmy-tiny");
  expect([placed.vocabSize, placed.contextTrain]).toEqual([plain.vocabSize, plain.contextTrain]);
  placed.free();
  plain.free();
});

test("a device that has gone is an error, not a crash", () => {
  const load = () => LlamaModel.load(TINY, "shimmy-tiny", { placement: { devices: ["CUDA7"], gpuLayers: 1, cpuMoeLayers: 0 } });
  expect(load).toThrow("the device CUDA7 is not there any more");
});
