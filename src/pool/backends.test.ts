import { beforeEach, describe, expect, test } from "vitest";
import type { Device, Engine } from "../contract/hardware.ts";
import { Backends, chooseDevices } from "./backends.ts";

const engine = (backend: Engine["backend"], name = `linux-x64-${backend}`): Engine => ({
  name,
  backend,
  folder: `/e/${name}`,
  source: "npm",
});
const CPU = engine("cpu");
const LINUX = [engine("cuda"), engine("vulkan"), CPU];
const MAC = [engine("metal", "mac-arm64-metal")];

let now: number;
let warned: string[];
let counted: string[];
beforeEach(() => {
  now = 0;
  warned = [];
  counted = [];
});

function backends(gpu: string, engines: readonly Engine[] = LINUX): Backends {
  return new Backends({
    gpu,
    log: { warn: (message) => void warned.push(message) },
    metrics: { backendFailed: (backend) => void counted.push(backend) },
    find: async () => engines,
    now: () => now,
  });
}

async function tried(of: Backends): Promise<string[]> {
  return (await of.candidates()).map(({ engine, usesGpu, last }) => `${engine?.backend}${usesGpu ? "+gpu" : ""}${last ? "." : ""}`);
}

describe("the order", () => {
  test.each([
    ["auto", LINUX, ["cuda+gpu", "vulkan+gpu", "cpu."]],
    ["off", LINUX, ["cpu."]],
    ["cpu", LINUX, ["cpu."]],
    ["vulkan", LINUX, ["vulkan+gpu", "cpu."]],
    ["CUDA1", LINUX, ["cuda+gpu", "cpu."]],
    ["RTX 4090", LINUX, ["cuda+gpu", "vulkan+gpu", "cpu."]],
    ["auto", [CPU], ["cpu."]],
    ["auto", MAC, ["metal+gpu", "metal."]],
    ["off", MAC, ["metal."]],
    ["auto", [], ["undefined."]],
  ] as const)("--gpu %s", async (gpu, engines, expected) => {
    expect(await tried(backends(gpu, engines))).toEqual(expected);
  });

  test("a backend that is not installed is an error, not the processor in silence", async () => {
    await expect(backends("cuda", [CPU]).candidates()).rejects.toMatchObject({ code: "device_not_found" });
  });
});

describe("a backend that failed", () => {
  test("rests a minute, then twice as long, and is told", async () => {
    const all = backends("auto");
    const [cuda] = await all.candidates();
    all.failed(cuda!, "killed by SIGSEGV");
    expect(await tried(all)).toEqual(["vulkan+gpu", "cpu."]);
    expect(all.degraded()).toEqual([{ backend: "cuda", engine: "linux-x64-cuda", reason: "killed by SIGSEGV", retryAfterSeconds: 60 }]);
    expect([warned.length, counted]).toEqual([1, ["cuda"]]);
    now = 59_999;
    expect(all.rests(cuda!)).toBe(true);
    now = 60_000;
    expect(await tried(all)).toEqual(["cuda+gpu", "vulkan+gpu", "cpu."]);
    all.failed(cuda!, "again");
    now += 119_999;
    expect(await tried(all)).toEqual(["vulkan+gpu", "cpu."]);
    for (let i = 0; i < 40; i++) all.failed(cuda!, "for ever");
    expect(all.degraded()[0]!.retryAfterSeconds).toBe(3600);
  });

  test("is forgiven when it has answered", async () => {
    const all = backends("auto");
    const [cuda] = await all.candidates();
    all.failed(cuda!, "once");
    all.succeeded(cuda!);
    expect([all.degraded(), await tried(all)]).toEqual([[], ["cuda+gpu", "vulkan+gpu", "cpu."]]);
  });

  test("the last one is never left out", async () => {
    const all = backends("off");
    const [cpu] = await all.candidates();
    all.failed(cpu!, "once");
    expect(await tried(all)).toEqual(["cpu."]);
  });
});

describe("the devices", () => {
  const device = (name: string, kind: Device["kind"], description = "") => ({ name, kind, description, freeBytes: 1, totalBytes: 1 });
  const all = [
    device("Vulkan0", "gpu", "NVIDIA GeForce RTX 4090"),
    device("Vulkan1", "integrated", "Intel Arc"),
    device("Vulkan2", "gpu", "AMD"),
    device("CPU", "cpu"),
  ];
  const names = (gpu: string, of = all) => chooseDevices(of, gpu).map(({ name }) => name);

  test("auto takes every real GPU, and one of the processor's only when there is no other", () => {
    expect([names("auto"), names("vulkan")]).toEqual([
      ["Vulkan0", "Vulkan2"],
      ["Vulkan0", "Vulkan2"],
    ]);
    expect(names("auto", [all[1]!, all[3]!])).toEqual(["Vulkan1"]);
  });

  test("a name is that of the device or part of its description; several are separated by commas", () => {
    expect([names("vulkan1"), names("rtx 4090"), names("Vulkan2,Vulkan0")]).toEqual([["Vulkan1"], ["Vulkan0"], ["Vulkan0", "Vulkan2"]]);
  });

  test("a name that is nobody's is an error that lists them", () => {
    expect(() => names("Vulkan7")).toThrow("There is no device 'Vulkan7' here. Devices: Vulkan0 (NVIDIA GeForce RTX 4090)");
  });
});
