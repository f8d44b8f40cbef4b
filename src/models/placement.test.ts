import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Device } from "../contract/hardware.ts";
import { computeBytes, deviceBudget, deviceUses, type PlacementQuestion, planPlacement } from "./placement.ts";
import type { ModelWeights } from "./weights.ts";

const GB = 1024 ** 3;

function gpu(freeBytes: number, name = "CUDA0"): Device {
  return { name, description: "a GPU", kind: "gpu", freeBytes, totalBytes: Math.max(freeBytes, 1) };
}

function model(layers: number, bytes: number, expertBytes = 0): ModelWeights {
  return {
    layers: Array.from({ length: layers }, () => ({ bytes, expertBytes })),
    outputBytes: GB / 2,
    inputBytes: GB / 2,
    vocabulary: 32_000,
    width: 4096,
  };
}

const QUESTION = { weights: model(32, GB / 4), kvBytesPerToken: 131_072, kvCells: 8192, batchTokens: 512 };

function plan(freeBytes: number, changes: Partial<PlacementQuestion> = {}) {
  return planPlacement({ ...QUESTION, devices: [gpu(freeBytes)], ...changes });
}

describe("a dense model", () => {
  test("goes to the GPU whole when it fits: all layers and the output", () => {
    expect(plan(24 * GB)).toMatchObject({ devices: ["CUDA0"], gpuLayers: 33, cpuMoeLayers: 0, whole: true, hostLayerShare: 0 });
  });

  test("is cut where the memory ends, and the plan says so", () => {
    const { gpuLayers, reason, whole, hostLayerShare } = plan(6 * GB);
    expect(gpuLayers).toBeGreaterThan(10);
    expect(gpuLayers).toBeLessThan(24);
    expect([whole, hostLayerShare]).toEqual([false, (33 - gpuLayers) / 32]);
    expect(reason).toContain(`${gpuLayers} of 33 layers on CUDA0`);
  });

  test("stays on the processor where not even the output fits", () => {
    expect(plan(GB / 8)).toMatchObject({ devices: [], gpuLayers: 0, gpuBytes: 0, hostLayerShare: 1 });
  });

  test("takes several GPUs as one memory", () => {
    const two = planPlacement({ ...QUESTION, devices: [gpu(6 * GB), gpu(6 * GB, "CUDA1")] });
    expect(two.devices).toEqual(["CUDA0", "CUDA1"]);
    expect(two.gpuLayers).toBeGreaterThan(plan(6 * GB).gpuLayers);
  });

  test("a set number of layers is kept, also beyond what fits, and bounded by what there is", () => {
    expect(plan(2 * GB, { gpuLayers: 20 })).toMatchObject({
      gpuLayers: 20,
      reason: expect.stringContaining("more than is thought to fit"),
    });
    expect(plan(24 * GB, { gpuLayers: 0 })).toMatchObject({ gpuLayers: 0, devices: [] });
    expect(plan(24 * GB, { gpuLayers: 99 })).toMatchObject({ gpuLayers: 33 });
  });

  test("more cells leave room for fewer layers", () => {
    expect(plan(6 * GB, { kvCells: 16_384 }).gpuLayers).toBeLessThan(plan(6 * GB, { kvCells: 1024 }).gpuLayers);
  });

  test("knows no experts, whatever is set", () => {
    expect(plan(24 * GB, { cpuMoeLayers: Number.POSITIVE_INFINITY })).toMatchObject({ cpuMoeLayers: 0, whole: true });
  });
});

describe("a mixture of experts", () => {
  const weights = model(32, GB, 0.9 * GB);

  test("gives up as few experts as necessary and keeps every layer", () => {
    const { gpuLayers, cpuMoeLayers, reason } = plan(12 * GB, { weights });
    expect(gpuLayers).toBe(33);
    expect(cpuMoeLayers).toBeGreaterThan(20);
    expect(cpuMoeLayers).toBeLessThan(32);
    expect(reason).toContain(`experts of the first ${cpuMoeLayers} layers on the processor`);
    expect(plan(12 * GB, { weights, cpuMoeLayers: cpuMoeLayers - 1 }).reason + plan(12 * GB, { weights }).reason).toBeTruthy();
  });

  test("keeps all where they fit", () => {
    expect(plan(64 * GB, { weights })).toMatchObject({ gpuLayers: 33, cpuMoeLayers: 0, whole: true });
  });

  test("loses layers only when the experts are gone", () => {
    const { gpuLayers, cpuMoeLayers } = plan(3 * GB, { weights });
    expect(cpuMoeLayers).toBe(32);
    expect(gpuLayers).toBeLessThan(33);
  });

  test("leaves those of the set layers behind, or all", () => {
    expect(plan(64 * GB, { weights, cpuMoeLayers: 5 })).toMatchObject({ gpuLayers: 33, cpuMoeLayers: 5, whole: false });
    expect(plan(64 * GB, { weights, cpuMoeLayers: Number.POSITIVE_INFINITY })).toMatchObject({ gpuLayers: 33, cpuMoeLayers: 32 });
  });
});

test("what a device holds: its share of weights and cells, and its own intermediate results", () => {
  const compute = computeBytes(QUESTION.weights, 512);
  const held = (gpuLayers: number, ...devices: Device[]) =>
    deviceUses({ gpuLayers, gpuBytes: 6 * GB }, { ...QUESTION, devices }).map(({ heldBytes }) => heldBytes);
  expect(held(33, gpu(12 * GB))).toEqual([6 * GB + compute]);
  expect(held(33, gpu(8 * GB), gpu(4 * GB, "CUDA1"))).toEqual([4 * GB + compute, 2 * GB + compute]);
  expect(held(33, gpu(0), gpu(0, "CUDA1"))).toEqual([3 * GB + compute, 3 * GB + compute]);
  expect(held(0, gpu(12 * GB))).toEqual([0]);
});

test("what is chosen freely always fits, and no weight is lost or counted twice", () => {
  const layer = fc.record({ bytes: fc.integer({ min: 1, max: 2 ** 31 }), share: fc.constantFrom(0, 0, 0.5, 0.9) });
  const question = fc.record({
    layers: fc.array(layer, { minLength: 1, maxLength: 40 }),
    free: fc.array(fc.integer({ min: 0, max: 2 ** 36 }), { minLength: 1, maxLength: 3 }),
    kvCells: fc.integer({ min: 256, max: 65_536 }),
  });
  fc.assert(
    fc.property(question, ({ layers, free, kvCells }) => {
      const weights = { ...model(0, 0), layers: layers.map(({ bytes, share }) => ({ bytes, expertBytes: Math.floor(bytes * share) })) };
      const devices = free.map((bytes, index) => gpu(bytes, `CUDA${index}`));
      const { gpuLayers, gpuBytes, hostWeightBytes, hostLayerShare } = planPlacement({ ...QUESTION, weights, devices, kvCells });
      if (gpuLayers > 0) expect(gpuBytes).toBeLessThanOrEqual(deviceBudget(devices, weights, 512));
      const all = weights.layers.reduce((sum, { bytes }) => sum + bytes, 0) + weights.outputBytes + weights.inputBytes;
      const kvOnGpu = gpuLayers === 0 ? 0 : QUESTION.kvBytesPerToken * kvCells * (1 - hostLayerShare);
      expect(Math.abs(gpuBytes - kvOnGpu + hostWeightBytes - all)).toBeLessThan(64);
    }),
  );
});
