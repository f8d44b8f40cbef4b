import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import type { AlertSpec } from "../../config/load.ts";
import type { MetricsView } from "../../contract/observation.ts";
import { createLogger } from "../log.ts";
import type { Recalled } from "./memory.ts";
import type { AlertInterval } from "./message.ts";
import { readRules } from "./rule.ts";
import { next, type Phase } from "./state.ts";
import { AlertWatch } from "./watch.ts";

afterEach(() => vi.useRealTimers());

const NOTHING: Recalled = { silences: new Map(), firing: new Map() };

function watching(alerts: Record<string, AlertSpec>, sample: () => Promise<void> = async () => undefined, recalled = NOTHING) {
  const gauges: Record<string, number> = {};
  const lines: Array<Record<string, unknown>> = [];
  const told: Array<readonly [string, AlertInterval]> = [];
  const kept: string[] = [];
  const note = (what: string) => async (name: string) => void kept.push(`${name} ${what}`);
  let time = 1_000_000;
  const read = ({ name }: { name: string }) => gauges[name];
  const view: MetricsView = {
    sample,
    names: () => [],
    latest: read,
    max: read,
    average: read,
    increase: read,
    rate: read,
    quantile: () => undefined,
  };
  const watch = new AlertWatch({
    rules: readRules({ alerts }),
    view,
    log: createLogger({ level: "info", format: "json", write: (line) => lines.push(JSON.parse(line)) }),
    intervalMs: 1000,
    instance: "host:1",
    tell: ({ name, state }, interval, taken) => {
      told.push([`${name} ${state}`, interval]);
      taken();
    },
    memory: { silenced: note("silenced"), fires: note("fires"), ended: note("ended") },
    recalled,
    now: () => time,
  });
  const look = async (depth: number | undefined, seconds: number) => {
    if (depth === undefined) delete gauges.depth;
    else gauges.depth = depth;
    time += seconds * 1000;
    await watch.look();
    return watch.statuses().map(({ state }) => state);
  };
  return { watch, look, lines, told, kept };
}

test("it fires at once and is resolved, and both are told and logged once", async () => {
  const { look, told, lines, watch } = watching({ deep: "depth > 3" });
  expect(await look(3, 10)).toEqual(["ok"]);
  expect(await look(4, 10)).toEqual(["firing"]);
  expect(await look(5, 10)).toEqual(["firing"]);
  expect(watch.statuses()).toMatchObject([{ name: "deep", condition: "depth > 3", value: 5, limit: 3, since: 1_020_000, unit: "number" }]);
  expect(await look(1, 10)).toEqual(["ok"]);
  expect(told).toEqual([
    ["deep firing", { startsAt: 1_020_000 }],
    ["deep ok", { startsAt: 1_020_000, endsAt: 1_040_000 }],
  ]);
  expect(lines).toMatchObject([
    { msg: "alert", level: 40, alert: "deep", state: "firing", value: "4", limit: "3" },
    { msg: "alert", level: 30, alert: "deep", state: "ok", value: "1" },
  ]);
});

test("what fires on is told again as often as it says, and once where it says 0", async () => {
  const { look, told } = watching({ often: { when: "depth > 3", repeat: "30s" }, once: { when: "depth > 3", repeat: "0" } });
  for (let i = 0; i < 8; i++) await look(4, 10);
  await look(1, 10);
  expect(told.map(([what]) => what)).toEqual([
    ...["often firing", "once firing", "often firing", "often firing"],
    ...["often ok", "once ok"],
  ]);
  expect(new Set(told.map(([, { startsAt }]) => startsAt))).toEqual(new Set([1_010_000]));
});

test("what is silenced is not told that it fires until the silence is over; what was told is told to have ended", async () => {
  const { look, told, watch } = watching({ deep: { when: "depth > 3" } });
  expect(await watch.silence("shallow", 60)).toBeUndefined();
  expect(await watch.silence("deep", 60)).toMatchObject({ silencedUntil: 1_060_000 });
  await look(4, 10);
  await look(1, 10);
  await look(4, 10);
  expect(told).toEqual([]);
  await look(4, 40);
  expect(told.map(([what]) => what)).toEqual(["deep firing"]);
  expect(watch.statuses()[0]).not.toHaveProperty("silencedUntil");
  await watch.silence("deep", 60);
  await look(1, 10);
  expect(told.map(([what]) => what)).toEqual(["deep firing", "deep ok"]);
});

test("the end of a silence by hand tells at once what fires", async () => {
  const { look, told, watch } = watching({ deep: "depth > 3" });
  await watch.silence("deep", 600);
  await look(4, 10);
  expect(told).toEqual([]);
  await watch.silence("deep", 0);
  expect(told).toEqual([["deep firing", { startsAt: 1_010_000 }]]);
});

const firing = (startsAt: number, heard = true): Recalled => ({
  ...NOTHING,
  firing: new Map([["deep", { startsAt, at: startsAt, heard }]]),
});

test("what fired before a restart and fires still is not told again, and since when stays", async () => {
  const { look, told, watch, lines, kept } = watching({ deep: { when: "depth > 3", for: "1m" } }, undefined, firing(900_000));
  expect(await look(4, 10)).toEqual(["firing"]);
  expect(watch.statuses()).toMatchObject([{ state: "firing", since: 900_000 }]);
  expect([told, lines, kept]).toEqual([[], [], []]);
  await look(1, 10);
  expect(told).toEqual([["deep ok", { startsAt: 900_000, endsAt: 1_020_000 }]]);
  expect(kept).toEqual(["deep ended"]);
});

test("what ended while the server was away is told to have ended", async () => {
  const { look, told } = watching({ deep: "depth > 3" }, undefined, firing(900_000));
  expect(await look(1, 10)).toEqual(["ok"]);
  expect(told).toEqual([["deep ok", { startsAt: 900_000, endsAt: 1_010_000 }]]);
});

test("the repeats of what fires on go on after a restart", async () => {
  const { look, told } = watching({ deep: { when: "depth > 3", repeat: "2m" } }, undefined, firing(900_000));
  await look(4, 10);
  expect(told).toEqual([]);
  await look(4, 10);
  expect(told).toEqual([["deep firing", { startsAt: 900_000 }]]);
});

test("another webhook than the one that knew is told, with the old time", async () => {
  const { look, told, kept } = watching({ deep: "depth > 3" }, undefined, firing(900_000, false));
  await look(4, 10);
  expect([told, kept]).toEqual([[["deep firing", { startsAt: 900_000 }]], ["deep fires"]]);
});

test("what is told from a window ends when the window has passed, for a new process knows nothing of it", async () => {
  const { look, told } = watching({ deep: { when: "depth > 3", window: "30s" } }, undefined, firing(900_000));
  const states = [];
  for (let i = 0; i < 4; i++) states.push((await look(i < 2 ? undefined : 1, 10))[0]);
  expect(states).toEqual(["firing", "firing", "ok", "ok"]);
  expect(told).toEqual([["deep ok", { startsAt: 900_000, endsAt: 1_030_000 }]]);
});

test("a silence from before a restart holds", async () => {
  const { look, told } = watching({ deep: "depth > 3" }, undefined, { ...NOTHING, silences: new Map([["deep", 1_025_000]]) });
  await look(4, 10);
  await look(4, 10);
  expect(told).toEqual([]);
  await look(4, 10);
  expect(told).toEqual([["deep firing", { startsAt: 1_010_000 }]]);
});

test("what is not enabled is listed and not looked at", async () => {
  const { look, told, watch, lines } = watching({ deep: { when: "depth > 3", enabled: "false" } });
  expect(await look(4, 10)).toEqual(["ok"]);
  expect(watch.statuses()[0]).toMatchObject({ enabled: false, value: undefined });
  expect([told, lines]).toEqual([[], []]);
});

test("summary and description are the rule's own words, with what it stands at", async () => {
  const { look, watch } = watching({
    mine: { when: "depth > 3", summary: "{value} wait at {instance}", description: "See {{value}} of {runbook}", labels: { team: "a" } },
    usual: "depth > 3",
  });
  await look(4, 10);
  expect(watch.statuses()).toMatchObject([
    { summary: "4 wait at host:1", description: "See {{value}} of {runbook}", labels: { team: "a" }, severity: "warning" },
    { summary: "usual is 4, its limit is 3", description: "The condition is depth > 3", repeatSeconds: 14_400 },
  ]);
});

test("with a hold time it is pending first, and one look at which it does not hold begins it anew", async () => {
  const { look, told } = watching({ deep: { when: "depth > 3", for: "30s" } });
  const states = [];
  for (const depth of [4, 4, 4, 1, 4, 4, 4, 4]) states.push((await look(depth, 10))[0]);
  expect(states).toEqual(["pending", "pending", "pending", "ok", "pending", "pending", "pending", "firing"]);
  expect(told).toHaveLength(1);
});

test("where nothing can be told it does not fire, and what fired is over", async () => {
  const { look, watch } = watching({ low: "depth < 3" });
  expect(await look(undefined, 10)).toEqual(["ok"]);
  expect(watch.statuses()[0]).toMatchObject({ value: undefined });
  expect(await look(1, 10)).toEqual(["firing"]);
  expect(await look(undefined, 10)).toEqual(["ok"]);
});

test("a look that fails is logged and ends nothing", async () => {
  vi.useFakeTimers();
  let samples = 0;
  const { watch, lines } = watching({ deep: "depth > 3" }, async () => {
    samples++;
    if (samples === 1) throw new Error("broken");
  });
  watch.start();
  await vi.advanceTimersByTimeAsync(2500);
  expect([samples, lines.map(({ msg }) => msg)]).toEqual([2, ["alerts were not looked at"]]);
  watch.stop();
  await vi.advanceTimersByTimeAsync(5000);
  expect([samples, vi.getTimerCount()]).toEqual([2, 0]);
});

test("property: it fires exactly while the condition has held at every look for the hold time", () => {
  const looks = fc.array(fc.record({ holds: fc.boolean(), after: fc.integer({ min: 1, max: 20 }) }), { maxLength: 40 });
  fc.assert(
    fc.property(looks, fc.integer({ min: 0, max: 60 }), (looks, hold) => {
      let phase: Phase = { state: "ok", since: 0 };
      let now = 0;
      let heldSince: number | undefined;
      for (const { holds, after } of looks) {
        now += after * 1000;
        heldSince = holds ? (heldSince ?? now) : undefined;
        const before = phase;
        phase = next(phase, holds, now, hold);
        const expected = heldSince === undefined ? "ok" : now - heldSince >= hold * 1000 ? "firing" : "pending";
        expect(phase.state).toBe(expected);
        expect(phase.since).toBe(before.state === expected ? before.since : now);
      }
    }),
  );
});
