/** One at a time, and nobody waits for the dead. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acquire } from "./process-lock.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-lock-"));
  path = join(folder, "x.lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const live = () => new AbortController().signal;
const get = (signal = live(), onWait = (_: number): void => undefined) => acquire(path, { signal, onWait, lookEveryMs: 5 });

test("one at a time, however many ask; nothing is left over", async () => {
  let inside = 0;
  let most = 0;
  const work = async () => {
    const lock = await get();
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 3));
    inside--;
    await lock.release();
  };
  await Promise.all(Array.from({ length: 12 }, work));
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

test("the lock of a process that is gone is taken over at once", async () => {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  writeFileSync(path, JSON.stringify({ pid, host: hostname(), token: "old" }));
  const waited: number[] = [];
  await (await get(live(), (owner) => void waited.push(owner))).release();
  expect(waited).toEqual([]);
});

test("a lock of this process's own number that it does not hold is one of an earlier process: containers restart with the same", async () => {
  writeFileSync(path, JSON.stringify({ pid: process.pid, host: hostname(), token: "old" }));
  const waited: number[] = [];
  const lock = await get(live(), (owner) => void waited.push(owner));
  expect(waited).toEqual([]);
  const stop = new AbortController();
  await expect(get(stop.signal, () => stop.abort())).rejects.toMatchObject({ code: "client_closed" });
  await lock.release();
});

test.each([
  ["another machine's", JSON.stringify({ pid: 1, host: "elsewhere", token: "old" })],
  ["a broken", "{"],
])("%s lock is waited for, until nobody has touched it for a minute", async (_, text) => {
  writeFileSync(path, text);
  const stop = new AbortController();
  await expect(get(stop.signal, () => stop.abort())).rejects.toMatchObject({ code: "client_closed" });
  const old = new Date(Date.now() - 61_000);
  utimesSync(path, old, old);
  await (await get()).release();
  expect(readdirSync(folder)).toEqual([]);
});

test("many who find the same dead lock: still one at a time", async () => {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  writeFileSync(path, JSON.stringify({ pid, host: hostname(), token: "old" }));
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const lock = await get();
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside--;
      await lock.release();
    }),
  );
  expect(most).toBe(1);
});
