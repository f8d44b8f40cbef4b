import fc from "fast-check";
import { expect, test } from "vitest";
import { createLogger } from "../log.ts";
import { AlertMemory, isKept } from "./memory.ts";

const NOW = 1_000_000;

/** As on a disk: what is read is what JSON made of it. */
function file(text?: string) {
  const disk = { text, broken: false, changes: 0 };
  return {
    disk,
    read: async () => (disk.text === undefined ? undefined : JSON.parse(disk.text)),
    change: async (edit: (state: unknown) => object) => {
      disk.changes++;
      if (disk.broken) throw Object.assign(new Error("no"), { code: "EROFS" });
      disk.text = JSON.stringify(edit(disk.text === undefined ? undefined : JSON.parse(disk.text)));
    },
  };
}

function memoryOn(
  on: ReturnType<typeof file>,
  { url, now = NOW, instance = "host:1" }: { url?: string; now?: number; instance?: string } = {},
) {
  const lines: string[] = [];
  const log = createLogger({ level: "info", format: "text", write: (line) => lines.push(line) });
  return { memory: new AlertMemory({ file: on, log, url, instance, now: () => now }), lines };
}

const DEEP = [{ name: "deep", text: "depth > 3" }];
const URL = "https://hooks.example/secret";

test("silences and what fires come back, and only what is over is dropped", async () => {
  const on = file();
  const { memory } = memoryOn(on, { url: URL });
  await Promise.all([memory.silenced("deep", NOW + 50), memory.silenced("other", NOW + 10), memory.silenced("third", NOW)]);
  memory.fires("deep", "depth > 3", { startsAt: NOW - 10, at: NOW - 5 });
  await memory.settled();
  expect(on.disk.text).not.toContain("secret");
  const { silences, firing } = await memoryOn(on, { url: URL, now: NOW + 20 }).memory.recall(DEEP);
  expect([...silences]).toEqual([["deep", NOW + 50]]);
  expect([...firing]).toEqual([["deep", { startsAt: NOW - 10, at: NOW - 5, heard: true }]]);
  expect((await memoryOn(on, { url: `${URL}2` }).memory.recall(DEEP)).firing.get("deep")).toMatchObject({ heard: false });
  await memory.silenced("deep", NOW);
  memory.ended("deep");
  await memory.settled();
  expect(JSON.parse(on.disk.text!)).toEqual({ version: 1, silences: { other: NOW + 10 }, firing: [] });
});

test("an alert with another condition, or that is gone, is forgotten", async () => {
  const on = file();
  const { memory } = memoryOn(on);
  memory.fires("deep", "depth > 3", { startsAt: NOW, at: NOW });
  memory.fires("gone", "x > 3", { startsAt: NOW, at: NOW });
  await memory.settled();
  expect((await memory.recall(DEEP)).firing.size).toBe(1);
  await memory.settled();
  expect(JSON.parse(on.disk.text!).firing).toMatchObject([{ alert: "deep" }]);
  expect((await memory.recall([{ name: "deep", text: "depth > 4" }])).firing.size).toBe(0);
});

test("two servers on one file keep what the other has written, and what fires at one does not fire at the other", async () => {
  const on = file();
  const [one, two] = [memoryOn(on).memory, memoryOn(on, { instance: "host:2" }).memory];
  one.fires("deep", "depth > 3", { startsAt: NOW, at: NOW });
  await one.settled();
  expect((await two.recall(DEEP)).firing.size).toBe(0);
  two.ended("deep");
  await two.settled();
  expect((await one.recall(DEEP)).firing.size).toBe(1);
  await one.silenced("a", NOW + 1);
  await two.silenced("b", NOW + 1);
  expect((await one.recall([])).silences.size).toBe(2);
});

test("a disk that cannot be written is told once, and again when it fails anew", async () => {
  const on = file();
  const { memory, lines } = memoryOn(on);
  on.disk.broken = true;
  await memory.silenced("a", NOW + 1);
  await memory.silenced("b", NOW + 1);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain("EROFS");
  on.disk.broken = false;
  await memory.silenced("c", NOW + 1);
  on.disk.broken = true;
  await memory.silenced("d", NOW + 1);
  expect(lines).toHaveLength(2);
});

test("however much is told at once, the file is written once or twice", async () => {
  const on = file();
  const { memory } = memoryOn(on);
  const names = Array.from({ length: 200 }, (_, index) => `alert-${index}`);
  for (const name of names) memory.fires(name, "depth > 3", { startsAt: NOW, at: NOW });
  await memory.settled();
  expect(JSON.parse(on.disk.text!).firing.map(({ alert }: { alert: string }) => alert)).toEqual(names);
  expect(on.disk.changes).toBeLessThanOrEqual(2);
});

test("what could not be written is written when that goes again, at the end at the latest", async () => {
  const on = file();
  const { memory } = memoryOn(on);
  on.disk.broken = true;
  await memory.silenced("a", NOW + 1);
  memory.fires("deep", "depth > 3", { startsAt: NOW, at: NOW });
  await memory.settled();
  on.disk.broken = false;
  await memory.silenced("b", NOW + 1);
  expect(JSON.parse(on.disk.text!)).toMatchObject({ silences: { a: NOW + 1, b: NOW + 1 }, firing: [{ alert: "deep" }] });
  on.disk.broken = true;
  await memory.silenced("a", 0);
  on.disk.broken = false;
  await memory.settled();
  expect(JSON.parse(on.disk.text!).silences).toEqual({ b: NOW + 1 });
  const written = on.disk.changes;
  await memory.settled();
  expect(on.disk.changes).toBe(written);
});

test("property: whatever is in the file, only whole entries come back", async () => {
  const time = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null), fc.constant(NOW + 5));
  const entry = fc.oneof(
    fc.jsonValue(),
    fc.record({
      ...{ alert: fc.constantFrom("deep", "x"), instance: fc.constant("host:1"), condition: fc.constant("depth > 3") },
      ...{ receiver: fc.string(), startsAt: time, at: time },
    }),
  );
  const state = fc.oneof(
    fc.jsonValue(),
    fc.record({
      version: fc.constant(1),
      silences: fc.dictionary(fc.string(), time),
      firing: fc.array(entry),
    }),
  );
  await fc.assert(
    fc.asyncProperty(state, async (written) => {
      const on = file(JSON.stringify(written));
      const { silences, firing } = await memoryOn(on).memory.recall(DEEP);
      for (const until of silences.values()) expect(Number.isSafeInteger(until) && until > NOW).toBe(true);
      for (const { startsAt, at } of firing.values())
        expect([startsAt, at].every((told) => Number.isSafeInteger(told) && told <= NOW)).toBe(true);
      await memoryOn(on).memory.silenced("deep", NOW + 9);
      expect(isKept(JSON.parse(on.disk.text!))).toBe(true);
    }),
  );
});
