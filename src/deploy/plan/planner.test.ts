import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { latency95, serviceRate } from "./capacity.ts";
import type { Measurement, Wave } from "./measurement.ts";
import { type Given, planFor, UTILISATION_LIMIT } from "./planner.ts";
import { type Traffic, trafficOf } from "./traffic.ts";

const speed = fc.double({ min: 0.5, max: 1e4, noNaN: true });
const bytes = fc.integer({ min: 1e6, max: 1e11 });

/** Noise included: more clients may come out slower than fewer. */
const measurements: fc.Arbitrary<Measurement> = fc
  .record({
    prefill: fc.tuple(speed, speed, speed),
    decode: fc.tuple(speed, speed, speed),
    slots: fc.integer({ min: 1, max: 32 }),
    base: bytes,
    model: bytes,
  })
  .map(({ prefill, decode, slots, base, model }) => measured(prefill, decode, { slots, base, model }));

function measured(prefill: readonly number[], decode: readonly number[], { slots = 16, base = 5e7, model = 1e8 } = {}): Measurement {
  const waves = [1, 4, 8].map(
    (clients, i): Wave => ({
      clients,
      promptTokens: 100,
      ttftMs: 10,
      prefillPerSecond: prefill[i]!,
      decodePerSecond: decode[i]!,
      busyCores: 1.5,
    }),
  );
  const memory = { baseBytes: base, loadedBytes: model, peakBytes: model };
  const rest = { startMs: 80, loadMs: 100, slots, contextTokens: 4096, tookMs: 4000 };
  return { ...rest, memory, waves, requestBytesPerPromptToken: 6, responseBytesPerToken: 300 };
}

const GIVEN: Given = { kvBytesPerToken: 1000, storeBytes: 1e8, threads: 2, availableBytes: 1e12 };

const traffics: fc.Arbitrary<Traffic> = fc.record({
  promptTokens: fc.integer({ min: 1, max: 4000 }),
  answerTokens: fc.integer({ min: 1, max: 4000 }),
  requestsPerSecond: fc.double({ min: 0.001, max: 1000, noNaN: true }),
  p95Seconds: fc.double({ min: 0.01, max: 1000, noNaN: true }),
  assumed: fc.constant([]),
});

const more = fc.double({ min: 1, max: 50, noNaN: true });

describe("a plan", () => {
  test("for more traffic never needs less", () => {
    fc.assert(
      fc.property(measurements, traffics, more, (m, traffic, factor) => {
        const some = planFor(m, GIVEN, traffic);
        const busier = planFor(m, GIVEN, { ...traffic, requestsPerSecond: traffic.requestsPerSecond! * factor });
        expect(busier.replicas!).toBeGreaterThanOrEqual(some.replicas!);
        expect(busier.memory!.bytes * busier.replicas!).toBeGreaterThanOrEqual(some.memory!.bytes * some.replicas!);
        expect(busier.slots * busier.replicas!).toBeGreaterThanOrEqual(some.slots * some.replicas!);
        expect(busier.cores.count * busier.replicas!).toBeGreaterThanOrEqual(some.cores.count * some.replicas!);
        expect(busier.network!.outBits).toBeGreaterThanOrEqual(some.network!.outBits);
      }),
    );
  });

  test("for a stricter limit that can be kept never needs less", () => {
    fc.assert(
      fc.property(measurements, traffics, fc.double({ min: 0.05, max: 1, noNaN: true }), (m, traffic, factor) => {
        const strict = planFor(m, GIVEN, { ...traffic, p95Seconds: traffic.p95Seconds! * factor });
        if (strict.reachable) expect(strict.replicas!).toBeGreaterThanOrEqual(planFor(m, GIVEN, traffic).replicas!);
      }),
    );
  });

  test("keeps what it promises: below the utilisation limit, and within the time where one request alone is", () => {
    fc.assert(
      fc.property(measurements, traffics, (m, traffic) => {
        const plan = planFor(m, GIVEN, traffic);
        expect(plan.utilisation!).toBeLessThanOrEqual(UTILISATION_LIMIT + 1e-9);
        expect(plan.aloneSeconds <= traffic.p95Seconds!).toBe(plan.reachable);
        if (plan.reachable) expect(plan.p95Seconds!).toBeLessThanOrEqual(traffic.p95Seconds!);
      }),
    );
  });

  test("needs no instance that it could do without", () => {
    // 100/1000 + 50/100 s alone; with 8 at work 100/1000 + 50/400 s of the machine each: 4.44 a second.
    const m = measured([1000, 1000, 1000], [100, 300, 400]);
    const needed = (requestsPerSecond: number) =>
      planFor(m, GIVEN, { promptTokens: 100, answerTokens: 50, requestsPerSecond, assumed: [] });
    expect([needed(3.3).replicas, needed(3.4).replicas, needed(33.3).replicas]).toEqual([1, 2, 10]);
    expect(needed(1).aloneSeconds).toBeCloseTo(0.6);
    expect(needed(1).slots).toBe(8);
  });

  test("without stated traffic has no replicas and no network, and what one instance can do", () => {
    const plan = planFor(measured([1000, 1000, 1000], [100, 300, 400]), GIVEN, { promptTokens: 100, answerTokens: 50, assumed: [] });
    expect(plan.replicas).toBeUndefined();
    expect(plan.network).toBeUndefined();
    expect(plan.capacityPerSecond).toBeCloseTo(0.75 / (0.1 + 50 / 400));
  });

  test("says that memory was not measured, and counts threads, where the system does not tell", () => {
    const { memory: _, waves, ...rest } = measured([1000, 1000, 1000], [100, 300, 400]);
    const blind = { ...rest, memory: {}, waves: waves.map(({ busyCores: _, ...wave }) => wave) };
    const plan = planFor(blind, GIVEN, { promptTokens: 100, answerTokens: 50, assumed: [] });
    expect(plan.memory).toBeUndefined();
    expect(plan.cores).toEqual({ count: 2, measured: false });
  });
});

describe("the queue", () => {
  test("with one slot is M/M/1: n is the 95th percentile of a geometric distribution", () => {
    const rate = () => 1;
    for (const load of [0.1, 0.5, 0.75, 0.9]) {
      const n = Math.ceil(Math.log(0.05) / Math.log(load)) - 1; // P(N ≤ n) = 1 − loadⁿ⁺¹
      expect(latency95(rate, 1, load)).toBeCloseTo(n + 1);
    }
  });

  test("never ends when more come than are answered", () => {
    expect(latency95(() => 1, 4, 1)).toBe(Number.POSITIVE_INFINITY);
  });

  test("rises with arrivals", () => {
    fc.assert(
      fc.property(measurements, fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (m, a, b) => {
        const rate = serviceRate(m.waves, { promptTokens: 10, answerTokens: 10 });
        const most = rate(8);
        const at = (share: number) => latency95(rate, 8, share * most);
        expect(at(Math.min(a, b))).toBeLessThanOrEqual(at(Math.max(a, b)));
      }),
    );
  });
});

describe("traffic as typed", () => {
  test("takes requests a second, a minute, an hour; seconds and milliseconds", () => {
    const of = (rps: string, p95: string) => trafficOf({ rps, p95 });
    expect(of("2", "5s")).toMatchObject({ requestsPerSecond: 2, p95Seconds: 5 });
    expect(of("120/min", "800ms")).toMatchObject({ requestsPerSecond: 2, p95Seconds: 0.8 });
    expect(of("7200/hour", "1.5")).toMatchObject({ requestsPerSecond: 2, p95Seconds: 1.5 });
    expect(of("2/s", "1m").requestsPerSecond).toBe(2);
    expect(trafficOf({}).assumed).toEqual(["promptTokens", "answerTokens"]);
  });

  test.each([
    { rps: "0" },
    { rps: "many" },
    { rps: "5/week" },
    { p95: "-1" },
    { p95: "5 parsecs" },
    { promptTokens: "1.5" },
    { answerTokens: "0" },
  ])("refuses %o", (flags) => {
    expect(() => trafficOf(flags)).toThrow(/Invalid value for '--/);
  });
});

/** A run of `shimmy plan` for SmolLM2 135M Q4_1 on two cores, and 60 s of Poisson traffic against a server with the planned slots (docs/decisions.md). */
test.each([
  { prefill: [525, 455, 383], decode: [125.6, 177, 235.3], requestsPerSecond: 0.4825, promptTokens: 257, answerTokens: 53, seen: 3.36 },
  { prefill: [507, 432, 388], decode: [102, 135, 140], requestsPerSecond: 1.072, promptTokens: 200, answerTokens: 22.7, seen: 5.25 },
])("the time that it expects is what was measured, to 20%: $seen s", ({ prefill, decode, seen, ...traffic }) => {
  const { p95Seconds, slots } = planFor(measured(prefill, decode), GIVEN, { ...traffic, assumed: [] });
  expect(slots).toBeGreaterThanOrEqual(4);
  expect(Math.abs(seen / p95Seconds! - 1)).toBeLessThan(0.2);
});
