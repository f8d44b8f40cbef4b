/** Facts of headers in a file: a new process need not read them again, and nothing that is wrong with the file does harm. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Catalogue } from "../../src/models/catalogue.ts";
import { cacheFile } from "../../src/models/header-cache.ts";
import { tinyModel, writeModel } from "../fixtures/gguf.ts";
import { loraFor, modelNamed } from "./support.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "shimmy-header-cache-"));
});
afterEach(() => rm(root, { recursive: true }));

const at = (...names: string[]) => join(root, ...names);
const around = () => ({ env: {}, home: at("home"), platform: "linux" as const });
const file = () => at("home", ".cache", "shimmy", "models.json");

/** As a new process would list; `errors` is what could not be written. */
async function listAnew(dirs = [at("models")]) {
  const errors: unknown[] = [];
  const catalogue = new Catalogue({ dirs, files: [], around: around(), cachesHeaders: true, onCacheError: (error) => errors.push(error) });
  const models = await catalogue.list();
  const adapters = await catalogue.adapters();
  await catalogue.close();
  return { models, adapters, skipped: catalogue.skipped(), errors, catalogue };
}

/** Changes the content of a file without its size, time or inode: only a cache would not notice. */
async function replaceUnnoticed(path: string, content: Buffer) {
  const { mtime, atime, size } = await stat(path);
  expect(content.length).toBe(size);
  await writeFile(path, content);
  await utimes(path, atime, mtime);
}

async function old(path: string, content?: Buffer) {
  await writeModel(path, content);
  await utimes(path, 1e9, 1e9);
}

test("the places of three systems", () => {
  const of = (platform: NodeJS.Platform, env: Record<string, string> = {}) => cacheFile({ env, home: "/h", platform });
  expect(of("linux")).toBe("/h/.cache/shimmy/models.json");
  expect(of("linux", { XDG_CACHE_HOME: "/xdg" })).toBe("/xdg/shimmy/models.json");
  expect(of("darwin")).toBe("/h/Library/Caches/shimmy/models.json");
  expect(of("win32", { LOCALAPPDATA: "/local" })).toBe("/local/shimmy/cache/models.json");
});

test("models, templates, adapters and refusals are the same in a new process, which reads no header", async () => {
  for (const name of ["a", "b"]) await old(at("models", `${name}.gguf`), tinyModel({ "tokenizer.chat_template": "{{ messages }}" }));
  await old(at("models", "plain.gguf"));
  await old(at("models", "lora.gguf"), loraFor("Tiny"));
  await old(at("models", "vocab.gguf"), tinyModel({}, { tensors: [] }));
  const first = await listAnew();
  expect(first.models).toHaveLength(3);
  expect(first.adapters).toHaveLength(1);
  const noise = (path: string) => stat(path).then(({ size }) => Buffer.alloc(size, 7));
  for (const name of await readdir(at("models"))) await replaceUnnoticed(at("models", name), await noise(at("models", name)));
  const second = await listAnew();
  expect([second.models, second.adapters, second.skipped]).toEqual([first.models, first.adapters, first.skipped]);
  expect((await readFile(file(), "utf8")).match(/\{\{ messages \}\}/g)).toHaveLength(1);
});

test("it is never trusted for a load", async () => {
  await old(at("models", "x.gguf"));
  await listAnew();
  await replaceUnnoticed(at("models", "x.gguf"), Buffer.alloc(tinyModel().length, 7));
  const { models, catalogue } = await listAnew();
  await expect(catalogue.verify(models[0]!)).rejects.toMatchObject({ code: "model_load_failed" });
});

test("a file that changed is read again", async () => {
  await old(at("models", "x.gguf"), modelNamed("a", { "general.license": "mit" }));
  await listAnew();
  await writeModel(at("models", "x.gguf"), modelNamed("a", { "general.license": "gpl" }));
  expect((await listAnew()).models[0]!.license).toBe("gpl");
});

test.each<[string, () => Promise<unknown>]>([
  ["cut", () => truncate(file(), 100)],
  ["empty", () => writeFile(file(), "")],
  ["another layout", async () => writeFile(file(), (await readFile(file(), "utf8")).replace('"layout":1', '"layout":0'))],
  ["another build", async () => writeFile(file(), (await readFile(file(), "utf8")).replace(/"build":"[^"]*"/, '"build":"x"'))],
  ["half a description", async () => writeFile(file(), (await readFile(file(), "utf8")).replace(/"architecture":"llama",/, ""))],
  ["a wrong type", async () => writeFile(file(), (await readFile(file(), "utf8")).replace(/"sizeBytes":\d+/, '"sizeBytes":"1"'))],
  [
    "a wrong optional type",
    async () => writeFile(file(), (await readFile(file(), "utf8")).replace(/"capabilities":\[[^\]]*\]/, '"capabilities":1')),
  ],
  ["a text that is not there", async () => writeFile(file(), (await readFile(file(), "utf8")).replace(/"text":0/, '"text":9'))],
  ["an array", () => writeFile(file(), "[]")],
  ["a folder", () => rm(file()).then(() => mkdir(file()))],
])("a cache file that is wrong (%s) is none", async (_, damage) => {
  await old(at("models", "x.gguf"), tinyModel({ "tokenizer.chat_template": "{{ messages }}" }));
  const { models } = await listAnew();
  await damage();
  expect((await listAnew()).models).toEqual(models);
});

test("written for the user alone, whole or not at all, and only when something new was read", async () => {
  await old(at("models", "x.gguf"));
  await listAnew();
  const { mode, mtimeMs } = await stat(file());
  expect(mode & 0o777).toBe(0o600);
  expect((await stat(dirname(file()))).mode & 0o777).toBe(0o700);
  expect(await readdir(dirname(file()))).toEqual(["models.json"]);
  await listAnew();
  expect((await stat(file())).mtimeMs).toBe(mtimeMs);
});

test("processes with other folders add to it", async () => {
  await old(at("models", "x.gguf"));
  await old(at("others", "y.gguf"));
  await listAnew();
  await listAnew([at("others")]);
  expect(Object.keys(JSON.parse(await readFile(file(), "utf8")).files)).toEqual([at("models", "x.gguf"), at("others", "y.gguf")]);
});

test("bounded: the longest unlisted go first", async () => {
  await old(at("models", "x.gguf"));
  await listAnew();
  const content = JSON.parse(await readFile(file(), "utf8"));
  const entry = content.files[at("models", "x.gguf")];
  for (let i = 0; i < 5000; i++) content.files[`/gone/${i}.gguf`] = { ...entry, day: i };
  await writeFile(file(), JSON.stringify(content));
  await old(at("models", "y.gguf"));
  await listAnew();
  const kept = Object.keys(JSON.parse(await readFile(file(), "utf8")).files);
  expect(kept).toHaveLength(4096);
  expect(kept).toEqual(expect.arrayContaining([at("models", "x.gguf"), at("models", "y.gguf"), "/gone/4999.gguf"]));
  expect(kept).not.toContain("/gone/0.gguf");
});

test("a folder that cannot be written is no obstacle", async () => {
  await old(at("models", "x.gguf"));
  await writeModel(at("home"), Buffer.from("not a folder"));
  const { models, errors } = await listAnew();
  expect(models).toHaveLength(1);
  await vi.waitFor(() => expect(errors).toHaveLength(1));
});

test("a link in its place is replaced, not followed", async () => {
  await old(at("models", "x.gguf"));
  await mkdir(dirname(file()), { recursive: true });
  await writeFile(at("precious"), "keep me");
  await chmod(at("precious"), 0o644);
  await symlink(at("precious"), file());
  await listAnew();
  expect(await readFile(at("precious"), "utf8")).toBe("keep me");
});
