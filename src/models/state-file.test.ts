import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { stateFile } from "./state-file.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-state-"));
  path = join(folder, "x.json");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (longestWaitMs?: number) =>
  stateFile(
    path,
    (state) => Array.isArray(state),
    () => undefined,
    longestWaitMs,
  );

test("changes that are made at once all count, and nothing is left beside the file", async () => {
  const [one, two] = [open(), open()];
  const add = (index: number) => (index % 2 ? one : two).change((state) => [...((state ?? []) as number[]), index]);
  await Promise.all(Array.from({ length: 20 }, (_, index) => add(index)));
  expect(new Set(JSON.parse(readFileSync(path, "utf8"))).size).toBe(20);
  expect(readdirSync(folder)).toEqual(["x.json"]);
});

test("a lock that a living process number holds, and that is of the future, is not waited for for ever", async () => {
  writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, host: hostname(), token: "old" }));
  const future = new Date(Date.now() + 3600_000);
  utimesSync(`${path}.lock`, future, future);
  await expect(open(200).change(() => [])).rejects.toMatchObject({ code: "EBUSY" });
});
