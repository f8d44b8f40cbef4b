/** Folders are watched after the first list: later lists look at the disk only when something changed there. */
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Catalogue, type CatalogueOptions } from "../../src/models/catalogue.ts";
import { FolderWatch } from "../../src/models/watch.ts";
import { writeModel } from "../fixtures/gguf.ts";
import { hubFile, hubRef, ids, modelNamed, ollamaModel } from "./support.ts";

let root: string;
const opened: Catalogue[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "shimmy-watching-"));
});
afterEach(async () => {
  for (const catalogue of opened.splice(0)) await catalogue.close();
  await rm(root, { recursive: true });
});

const at = (...names: string[]) => join(root, ...names);
function watching(options: Partial<CatalogueOptions> = {}): Catalogue {
  const catalogue = new Catalogue({ dirs: [root], files: [], watches: true, maxAgeMs: 0, ...options });
  opened.push(catalogue);
  return catalogue;
}
const soon = (catalogue: Catalogue, expected: string[]) =>
  vi.waitFor(async () => expect(await ids(catalogue)).toEqual(expected), { timeout: 5000 });

test("a file that comes, changes its name or vanishes is noticed, deep down too", async () => {
  await writeModel(at("a", "b", "x.gguf"));
  const found = watching();
  await soon(found, ["x"]);
  await writeModel(at("a", "b", "y.gguf"));
  await soon(found, ["x", "y"]);
  await rename(at("a", "b", "x.gguf"), at("a", "b", "z.gguf"));
  await soon(found, ["y", "z"]);
  await rm(at("a", "b"), { recursive: true });
  await soon(found, []);
  await writeModel(at("c", "w.gguf"));
  await soon(found, ["w"]);
});

test("a new tag in Ollama and a new revision in the hub's cache are noticed", async () => {
  const found = watching({ dirs: [at("ollama"), at("hub")] });
  const first = { model: modelNamed("one") };
  await ollamaModel(at("ollama"), "registry.ollama.ai/library/one/latest", first);
  await hubFile(at("hub"), "o/r", "a".repeat(40), "old.gguf", modelNamed("old"));
  await hubRef(at("hub"), "o/r", "a".repeat(40));
  await soon(found, ["one:latest", "old"]);
  await ollamaModel(at("ollama"), "registry.ollama.ai/library/two/latest", { model: modelNamed("two") });
  await soon(found, ["one:latest", "two:latest", "old"]);
  await hubFile(at("hub"), "o/r", "b".repeat(40), "new.gguf", modelNamed("new"));
  await hubRef(at("hub"), "o/r", "b".repeat(40));
  await soon(found, ["one:latest", "two:latest", "new"]);
});

test("a place that was not there is noticed when it comes", async () => {
  const found = watching({ dirs: [at("later")] });
  await soon(found, []);
  await writeModel(at("later", "x.gguf"));
  await soon(found, ["x"]);
});

test("while nothing changes the disk is not looked at", async () => {
  await writeModel(at("x.gguf"));
  const found = watching();
  await soon(found, ["x"]);
  const scans = vi.spyOn(found, "scan");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await found.list(); // one more look at what was new to the watch
  scans.mockClear();
  for (let i = 0; i < 20; i++) await found.list();
  expect(scans).not.toHaveBeenCalled();
});

test("without watching, or after close, it is the age that counts", async () => {
  const found = watching();
  await soon(found, []);
  await found.close();
  await writeModel(at("x.gguf"));
  await soon(found, ["x"]);
});

test("where folders cannot be watched, the watch says so", async () => {
  const watch = new FolderWatch();
  watch.update(Array.from({ length: 1025 }, (_, i) => at(String(i))));
  expect(watch.works).toBe(false);
  watch.close();
});

test("a folder that is gone before it is watched breaks nothing", async () => {
  await mkdir(at("here"));
  const watch = new FolderWatch();
  watch.update([at("gone"), at("here")]);
  expect([watch.works, watch.changed]).toEqual([true, true]);
  watch.close();
});

test("discover tells what is new and what is gone since the last list", async () => {
  await writeModel(at("x.gguf"));
  await writeModel(at("y.gguf"));
  const found = watching({ maxAgeMs: 60_000 });
  expect(await ids(found)).toEqual(["x", "y"]);
  await rm(at("x.gguf"));
  await writeModel(at("z.gguf"));
  expect(await found.discover()).toMatchObject({ appeared: ["z"], gone: ["x"] });
  expect(await found.discover()).toMatchObject({ appeared: [], gone: [] });
});
