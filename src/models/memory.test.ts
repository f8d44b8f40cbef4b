import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planMemory } from "./memory.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** SmolLM2-135M: 22.5 KiB a token. */
const smol = { fileBytes: 98 * MIB, kvBytesPerToken: 23_040, trainedContext: 8192, availableBytes: 8 * GIB };
/** An 8B model: 128 KiB a token. */
const large = { fileBytes: 5 * GIB, kvBytesPerToken: 131_072, trainedContext: 131_072, availableBytes: 16 * GIB };

describe("auto, where unused cells are free", () => {
  test("takes separate streams of the whole context while four of them fit, and as many as do", () => {
    expect(planMemory({ ...smol, unusedIsFree: true })).toMatchObject({ unified: false, slots: 16, contextPerSequence: 8192, fits: true });
    expect(planMemory({ ...smol, unusedIsFree: true, availableBytes: 2 * GIB })).toMatchObject({ unified: false, slots: 5 });
  });

  test("takes one pool where fewer than four fit", () => {
    expect(planMemory({ ...smol, unusedIsFree: true, availableBytes: GIB })).toMatchObject({ unified: true, contextPerSequence: 8192 });
    expect(planMemory({ ...large, unusedIsFree: true })).toMatchObject({ unified: true, contextPerSequence: 45_056 });
  });

  test("keeps a number of slots that was set, or takes the pool", () => {
    expect(planMemory({ ...smol, unusedIsFree: true, requestedSlots: 8 })).toMatchObject({ unified: false, slots: 8 });
    expect(planMemory({ ...smol, unusedIsFree: true, requestedSlots: 64 })).toMatchObject({ unified: true, slots: 64 });
  });
});

describe("auto, where all cells are paid for", () => {
  test("takes separate streams while slots × context is small", () => {
    expect(planMemory({ ...smol, requestedContext: 1024 })).toMatchObject({
      unified: false,
      slots: 16,
      contextPerSequence: 1024,
      kvCells: 16_384,
    });
    expect(planMemory({ ...smol, requestedContext: 2048, requestedSlots: 8 })).toMatchObject({ unified: false, slots: 8, kvCells: 16_384 });
  });

  test("takes one pool of four contexts, at most 32768 cells, when they are not", () => {
    expect(planMemory(smol)).toMatchObject({ unified: true, slots: 16, contextPerSequence: 8192, kvCells: 32_768, fits: true });
    expect(planMemory({ ...smol, trainedContext: 4096 })).toMatchObject({ unified: true, kvCells: 16_384 });
  });

  test("takes a pool of a whole trained context beyond 32768 if that fits, and what fits if not", () => {
    expect(planMemory({ ...large, availableBytes: 64 * GIB })).toMatchObject({ contextPerSequence: 131_072, kvCells: 131_072 });
    // Half of the 11 GiB left is 5.5 GiB: 45056 tokens of 128 KiB.
    const plan = planMemory(large);
    expect(plan).toMatchObject({ unified: true, contextPerSequence: 45_056, kvCells: 45_056, fits: true });
    expect(plan.reason).toMatch(/context 45056 instead of the 131072 trained: no more fits 16384 MiB available/);
    expect(plan.bytes).toBe(5 * GIB + 45_056 * 131_072);
  });

  test("takes the smaller pool also where 512 MiB is much of what is available", () => {
    // 16 × 1024 tokens are 360 MiB: more than 15 % of 1 GiB.
    expect(planMemory({ ...smol, requestedContext: 1024, availableBytes: GIB })).toMatchObject({ unified: true, kvCells: 4096 });
  });
});

describe("what was asked for", () => {
  test("a context that fits is honoured, even beyond training, and that is said", () => {
    const plan = planMemory({ ...smol, requestedContext: 16_384 });
    expect(plan.contextPerSequence).toBe(16_384);
    expect(plan.reason).toMatch(/beyond the 8192 of training/);
  });

  test("a context that does not fit is cut, and that is said", () => {
    const plan = planMemory({ ...large, requestedContext: 100_000 });
    expect(plan.contextPerSequence).toBe(45_056);
    expect(plan.reason).toMatch(/instead of the 100000 asked for/);
  });

  test("a layout is kept; separate streams pay for a context with slots, and for set slots with context", () => {
    expect(planMemory({ ...smol, kvLayout: "separate", availableBytes: 2 * GIB })).toMatchObject({
      unified: false,
      slots: 5,
      contextPerSequence: 8192,
    });
    expect(planMemory({ ...smol, kvLayout: "separate", requestedSlots: 16, availableBytes: 2 * GIB })).toMatchObject({
      slots: 16,
      contextPerSequence: 2560,
    });
    expect(planMemory({ ...smol, kvLayout: "unified", requestedContext: 512 })).toMatchObject({ unified: true, contextPerSequence: 512 });
  });

  test("no more slots than libllama has sequences", () => {
    expect(planMemory({ ...smol, requestedSlots: 1000, requestedContext: 256 }).slots).toBe(256);
  });
});

describe("the type of the cache", () => {
  /** 45056 tokens of F16 fit, 84736 of Q8_0. */
  const asked = { ...large, kvType: "auto" as const, kvQuantizes: true };
  const q8 = (131_072 * 34) / 64;

  test("is f16 while that holds what was asked for, and the trained context is no reason for less", () => {
    expect(planMemory({ ...asked, requestedContext: 40_000 })).toMatchObject({ kvType: "f16", kvBytesPerToken: 131_072 });
    expect(planMemory(asked)).toMatchObject({ kvType: "f16", contextPerSequence: 45_056 });
  });

  test("is q8_0 where only that holds the context that was asked for, and that is said", () => {
    const plan = planMemory({ ...asked, requestedContext: 80_000 });
    expect(plan).toMatchObject({ kvType: "q8_0", contextPerSequence: 80_000, kvBytesPerToken: q8, fits: true });
    expect(plan.bytes).toBe(5 * GIB + plan.kvCells * q8);
    expect(plan.reason).toMatch(/KV cache in q8_0: with f16 no more than 45056 of the 80000 tokens asked for would fit/);
  });

  test("stays f16 where q8_0 would not hold it either, or the heads do not allow it", () => {
    expect(planMemory({ ...asked, requestedContext: 100_000 })).toMatchObject({ kvType: "f16", contextPerSequence: 45_056 });
    expect(planMemory({ ...asked, kvQuantizes: false, requestedContext: 80_000 })).toMatchObject({ kvType: "f16" });
  });

  test("that was set is kept", () => {
    expect(planMemory({ ...large, kvType: "q8_0" })).toMatchObject({ kvType: "q8_0", contextPerSequence: 84_736 });
    expect(planMemory({ ...asked, kvType: "f16", requestedContext: 80_000 })).toMatchObject({ kvType: "f16", contextPerSequence: 45_056 });
  });
});

test("too little memory gives the least there is, and says that it may not fit", () => {
  const plan = planMemory({ ...large, availableBytes: GIB });
  expect(plan).toMatchObject({ fits: false, kvCells: 512, contextPerSequence: 512, slots: 2 });
  expect(plan.reason).toMatch(/even that may not fit/);
});

test("a recurrent model needs no cache", () => {
  expect(planMemory({ ...smol, kvBytesPerToken: 0 })).toMatchObject({
    contextPerSequence: 8192,
    slots: 16,
    bytes: smol.fileBytes,
    fits: true,
  });
});

test("every plan is sound, and one that fits keeps to half of what the weights leave", () => {
  const question = fc.record(
    {
      fileBytes: fc.nat(64 * GIB),
      kvBytesPerToken: fc.nat(1_000_000),
      availableBytes: fc.nat(256 * GIB),
      trainedContext: fc.integer({ min: 1, max: 1 << 20 }),
      requestedContext: fc.integer({ min: 1, max: 1 << 20 }),
      requestedSlots: fc.integer({ min: 1, max: 256 }),
      unusedIsFree: fc.boolean(),
      kvLayout: fc.constantFrom("auto" as const, "separate" as const, "unified" as const),
      kvType: fc.constantFrom("auto" as const, "f16" as const, "q8_0" as const),
      kvQuantizes: fc.boolean(),
    },
    { requiredKeys: ["fileBytes", "kvBytesPerToken", "availableBytes", "trainedContext"] },
  );
  fc.assert(
    fc.property(question, (asked) => {
      const plan = planMemory(asked);
      expect(plan.slots).toBeGreaterThanOrEqual(1);
      expect(plan.contextPerSequence).toBeGreaterThanOrEqual(1);
      expect(plan.contextPerSequence).toBeLessThanOrEqual(asked.requestedContext ?? asked.trainedContext);
      expect(plan.kvCells).toBeGreaterThanOrEqual(plan.contextPerSequence * (plan.unified ? 1 : plan.slots));
      if (plan.fits)
        expect(plan.kvCells * plan.kvBytesPerToken).toBeLessThanOrEqual(Math.max(0, asked.availableBytes - asked.fileBytes) / 2);
    }),
  );
});
