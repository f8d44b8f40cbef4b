import { expect, test } from "vitest";
import { type Config, SETTINGS } from "../config/table.ts";
import type { ModelInfo } from "../contract/model.ts";
import { allowedProcessors } from "../models/machine.ts";
import { cutThreads, engineOptions, memoryPlan, servingOf } from "./plan.ts";

const DEFAULTS = Object.fromEntries(Object.entries(SETTINGS).map(([key, setting]) => [key, setting.default])) as unknown as Config;
const INFO: ModelInfo = {
  id: "m",
  path: "/m.gguf",
  source: "/",
  sizeBytes: 3_000_000,
  modifiedMs: 0,
  architecture: "llama",
  family: "llama",
  parameters: 3_000_000,
  quantization: "Q8_0",
  contextLength: 1024,
  generative: true,
  kvBytesPerToken: 2304,
  kvQuantizes: true,
};
const plan = (changes: Partial<Config> = {}, info: Partial<ModelInfo> = {}) =>
  engineOptions({ ...INFO, ...info }, { ...DEFAULTS, ...changes });

test("auto is f16 and flash attention by libllama's choice; what was chosen and why is one line", () => {
  const { options, reason } = plan();
  expect(options).toMatchObject({ kvType: "f16", flashAttention: "auto", threads: 1, stepMs: 100, queueMs: 600_000 });
  for (const part of ["KV cache in f16", "flash attention auto", "1 thread: more would wait", "about 100 ms"])
    expect(reason).toContain(part);
  expect(reason).not.toContain("\n");
});

test("what is set goes to the engine as it is", () => {
  const set = { kvType: "q8_0", flashAttention: "on", threads: 1, stepTime: 20, maxQueueTime: 0, ctx: 512, parallel: 2 } as const;
  const { options, reason } = plan(set);
  expect(options).toMatchObject({ kvType: "q8_0", flashAttention: "on", threads: 1, stepMs: 20, queueMs: 0, slots: 2 });
  for (const part of ["KV cache in q8_0: as set", "flash attention on", "1 thread as set", "about 20 ms"]) expect(reason).toContain(part);
});

test("threads beyond what can run at once are cut, and both numbers are told", () => {
  const most = allowedProcessors();
  for (const threads of [most + 1, 4096]) {
    const { options, reason } = plan({ threads });
    expect(options.threads).toBe(most);
    expect(reason).toMatch(new RegExp(`${most} threads?, all that can run at once here, of ${threads} that were set`));
  }
  expect(plan({ threads: most }).options.threads).toBe(most);
  expect([cutThreads(0), cutThreads(1), cutThreads(most), cutThreads(most + 1)]).toEqual([undefined, undefined, undefined, most]);
});

test("the store is counted in cells of the chosen type", () => {
  expect(plan({ cacheRam: 2304 * 34 }).options.storeTokens).toBe(34);
  expect(plan({ cacheRam: 2304 * 34, kvType: "q8_0" }).options.storeTokens).toBe(64);
});

test("a cache of q8_0 for heads that it cannot hold is refused with the reason; no cache at all needs no type", () => {
  expect(() => plan({ kvType: "q8_0" }, { kvQuantizes: false })).toThrow(/no multiple of 32 wide/);
  expect(plan({ kvType: "q8_0" }, { kvQuantizes: false, kvBytesPerToken: 0 }).options.storeTokens).toBe(0);
});

test("auto never takes q8_0 where flash attention is off", () => {
  // More than any machine has, so f16 cannot hold it; half of that cannot either, but the choice must not even be tried.
  const huge = { ...INFO, kvBytesPerToken: 1e9 };
  expect(memoryPlan(huge, { ...DEFAULTS, ctx: 10_000, flashAttention: "off" }).kvType).toBe("f16");
});

test("the list of models tells what became of auto", () => {
  const ready = { flashAttention: "off" } as Parameters<typeof servingOf>[1];
  const { options } = plan({ parallel: 2 });
  expect(servingOf(options, ready)).toMatchObject({
    slots: 2,
    kvUnified: false,
    kvType: "f16",
    flashAttention: "off",
    threads: 1,
    stepMs: 100,
  });
});
