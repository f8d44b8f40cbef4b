/** Engines from a registry that lies, breaks off or asks for a token: what is installed is whole and right, or nothing is. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { EngineSurroundings } from "../../src/hardware/engines.ts";
import { type InstallProgress, installEngine, removeEngine } from "../../src/hardware/install.ts";
import { ENGINE_VERSION, type EnginePackage } from "../../src/hardware/packages.ts";
import { archive } from "../fixtures/tar.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";

const root = temporaryFolder();
let folder: string;
let around: EngineSurroundings;
let number = 0;
beforeEach(() => {
  folder = join(root, `engines-${number++}`);
  around = { platform: "linux", arch: "x64", enginesFolder: folder, resolve: () => undefined };
  faults = {};
  asked = [];
});

const FIRST = archive([
  { name: "package/bins/linux-x64-cuda/libllama.cuda.so", data: Buffer.alloc(30_000, 7) },
  { name: "package/package.json", data: Buffer.from("{}") },
]);
const SECOND = archive([
  { name: "package/bins/linux-x64-cuda/fallback/libggml-cuda.so", data: Buffer.from("old") },
  { name: "package/package.json", data: Buffer.from("{}") },
]);
const FILES: Readonly<Record<string, Buffer>> = { "linux-x64-cuda": FIRST, "linux-x64-cuda-ext": SECOND };

/** A registry: `/npm/@node-llama-cpp%2fNAME/VERSION` and the file that this names. */
let registry: Server;
let url: URL;
let faults: { token?: string; cut?: boolean; other?: boolean; longer?: boolean; missing?: boolean };
let asked: string[];

beforeAll(async () => {
  registry = createServer(answer);
  await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve));
  url = new URL(`http://127.0.0.1:${(registry.address() as AddressInfo).port}/npm/`);
});
afterAll(() => void registry.close());

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent(request.url ?? "");
  asked.push(path);
  if (faults.token !== undefined && request.headers.authorization !== `Bearer ${faults.token}`) return void response.writeHead(401).end();
  const name = /^\/npm\/@node-llama-cpp\/([\w-]+)\//.exec(path)?.[1] ?? "";
  const file = FILES[name];
  if (!file || faults.missing) return void response.writeHead(404).end();
  if (!path.endsWith(".tgz")) {
    // As a mirror hands it on: npm puts its own registry in the place of this host.
    const tarball = `https://registry.npmjs.org/@node-llama-cpp/${name}/-/${name}-${ENGINE_VERSION}.tgz`;
    return void response.end(JSON.stringify({ dist: { tarball } }));
  }
  if (faults.cut) {
    response.writeHead(200, { "content-length": file.length });
    response.write(file.subarray(0, 100), () => response.destroy());
    return;
  }
  response.end(faults.other ? archive([]) : faults.longer ? Buffer.concat([file, Buffer.alloc(1)]) : file);
}

function described(name: string): EnginePackage {
  const file = FILES[name]!;
  return { name, bytes: file.length, integrity: `sha512-${createHash("sha512").update(file).digest("base64")}` };
}

function install(changes: Partial<Parameters<typeof installEngine>[1]> = {}) {
  return installEngine("cuda", {
    around,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    settings: { registry: url },
    packages: [described("linux-x64-cuda"), described("linux-x64-cuda-ext")],
    ...changes,
  });
}

const left = () => (existsSync(folder) ? readdirSync(folder) : []);

describe("from a registry that works", () => {
  test("two packages become one engine, with progress, and nothing else is left", async () => {
    const told: InstallProgress[] = [];
    const installed = await install({ onProgress: (progress) => told.push(progress) });
    expect(installed).toEqual({ name: "linux-x64-cuda", folder: join(folder, `linux-x64-cuda-${ENGINE_VERSION}`), fresh: true });
    const bins = join(installed.folder, "bins", "linux-x64-cuda");
    expect(readFileSync(join(bins, "libllama.cuda.so"))).toEqual(Buffer.alloc(30_000, 7));
    expect(readFileSync(join(bins, "fallback", "libggml-cuda.so"), "utf8")).toBe("old");
    expect(left()).toEqual([`linux-x64-cuda-${ENGINE_VERSION}`]);
    const bytes = told.map((each) => each.bytes);
    expect(bytes).toEqual([...bytes].sort((a, b) => a - b));
    expect(told.at(-1)).toMatchObject({ bytes: FIRST.length + SECOND.length, totalBytes: FIRST.length + SECOND.length });
  });

  test("a second time nothing is fetched, unless it must be", async () => {
    await install();
    asked = [];
    expect([(await install()).fresh, asked]).toEqual([false, []]);
    expect((await install({ force: true })).fresh).toBe(true);
    expect(left()).toHaveLength(1);
  });

  test("it takes the place of another version, and remove takes it away", async () => {
    mkdirSync(join(folder, "linux-x64-cuda-3.0.0", "bins"), { recursive: true });
    mkdirSync(join(folder, "linux-x64-vulkan-3.0.0"), { recursive: true });
    await install();
    expect(left().sort()).toEqual([`linux-x64-cuda-${ENGINE_VERSION}`, "linux-x64-vulkan-3.0.0"]);
    expect([await removeEngine("cuda", around), await removeEngine("cuda", around)]).toEqual([true, false]);
    expect(left()).toEqual(["linux-x64-vulkan-3.0.0"]);
  });

  test("credentials go along where they are asked for", async () => {
    faults = { token: "secret" };
    await expect(install()).rejects.toMatchObject({ code: "engine_install_failed", details: { reason: `${url.host} answered 401` } });
    expect((await install({ settings: { registry: url, authorization: "Bearer secret" } })).fresh).toBe(true);
  });
});

describe("nothing is installed, and nothing left behind, when", () => {
  test.each([
    ["the file is another one", { other: true }, "its checksum differs"],
    ["the file is longer", { longer: true }, "it is longer than"],
    ["the connection is cut", { cut: true }, ""],
    ["the package is not there", { missing: true }, "answered 404"],
  ] as const)("%s", async (_, fault, reason) => {
    faults = fault;
    await expect(install()).rejects.toThrow(new RegExp(`^@node-llama-cpp/linux-x64-cuda could not be installed: .*${reason}`));
    expect(left()).toEqual([]);
  });

  test("it is stopped", async () => {
    const stop = new AbortController();
    const running = install({ signal: stop.signal, onProgress: () => stop.abort() });
    await expect(running).rejects.toMatchObject({ code: "engine_install_failed", details: { reason: "it was stopped" } });
    expect(left()).toEqual([]);
  });

  test("the second package would write over the first", async () => {
    await expect(install({ packages: [described("linux-x64-cuda"), described("linux-x64-cuda")] })).rejects.toThrow("would replace");
    expect(left()).toEqual([]);
  });

  test("the registry cannot be reached", async () => {
    await expect(install({ settings: { registry: new URL("http://127.0.0.1:1/") } })).rejects.toThrow(/ECONNREFUSED|bad port/);
    expect(left()).toEqual([]);
  });

  test("there is no such engine for the machine", async () => {
    const none = installEngine("cuda", {
      around: { ...around, arch: "arm64" },
      onProgress: () => undefined,
      signal: new AbortController().signal,
    });
    await expect(none).rejects.toThrow("there is no cuda engine for linux-arm64");
  });
});

describe("the commands", () => {
  const env = {
    XDG_DATA_HOME: join(root, "data"),
    npm_config_registry: "",
    HTTPS_PROXY: "",
    https_proxy: "",
    HTTP_PROXY: "",
    http_proxy: "",
  };

  test("install asks the registry of .npmrc, and refuses what is not the pinned package", async () => {
    writeFileSync(join(root, ".npmrc"), `registry=${url.href}\n`);
    const { code, stderr } = await shimmy(["engine", "install", "cuda"], { cwd: root, env: { ...env, npm_config_registry: url.href } });
    expect([code, stderr]).toEqual([1, expect.stringContaining("its checksum differs")]);
    expect(asked[0]).toBe(`/npm/@node-llama-cpp/linux-x64-cuda/${ENGINE_VERSION}`);
  });

  test("list shows what is here and what could be, remove says when there is nothing", async () => {
    const list = await shimmy(["engine", "list"], { cwd: root, env });
    expect(list.stdout).toMatch(/cpu +linux-x64 +npm package/);
    expect(list.stdout).toContain("shimmy engine install vulkan");
    const removed = await shimmy(["engine", "remove", "vulkan", "--json"], { cwd: root, env });
    expect(JSON.parse(removed.stdout)).toEqual({ backend: "vulkan", removed: false });
  });

  test("gpu-info tells the processor and what to type for more", async () => {
    const { code, stdout } = await shimmy(["gpu-info"], { cwd: root, env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/cpu \(linux-x64, npm package\)\n {4}CPU: ./);
    expect(stdout).toContain("Models are computed on the processor.");
    expect(stdout).toContain("shimmy engine install vulkan   (27 MB to download)");
  });

  test("an unknown backend is a usage error that names the known ones", async () => {
    const { code, stderr } = await shimmy(["engine", "install", "opencl"], { cwd: root, env });
    expect([code, stderr]).toEqual([2, expect.stringContaining("cuda, vulkan")]);
  });
});
