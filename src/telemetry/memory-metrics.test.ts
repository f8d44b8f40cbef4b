import { expect, test } from "vitest";
import { type DeviceGauges, Metrics, type ModelGauges } from "./metrics.ts";

const NAMES = /^shimmy_device_|^shimmy_memory_budget_/;

async function told(models: readonly ModelGauges[], memory?: { usedBytes: number; budgetBytes: number }): Promise<string[]> {
  const metrics = new Metrics({ version: "1", models: () => models, ...(memory && { memory: async () => memory }) });
  return (await metrics.text()).body.split("\n").filter((line) => NAMES.test(line));
}

const gpu = (changes: Partial<DeviceGauges>): DeviceGauges => ({
  name: "CUDA0",
  description: "NVIDIA GeForce RTX 4090",
  kind: "gpu",
  backend: "cuda",
  ...{ totalBytes: 24e9, freeBytes: 20e9, heldBytes: 5e9, toldAt: 1 },
  ...changes,
});
const model = (name: string, ...deviceUses: DeviceGauges[]): ModelGauges => ({
  ...{ model: name, queued: 0, running: 0, loaded: true },
  deviceUses,
});

test("a device is told once: what all models hold there, and what is free as it was told last", async () => {
  const second = gpu({ name: "CUDA1", heldBytes: 1e9, freeBytes: 3e9 });
  const models = [model("a", gpu({ freeBytes: 14e9, toldAt: 7 }), second), model("b", gpu({ toldAt: 2, heldBytes: 4e9 }))];
  expect(await told(models)).toEqual([
    'shimmy_device_memory_bytes{device="CUDA0"} 24000000000',
    'shimmy_device_memory_bytes{device="CUDA1"} 24000000000',
    'shimmy_device_free_memory_bytes{device="CUDA0"} 14000000000',
    'shimmy_device_free_memory_bytes{device="CUDA1"} 3000000000',
    'shimmy_device_held_memory_bytes{device="CUDA0"} 9000000000',
    'shimmy_device_held_memory_bytes{device="CUDA1"} 1000000000',
    'shimmy_device_info{device="CUDA0",description="NVIDIA GeForce RTX 4090",kind="gpu",backend="cuda"} 1',
    'shimmy_device_info{device="CUDA1",description="NVIDIA GeForce RTX 4090",kind="gpu",backend="cuda"} 1',
  ]);
});

test("without a GPU there is no series of devices, and the machine's own memory is told", async () => {
  expect(await told([model("a")], { usedBytes: 70, budgetBytes: 100 })).toEqual([
    "shimmy_memory_budget_bytes 100",
    "shimmy_memory_budget_used_bytes 70",
  ]);
  expect(await told([model("a")])).toEqual([]);
});
