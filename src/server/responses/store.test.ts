import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { StoredResponse } from "../../contract/responses.ts";
import { openResponseStore, type StoreOptions } from "./store.ts";

const root = mkdtempSync(join(tmpdir(), "shimmy-responses-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folder: string;
let problems: string[];
let count = 0;
beforeEach(() => {
  folder = join(root, `${count++}`, "responses");
  problems = [];
});

const NOW = Date.now();
const open = (options: Partial<StoreOptions> = {}) =>
  openResponseStore({ folder, maxCount: 10, maxBytes: 1_000_000, onProblem: (error) => problems.push(String(error)), ...options });
const hex = (n: number) => n.toString(16).padStart(32, "0");
const id = (n: number) => `resp_${hex(n)}`;
const response = (n: number, more: Partial<StoredResponse> = {}): StoredResponse => ({
  id: id(n),
  createdAt: NOW,
  input: [{ type: "message", n }],
  response: { id: id(n), output: [] },
  ...more,
});

describe("what is kept", () => {
  test("is found at once, and by the next process", async () => {
    const store = open();
    store.put(response(1));
    expect(await store.get(id(1), undefined)).toEqual(response(1));
    await store.close();
    expect(readdirSync(folder)).toEqual([`${hex(1)}.json`]);
    expect(await open().get(id(1), undefined)).toEqual(response(1));
  });

  test.skipIf(process.platform === "win32")("is private", async () => {
    const store = open();
    store.put(response(1));
    await store.close();
    expect(statSync(join(folder, `${hex(1)}.json`)).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test("is found by who asked for it only", async () => {
    const store = open();
    store.put(response(1, { caller: "a" }));
    store.put(response(2));
    for (const each of [store, open()]) {
      await store.close();
      expect(await each.get(id(1), "a")).toEqual(response(1, { caller: "a" }));
      expect(await each.get(id(1), "b")).toBeUndefined();
      expect(await each.get(id(1), undefined)).toBeUndefined();
      expect(await each.get(id(2), "a")).toBeUndefined();
    }
    expect(await store.delete(id(1), "b")).toBe(false);
    expect(await store.get(id(1), "a")).toEqual(response(1, { caller: "a" }));
  });

  test("is gone when it is deleted, written or not", async () => {
    const store = open();
    store.put(response(1));
    expect(await store.delete(id(1), undefined)).toBe(true);
    store.put(response(2));
    await store.close();
    expect(await store.delete(id(2), undefined)).toBe(true);
    expect(await store.delete(id(2), undefined)).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("is gone when it is too old", async () => {
    const store = open();
    store.put(response(1, { createdAt: NOW - 2000 }));
    await store.close();
    expect(await open({ maxAgeMs: 1000 }).get(id(1), undefined)).toBeUndefined();
    utimesSync(join(folder, `${hex(1)}.json`), new Date(NOW - 5000), new Date(NOW - 5000));
    const later = open({ maxAgeMs: 1000, now: () => NOW });
    later.put(response(2));
    await later.close();
    expect(readdirSync(folder)).toEqual([`${hex(2)}.json`]);
  });
});

describe("the bounds", () => {
  test("the oldest go first, by count, over restarts", async () => {
    for (let n = 0; n < 25; n++) {
      const store = open();
      store.put(response(n));
      await store.close();
    }
    const names = readdirSync(folder).sort();
    expect(names.length).toBeLessThanOrEqual(10);
    expect(names.at(-1)).toBe(`${hex(24)}.json`);
    expect(names).toContain(`${hex(20)}.json`);
  });

  test("and by size; one that takes more than an eighth is not kept, and said", async () => {
    const store = open({ maxBytes: 10_000 });
    for (let n = 0; n < 20; n++) store.put(response(n, { input: ["x".repeat(1000)] }));
    await store.close();
    const size = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(size).toBeLessThanOrEqual(10_000);
    expect(size).toBeGreaterThan(6000);
    store.put(response(99, { input: ["x".repeat(1300)] }));
    await store.close();
    expect(problems).toHaveLength(1);
    expect(await store.get(id(99), undefined)).toBeUndefined();
  });

  test("of none: nothing is kept and no folder made", async () => {
    const store = open({ maxCount: 0 });
    store.put(response(1));
    await store.close();
    expect(await store.get(id(1), undefined)).toBeUndefined();
    expect(() => readdirSync(folder)).toThrow();
  });
});

describe("what somebody else did to the folder", () => {
  test("a file that was cut, or exchanged, is not there, and said", async () => {
    const store = open();
    store.put(response(1));
    store.put(response(2));
    await store.close();
    const text = readFileSync(join(folder, `${hex(1)}.json`), "utf8");
    writeFileSync(join(folder, `${hex(2)}.json`), text);
    for (const broken of [
      "",
      "{",
      "null",
      "[]",
      text.slice(0, -3),
      text.replace('"version":1', '"version":2'),
      text.replace("[]", '"x"'),
    ]) {
      writeFileSync(join(folder, `${hex(1)}.json`), broken);
      expect(await open().get(id(1), undefined)).toBeUndefined();
    }
    expect(await store.get(id(2), undefined)).toBeUndefined();
    expect(problems).toHaveLength(8);
  });

  test("ids that are no names of files are not looked for", async () => {
    const store = open();
    for (const wrong of ["../../etc/passwd", "resp_../x", `resp_${hex(1)}/..`, `${id(1)}.json`, id(1).toUpperCase(), "", "resp_"]) {
      expect(await store.get(wrong, undefined)).toBeUndefined();
      expect(await store.delete(wrong, undefined)).toBe(false);
    }
    expect(problems).toEqual([]);
  });

  test("a folder that cannot be written costs the record, not the answer", async () => {
    writeFileSync(join(root, "file"), "");
    const store = open({ folder: join(root, "file", "responses") });
    store.put(response(1));
    await store.close();
    expect(problems).toHaveLength(1);
  });
});
