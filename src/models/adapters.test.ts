/** Which adapter a name means, beside which model. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildGguf, tinyModel, writeModel } from "../../test/fixtures/gguf.ts";
import { LORA_METADATA } from "../../test/fixtures/lora.ts";
import { nameOf } from "../contract/generation.ts";
import type { ModelInfo } from "../contract/model.ts";
import { Adapters, resolveWithAdapter, splitAdapter } from "./adapters.ts";
import { aliasTable } from "./alias-table.ts";
import { Catalogue } from "./catalogue.ts";
import type { ResolveOptions } from "./resolve.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-adapters-"));
const lora = (name: string) => join(folder, "loras", `${name}.gguf`);
let models: readonly ModelInfo[];
let base: ModelInfo;
let other: ModelInfo;
beforeAll(async () => {
  const weight = (width: number) => ({ tensors: [{ name: "blk.0.attn_q.weight", dims: [width, width] }] });
  await writeModel(join(folder, "models", "fox.gguf"), tinyModel({}, weight(32)));
  await writeModel(join(folder, "models", "hen.gguf"), tinyModel({}, weight(64)));
  await writeModel(join(folder, "models", "command-r+.gguf"), tinyModel({}, weight(64)));
  const tensors = ["a", "b"].map((part) => ({ name: `blk.0.attn_q.weight.lora_${part}`, dims: part === "a" ? [32, 4] : [4, 32] }));
  for (const name of ["pirate", "Poet+X", "sub/pirate"]) await writeModel(lora(name), buildGguf({ metadata: LORA_METADATA, tensors }));
  models = await new Catalogue({ dirs: [join(folder, "models")], files: [] }).list();
  const byId = (id: string) => models.find((model) => model.id === id)!;
  [base, other] = [byId("fox"), byId("hen")];
});
afterAll(() => rmSync(folder, { recursive: true }));

const given = () => ["pirate", "Poet+X", "sub/pirate"].map((name, i) => ({ path: lora(name), scale: 1 + i }));
const meant = async (name: string, options: Partial<ResolveOptions> = {}) => {
  const adapters = new Adapters({ given: given() });
  const { info, adapter, fallbackFrom } = await resolveWithAdapter(name, models, { strict: false, ...options }, adapters);
  return [info.id, adapter?.name, fallbackFrom];
};

test("an adapter is named as its file is, unique, and belongs to the models that it fits", async () => {
  const adapters = new Adapters({ given: given() });
  expect(await adapters.namesFor(base)).toEqual(["pirate", "poet-x", "pirate-2"]);
  expect(await adapters.namesFor(other)).toEqual([]);
  expect(await adapters.find(base, "Pirate-2")).toMatchObject({ path: lora("sub/pirate"), scale: 3, identity: expect.any(String) });
  await expect(adapters.find(other, "pirate")).rejects.toMatchObject({ code: "adapter_unusable", details: { adapter: "pirate" } });
  await expect(adapters.find(base, "clown")).rejects.toMatchObject({
    code: "adapter_not_found",
    details: { available: ["pirate", "poet-x", "pirate-2"] },
  });
});

test("found ones join for the models that they are meant for; given ones of the same name or file come first", async () => {
  const found = async () => [
    { name: "extra", path: lora("Poet+X"), bases: ["fox"] },
    { name: "pirate", path: lora("sub/pirate"), bases: ["fox"] },
    { name: "far", path: lora("sub/pirate"), bases: ["hen"] },
  ];
  const adapters = new Adapters({ given: given().slice(0, 1), found });
  expect(await adapters.namesFor(base)).toEqual(["pirate", "extra"]);
  expect(await adapters.find(base, "pirate")).toMatchObject({ path: lora("pirate") });
  expect(await adapters.namesFor(other)).toEqual([]);
});

test("what a store makes a part of a model comes with its plain id, under that name alone", async () => {
  const adapters = new Adapters({ given: given().slice(0, 1) });
  const resolve = (adapted: readonly string[], name = "fox") =>
    resolveWithAdapter(name, [{ ...base, defaults: { adapters: adapted } }], { strict: true }, adapters);
  const model = await resolve([lora("Poet+X")]);
  expect([model.adapter?.path, nameOf(model)]).toEqual([lora("Poet+X"), "fox"]);
  expect(nameOf(await resolve([lora("Poet+X")], "fox+pirate"))).toBe("fox+pirate");
  await expect(resolve([lora("none")])).rejects.toMatchObject({ code: "adapter_unusable" });
  await expect(resolve([lora("Poet+X"), lora("pirate")])).rejects.toMatchObject({ code: "adapter_unusable" });
});

describe("model+adapter", () => {
  test.each([
    ["fox", ["fox", undefined, undefined]],
    ["fox+pirate", ["fox", "pirate", undefined]],
    [" FOX.gguf+PIRATE ", ["fox", "pirate", undefined]],
    ["folder/fox:latest+poet-x", ["fox", "poet-x", undefined]],
    // Its own name has a plus.
    ["command-r+", ["command-r+", undefined, undefined]],
  ])("%s", async (name, expected) => expect(await meant(name)).toEqual(expected));

  test("an unknown adapter is an error, an unknown model goes by the rules for models", async () => {
    await expect(meant("fox+clown")).rejects.toMatchObject({ code: "adapter_not_found" });
    await expect(meant("hen+pirate")).rejects.toMatchObject({ code: "adapter_unusable" });
    await expect(meant("dog+pirate", { strict: true })).rejects.toMatchObject({ code: "model_not_found" });
    const first = models[0]!.id;
    expect(await meant("dog+clown")).toEqual([first, undefined, "dog+clown"]);
    expect(await meant("dog+08-2024")).toEqual([first, undefined, "dog+08-2024"]);
  });

  test("an alias and the default may stand for one", async () => {
    const aliases = aliasTable({ captain: "fox+pirate", anyone: "default", fox: "hen" });
    const options = { aliases, default: "fox+poet-x" };
    expect(await meant("captain", options)).toEqual(["fox", "pirate", undefined]);
    for (const name of ["", "auto", "anyone"]) expect(await meant(name, options)).toEqual(["fox", "poet-x", undefined]);
    expect(await meant("default+pirate", options)).toEqual(["fox", "pirate", undefined]);
    expect(await meant("fox", options)).toEqual(["fox", undefined, undefined]);
    expect(await meant("dog", options)).toEqual(["fox", undefined, "dog"]);
  });

  test("the last plus divides", () => {
    expect(splitAdapter("a+b+c")).toEqual({ base: "a+b", adapter: "c" });
    for (const name of ["a", "a+", "r+-08-2024", ""]) expect(splitAdapter(name)).toBeUndefined();
  });
});
