import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CellFiles, fingerprint } from "./cell-files.ts";

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "shimmy-cells-")), "cache");
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true }));

const content = (from: number, length = 100, salt = "") => ({
  tokens: Array.from({ length: length + 5 }, (_, i) => from + i),
  length,
  salt,
});
const state = (fill: number, bytes = 1000) => new Uint8Array(bytes).fill(fill);

test("what was written is found and read by the next process", async () => {
  await new CellFiles(folder, "model", 1e6).write(content(7, 100, "tenant"), state(3));
  const files = new CellFiles(folder, "model", 1e6);
  const [found] = files.list();
  expect(found!.content).toEqual({ tokens: content(7).tokens.slice(0, 100), length: 100, salt: "tenant" });
  expect(new Uint8Array(files.read(found!.path)!)).toEqual(state(3));
});

test("only its owner can read it, and nothing unfinished stays", async () => {
  const path = await new CellFiles(folder, "model", 1e6).write(content(1), state(1));
  expect(statSync(path!).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readdirSync(folder)).toHaveLength(1);
});

test("a file of another model, engine or layout is as if it were not there", async () => {
  const path = await new CellFiles(folder, "one", 1e6).write(content(1), state(1));
  const other = new CellFiles(folder, "another", 1e6);
  expect(other.list()).toEqual([]);
  expect(other.read(path!)).toBeUndefined();
});

test("a byte that changed, a cut end, another file: nothing is believed and nothing throws", async () => {
  const files = new CellFiles(folder, "model", 1e6);
  const path = (await files.write(content(1), state(1)))!;
  const whole = readFileSync(path);
  for (const at of [0, 5, 12, 40, whole.length - 1, whole.length - 1300]) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1;
    writeFileSync(path, changed);
    expect(files.read(path)).toBeUndefined();
    files.list();
  }
  for (const length of [0, 3, 30, 200, whole.length - 1]) {
    writeFileSync(path, whole.subarray(0, length));
    expect(files.read(path)).toBeUndefined();
    files.list();
  }
  writeFileSync(path, whole);
  expect(files.read(path)).toEqual(Buffer.from(state(1)));
});

test("the longest unused files make room, and what is larger than all of it is not written", async () => {
  const files = new CellFiles(folder, "model", 4000);
  const [first, second] = [await files.write(content(1), state(1)), await files.write(content(2), state(2))];
  utimesSync(first!, new Date(1000), new Date(1000));
  utimesSync(second!, new Date(2000), new Date(2000));
  expect(files.read(first!)).toEqual(Buffer.from(state(1))); // now the second is the longest unused
  await files.write(content(3), state(3));
  expect(files.list().map(({ content }) => content.tokens[0])).toEqual([1, 3]);
  expect(await files.write(content(4), state(4, 5000))).toBeUndefined();
});

test("a folder that cannot be written to costs nothing but the cache", async () => {
  const files = new CellFiles(folder, "model", 1e6);
  rmSync(folder, { recursive: true });
  writeFileSync(folder, "a file in its place");
  expect(await files.write(content(1), state(1))).toBeUndefined();
  expect(files.list()).toEqual([]);
});

test("the fingerprint of a model changes with its size, its beginning and its end", () => {
  const path = join(folder, "..", "model.gguf");
  const seen = new Set<string>();
  for (const bytes of ["abc", "abcd", "xbcd", "abcx"]) {
    writeFileSync(path, bytes);
    seen.add(fingerprint(path));
  }
  expect(seen.size).toBe(4);
});
