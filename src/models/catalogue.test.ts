import { chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tinyModel, writeModel } from "../../test/fixtures/gguf.ts";
import { Catalogue, type CatalogueOptions } from "./catalogue.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "shimmy-catalogue-"));
});
afterEach(() => rm(root, { recursive: true }));

const at = (...names: string[]) => join(root, ...names);
/** Always looks at the disk. */
const catalogue = (options: Partial<CatalogueOptions> = {}) => new Catalogue({ dirs: [root], files: [], maxAgeMs: -1, ...options });
const ids = async (of: Catalogue) => (await of.list()).map(({ id }) => id);
const reasons = (of: Catalogue) => Object.fromEntries(of.skipped().map(({ path, reason }) => [path.slice(root.length + 1), reason]));

test("the count is that of the files until somebody wants the list, then that of the models", async () => {
  await writeModel(at("good.gguf"));
  await truncate(await writeModel(at("cut.gguf")), 30);
  const models = catalogue();
  expect(await models.count()).toBe(2);
  expect(await ids(models)).toEqual(["good"]);
  expect(await models.count()).toBe(1);
});

describe("finding", () => {
  test("given files first, then the folders in order, the embedded model last", async () => {
    await writeModel(at("b", "beta.gguf"));
    await writeModel(at("a", "alpha.gguf"));
    await writeModel(at("single.gguf"));
    const embedded = await writeModel(at("package", "shimmy-tiny-q8_0.gguf"));
    const found = catalogue({ dirs: [at("b"), at("a")], files: [at("single.gguf")], embedded });
    expect((await found.list()).map(({ id, source }) => [id, source])).toEqual([
      ["single", "given file"],
      ["beta", "b"],
      ["alpha", "a"],
      ["shimmy-tiny", "embedded"],
    ]);
  });

  test("the embedded file is the embedded model even if a folder has it", async () => {
    const embedded = await writeModel(at("shimmy-tiny", "shimmy-tiny-q8_0.gguf"));
    await writeModel(at("x.gguf"));
    expect(await ids(catalogue({ embedded }))).toEqual(["x", "shimmy-tiny"]);
    expect(await ids(catalogue())).toEqual(["x", "shimmy-tiny-q8-0"]);
  });

  test("a folder that is called embedded is no embedded model", async () => {
    await writeModel(at("embedded", "x.gguf"));
    const [model] = await catalogue({ dirs: [at("embedded")] }).list();
    expect([model!.id, model!.source]).toEqual(["x", "embedded/"]);
  });

  test("four levels deep and no deeper, hidden folders and other files left out", async () => {
    await writeModel(at("1", "2", "3", "4", "deep.gguf"));
    await writeModel(at("1", "2", "3", "4", "5", "too-deep.gguf"));
    await writeModel(at(".hidden", "x.gguf"));
    await writeModel(at("._x.gguf"));
    await writeModel(at("model.bin"));
    await writeModel(at("UPPER.GGUF"));
    expect(await ids(catalogue())).toEqual(["upper", "deep"]);
  });

  test("links are followed, loops end, and one file is one model", async () => {
    const real = await writeModel(at("store", "blob.gguf"));
    await symlink(real, at("named.gguf"));
    await symlink(root, at("store", "loop"));
    await symlink(at("gone.gguf"), at("dangling.gguf"));
    const found = catalogue({ files: [join(root, "store", "..", "store", "blob.gguf")] });
    expect(await ids(found)).toEqual(["blob"]);
    expect(reasons(found)).toEqual({ "dangling.gguf": "a link to nothing" });
  });

  test("a folder that does not exist is empty, one that is a file or may not be read is told of", async () => {
    await writeModel(at("x.gguf"));
    await mkdir(at("locked"));
    await chmod(at("locked"), 0);
    const found = catalogue({ dirs: [at("none"), at("x.gguf"), root] });
    expect(await ids(found)).toEqual(["x"]);
    expect(reasons(found)["x.gguf"]).toBe("the folder cannot be read (ENOTDIR)");
    // Root may read everything.
    if (process.getuid?.() !== 0) expect(reasons(found).locked).toBe("the folder cannot be read (EACCES)");
    await chmod(at("locked"), 0o700);
  });

  test("equal names are told apart", async () => {
    await writeModel(at("a", "x.gguf"));
    await writeModel(at("b", "x.gguf"));
    expect(await ids(catalogue())).toEqual(["x", "b-x"]);
  });

  test("what is no usable model is skipped with its reason, told once", async () => {
    const told: string[] = [];
    await writeModel(at("adapter.gguf"), tinyModel({ "general.type": "adapter" }));
    await writeModel(at("cut.gguf"), tinyModel().subarray(0, 100));
    await writeModel(at("good.gguf"));
    const found = catalogue({ onSkip: (path, reason) => told.push(`${path.slice(root.length + 1)}: ${reason}`) });
    expect(await ids(found)).toEqual(["good"]);
    await found.list();
    expect(told).toEqual(["adapter.gguf: a LoRA adapter, not a model", expect.stringMatching(/^cut\.gguf: truncated: /)]);
    expect(Object.keys(reasons(found))).toEqual(["adapter.gguf", "cut.gguf"]);
  });

  test("a split model is one entry", async () => {
    const split = (index: number) => ({
      "split.no": { type: "u16" as const, value: index },
      "split.count": { type: "u16" as const, value: 2 },
    });
    await writeModel(at("big-00001-of-00002.gguf"), tinyModel(split(0)));
    const found = catalogue();
    expect(await ids(found)).toEqual([]);
    expect(reasons(found)["big-00001-of-00002.gguf"]).toBe("part 2, big-00002-of-00002.gguf, is missing");
    await writeModel(at("big-00002-of-00002.gguf"), tinyModel(split(1), { tensors: [{ name: "more", dims: [4] }] }));
    expect(await ids(found)).toEqual(["big"]);
  });
});

describe("a disk that changes", () => {
  test("a new file appears, one that vanished is not listed, and ids stay", async () => {
    await writeModel(at("b", "x.gguf"));
    const found = catalogue();
    expect(await ids(found)).toEqual(["x"]);
    await writeModel(at("a", "x.gguf"));
    expect(await ids(found)).toEqual(["a-x", "x"]);
    await rm(at("b", "x.gguf"));
    expect(await ids(found)).toEqual(["a-x"]);
  });

  test("a file is read again only when its size or time changes", async () => {
    const path = await writeModel(at("x.gguf"), tinyModel({ "general.license": "mit" }));
    const found = catalogue();
    const [before] = await found.list();
    expect((await found.list())[0]!.chatTemplate).toBe(before!.chatTemplate);
    await writeModel(path, tinyModel({ "general.license": "gpl" }));
    await utimes(path, new Date(), new Date(Date.now() + 5000));
    expect((await found.list())[0]!.license).toBe("gpl");
  });

  test("the disk is not looked at again within the age", async () => {
    const found = catalogue({ maxAgeMs: 60_000 });
    expect(await ids(found)).toEqual([]);
    await writeModel(at("x.gguf"));
    expect(await ids(found)).toEqual([]);
    await found.scan();
    expect(await ids(found)).toEqual(["x"]);
  });

  test("calls at the same time share one look and one answer", async () => {
    await writeModel(at("x.gguf"));
    const found = catalogue();
    const lists = await Promise.all(Array.from({ length: 20 }, () => found.list()));
    expect(new Set(lists).size).toBe(1);
  });

  test("verify gives what the file is now, or a load failure that names no path", async () => {
    const path = await writeModel(at("x.gguf"));
    const found = catalogue({ maxAgeMs: 60_000 });
    const info = (await found.list())[0]!;
    await expect(found.verify(info)).resolves.toEqual(info);
    await truncate(path, 300);
    await expect(found.verify(info)).rejects.toMatchObject({ code: "model_load_failed", status: 503, details: { model: "x" } });
    await expect(found.verify(info)).rejects.toThrow(/truncated: /);
    expect(await ids(found)).toEqual([]);
    await rename(path, at("y.gguf"));
    await expect(found.verify(info)).rejects.toThrow(/^The model 'x' could not be loaded: there is no such file$/);
  });
});

test("check tells which of the given files cannot be used", async () => {
  const good = await writeModel(at("good.gguf"));
  const bad = await writeModel(at("bad.gguf"), Buffer.from("not a model"));
  const errors = await catalogue({ files: [good, bad, at("none.gguf")] }).check();
  expect(errors.map(({ code, details }) => [code, details.path])).toEqual([
    ["model_file_invalid", bad],
    ["model_file_missing", at("none.gguf")],
  ]);
});

test("nothing is read before it is asked", async () => {
  const found = catalogue({ dirs: ["/"], files: [at("none.gguf")] });
  expect(found.skipped()).toEqual([]);
});
