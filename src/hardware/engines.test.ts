import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type EngineSurroundings, findEngines, installable } from "./engines.ts";
import { basePackage, ENGINE_VERSION, gpuPackage, packagesOf } from "./packages.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-engines-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function around(changes: Partial<EngineSurroundings> = {}): EngineSurroundings {
  const modules = join(folder, "node_modules");
  return {
    platform: "linux",
    arch: "x64",
    enginesFolder: join(folder, "engines"),
    resolve: (name) => (npm.has(name) ? join(modules, name, "dist/index.js") : undefined),
    ...changes,
  };
}
const npm = new Set<string>();

function add(path: string): void {
  mkdirSync(join(folder, path), { recursive: true });
}

const found = (changes: Partial<EngineSurroundings> = {}, set?: string) =>
  findEngines(set, around(changes)).map(({ name, backend, source, fallbackFolder }) => [
    name,
    backend,
    source,
    fallbackFolder !== undefined,
  ]);

test("installed ones come first, an old CUDA beside its fallback, and npm's last", () => {
  npm.add("@node-llama-cpp/linux-x64").add("@node-llama-cpp/linux-x64-vulkan");
  add("node_modules/@node-llama-cpp/linux-x64/bins/linux-x64");
  add("node_modules/@node-llama-cpp/linux-x64-vulkan/bins/linux-x64-vulkan");
  add(`engines/linux-x64-cuda-${ENGINE_VERSION}/bins/linux-x64-cuda/fallback`);
  expect(found()).toEqual([
    ["linux-x64-cuda", "cuda", "installed", true],
    ["linux-x64-vulkan", "vulkan", "npm", false],
    ["linux-x64", "cpu", "npm", false],
  ]);
  expect(installable(around())).toEqual([]);
});

test("an engine of another version is none", () => {
  add("engines/linux-x64-cuda-3.0.0/bins/linux-x64-cuda");
  expect(found({ resolve: () => undefined })).toEqual([]);
  expect(installable(around({ resolve: () => undefined })).map(({ command }) => command)).toEqual([
    "shimmy engine install cuda",
    "shimmy engine install vulkan",
  ]);
});

test("a folder that is set is tried first, as what its libraries are; one that is not there is an error", () => {
  add("mine");
  expect(found({ resolve: () => undefined }, join(folder, "mine"))).toEqual([["custom", "cpu", "set", false]]);
  writeFileSync(join(folder, "mine", "libggml-vulkan.so"), "");
  expect(found({ resolve: () => undefined }, join(folder, "mine"))).toEqual([["custom", "vulkan", "set", false]]);
  expect(() => found({}, join(folder, "nowhere"))).toThrow("--engine-dir is not there");
});

describe("the packages", () => {
  test("are those of package.json, in that version", () => {
    const { optionalDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
    const names = Object.keys(optionalDependencies).sort();
    const machines = [
      ["linux", "x64"],
      ["linux", "arm64"],
      ["darwin", "x64"],
      ["darwin", "arm64"],
      ["win32", "x64"],
      ["win32", "arm64"],
    ] as const;
    expect(machines.map(([platform, arch]) => `@node-llama-cpp/${basePackage({ platform, arch }).name}`).sort()).toEqual(names);
    expect(new Set(Object.values(optionalDependencies))).toEqual(new Set([ENGINE_VERSION]));
  });

  test("for GPUs have a whole SHA-512 each, and exist where upstream builds them", () => {
    const names = (["linux", "win32"] as const).flatMap((platform) =>
      (["cuda", "vulkan"] as const).map((backend) => gpuPackage({ platform, arch: "x64" }, backend)),
    );
    const packages = names.flatMap((name) => packagesOf(name) ?? []);
    expect(packages).toHaveLength(6);
    for (const { integrity } of packages) expect(Buffer.from(integrity.replace(/^sha512-/, ""), "base64")).toHaveLength(64);
    expect(packagesOf(gpuPackage({ platform: "linux", arch: "arm64" }, "cuda"))).toBeUndefined();
    expect(packagesOf("__proto__")).toBeUndefined();
  });
});
