/** What `shimmy doctor` says of what it saw, and the next command to type. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { HardwareReport } from "../../contract/hardware.ts";
import { type GpuFiles, judgeGpu, judgeLibrary } from "./engines.ts";
import { judgeAddresses, judgeClock, judgeFiles } from "./limits.ts";
import { judgeStores, judgeWritable } from "./models.ts";
import { noexecMountIn } from "./mounts.ts";
import { judgeProxies } from "./network.ts";
import { grant, judgeDisk, judgeFolder, judgeRoom, quoted } from "./places.ts";
import { featuresOf, flagsIn, judgeProcessor, variantFor } from "./processor.ts";
import { judgeNode, judgeSettings } from "./program.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-doctor-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const engine = { name: "linux-x64", backend: "cpu", folder: "/e", source: "npm" } as const;
const cuda = { ...engine, name: "linux-x64-cuda", backend: "cuda" } as const;
const hardware = (more: Partial<HardwareReport> = {}): HardwareReport => ({
  platform: "linux-x64",
  cores: 2,
  processors: 2,
  memoryBytes: 1e9,
  availableBytes: 1e9,
  engines: [{ engine, devices: [] }],
  installable: [
    { backend: "cuda", command: "shimmy engine install cuda", downloadBytes: 1 },
    { backend: "vulkan", command: "shimmy engine install vulkan", downloadBytes: 1 },
  ],
  degraded: [],
  ...more,
});

describe("the engine", () => {
  test("opens, one of two opens, none opens, none is there", () => {
    const open = () => undefined;
    const problem = "version `GLIBC_2.38' not found";
    const judged = [
      judgeLibrary({ engines: [{ engine, devices: [] }] }, open),
      judgeLibrary(
        {
          engines: [
            { engine: cuda, devices: [], problem },
            { engine, devices: [] },
          ],
        },
        open,
      ),
      judgeLibrary({ engines: [{ engine, devices: [], problem }] }, open),
      judgeLibrary({ engines: [] }, open),
      judgeLibrary({ engines: [{ engine, devices: [], problem }] }, () => "/a place"),
    ];
    expect(judged.map(({ verdict, command }) => [verdict, command])).toEqual([
      ["pass", undefined],
      ["warn", "shimmy engine list"],
      ["fail", "ldd --version"],
      ["fail", "npm install --include=optional"],
      ["fail", "sudo mount -o remount,exec '/a place'"],
    ]);
    expect(judged[2]!.measured).toContain("GLIBC_2.38");
  });

  test("GPU: the command that brings it into use", () => {
    const none: GpuFiles = { renderers: [], vulkan: false };
    const renderer = (allowed: boolean) => ({ renderers: [{ path: "/dev/dri/renderD128", allowed }], vulkan: true });
    const gpu = { name: "CUDA0", description: "RTX", kind: "gpu", freeBytes: 1, totalBytes: 8e9 } as const;
    const degraded = [{ backend: "cuda", engine: "e", reason: "lost", retryAfterSeconds: 60 }] as const;
    const judged = [
      judgeGpu(hardware(), none),
      judgeGpu(hardware({ engines: [{ engine: cuda, devices: [gpu] }] }), none),
      judgeGpu(hardware(), { ...none, nvidia: "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu" }),
      judgeGpu(hardware(), renderer(false)),
      judgeGpu(hardware(), renderer(true)),
      judgeGpu(hardware(), { ...renderer(true), vulkan: false }),
      judgeGpu(hardware({ degraded }), none),
    ];
    expect(judged.map(({ verdict, command }) => [verdict, command])).toEqual([
      ["pass", undefined],
      ["pass", undefined],
      ["warn", "shimmy engine install cuda"],
      ["warn", "sudo usermod -aG render $USER"],
      ["warn", "shimmy engine install vulkan"],
      ["warn", "sudo apt-get install mesa-vulkan-drivers"],
      ["warn", "shimmy gpu-info"],
    ]);
    expect(judged[2]!.measured).toContain("550.54.14");
  });
});

describe("the processor", () => {
  const haswell = "sse4_2 avx f16c fma avx2 bmi2".split(" ");
  const skylake = [...haswell, ..."avx512f avx512cd avx512vl avx512dq avx512bw".split(" ")];
  const all = ["x64", "sse42", "sandybridge", "haswell", "skylakex", "icelake", "zen4", "alderlake", "sapphirerapids"];
  const variant = (flags: readonly string[]) => variantFor(featuresOf(new Set(flags)), all);

  test("ggml's build is the one with the most of what the processor can", () => {
    expect([[], ["sse4_2", "avx"], haswell, [...haswell, "avx_vnni"], skylake].map(variant)).toEqual([
      "x64",
      "sandybridge",
      "haswell",
      "alderlake",
      "skylakex",
    ]);
    const zen4 = [...skylake, "avx512vbmi", "avx512_bf16", "avx512_vnni", "avx_vnni"];
    expect([zen4, [...zen4, "amx_tile", "amx_int8"]].map(variant)).toEqual(["zen4", "sapphirerapids"]);
  });

  test("without AVX2 it warns, without any build that fits it fails", () => {
    const files = ["libggml-cpu-x64.so", "libggml-cpu-haswell.so", "libggml.so"];
    const judged = [
      judgeProcessor(new Set(haswell), "x64", files),
      judgeProcessor(new Set(["sse4_2"]), "x64", files),
      judgeProcessor(new Set(["sse4_2"]), "x64", ["libggml-cpu-haswell.so"]),
      judgeProcessor(flagsIn("Features\t: fp asimd i8mm\n"), "arm64", []),
    ];
    expect(judged.map(({ verdict }) => verdict)).toEqual(["pass", "warn", "fail", "pass"]);
    expect(judged[0]!.measured).toContain("ggml's build: haswell");
    expect(judged[3]!.measured).toBe("arm64: asimd, i8mm");
  });
});

describe("folders", () => {
  test("what will be made is fine, what was named must be there", () => {
    const path = join(folder, "a", "b");
    expect(judgeFolder({ what: "data", path, use: "write" })).toMatchObject({
      verdict: "pass",
      measured: `${path} (made when it is needed)`,
    });
    expect(judgeFolder({ what: "models", path, use: "read" })).toMatchObject({ verdict: "fail", command: `mkdir -p ${path}` });
  });

  test("a file where a folder should be", () => {
    const path = join(folder, "file");
    writeFileSync(path, "");
    expect(judgeFolder({ what: "data", path: join(path, "shimmy"), use: "write" })).toMatchObject({
      verdict: "fail",
      measured: `${path} is a file`,
    });
  });

  test.skipIf(process.platform === "win32")("the home of many a system user: nobody is told to move a device away", () => {
    const found = judgeFolder({ what: "data", path: "/dev/null/.local/share/shimmy", use: "write" });
    expect(found).toMatchObject({ verdict: "fail", measured: "/dev/null is no folder" });
    expect(JSON.stringify(found)).not.toContain("mv ");
  });

  test.skipIf(process.getuid?.() === 0)("one that this user may not write (skipped for root, who may)", () => {
    const path = join(folder, "locked");
    mkdirSync(path);
    chmodSync(path, 0o500);
    expect(judgeFolder({ what: "data", path, use: "write" })).toMatchObject({ verdict: "fail", command: `chmod u+rwx ${path}` });
  });

  test("of what is another's, only Shimmy's own folder is taken over, never one above it", () => {
    // /proc belongs to root, and nobody may write there.
    const commands = (["write", "read"] as const).map((use) => grant({ path: "/proc/shimmy", use }, "/proc"));
    const root = process.getuid?.() === 0;
    expect(commands).toEqual(
      root ? ["chmod u+rwx /proc", "chmod u+rx /proc"] : ["sudo install -d -o $USER /proc/shimmy", "sudo chmod o+rx /proc"],
    );
  });

  test("one on a full disk", () => {
    const data = { what: "data", path: folder, use: "write", variable: "XDG_DATA_HOME" } as const;
    const found = judgeFolder(data);
    expect([20e6, 19e6].map((free) => judgeRoom(found, data, free).verdict)).toEqual(["pass", "fail"]);
    expect(judgeRoom(found, data, 0)).toMatchObject({
      measured: `0.0 MB free at ${folder}`,
      advice: expect.stringContaining("XDG_DATA_HOME"),
    });
  });

  test("the disk", () => {
    expect([20e9, 5e9, 0.5e9].map((free) => judgeDisk("/d", free).verdict)).toEqual(["pass", "warn", "fail"]);
    expect(quoted("/a b/it's")).toBe(`'/a b/it'\\''s'`);
  });
});

test("limits of a process, and the clock", () => {
  const files = (soft: string) =>
    judgeFiles(`Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}                 4096  files\n`).verdict;
  expect(["unlimited", "1024", "1023", "64"].map(files)).toEqual(["pass", "pass", "warn", "fail"]);
  const addresses = (soft: string) => judgeAddresses(`Max address space         ${soft}            unlimited            bytes\n`).verdict;
  expect(["unlimited", "64000000000", "1500000000"].map(addresses)).toEqual(["pass", "warn", "fail"]);
  const installed = Date.UTC(2026, 5);
  const clocks = [installed, Date.UTC(2026, 4, 31, 12), Date.UTC(2026, 0)].map((now) => judgeClock(now, installed).verdict);
  expect([...clocks, judgeClock(0, 0).verdict]).toEqual(["pass", "pass", "fail", "fail"]);
});

test("mounts: the deepest one that holds the folder counts, and of two at one place the later", () => {
  const line = (point: string, options: string) => `1 2 0:3 / ${point} ${options},relatime shared:1 - tmpfs tmpfs rw`;
  const table = [
    line("/", "rw"),
    line("/opt/my\\040place", "rw,noexec"),
    line("/opt/my\\040place/in", "rw"),
    line("/d", "rw,noexec"),
    line("/d", "rw"),
  ];
  const at = (path: string) => noexecMountIn(table.join("\n"), path);
  expect([at("/opt/my place"), at("/opt/my place/a"), at("/opt/my place/in/a"), at("/opt/my placed"), at("/d/x"), at("/")]).toEqual([
    "/opt/my place",
    "/opt/my place",
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("proxies: this machine must be left out of them, and their passwords are not told", () => {
  expect(judgeProxies({}).verdict).toBe("pass");
  const proxy = { HTTPS_PROXY: "http://me:secret@proxy:3128" };
  expect(judgeProxies(proxy)).toMatchObject({ verdict: "warn", measured: "HTTPS_PROXY=http://***@proxy:3128" });
  expect(judgeProxies({ ...proxy, no_proxy: "localhost, 127.0.0.1" }).verdict).toBe("pass");
});

test("Node, settings, stores, permissions", () => {
  expect(["20.18.9", "20.19.0", "24.0.0", "18.20.0"].map((version) => judgeNode(version).verdict)).toEqual([
    "fail",
    "pass",
    "pass",
    "fail",
  ]);
  expect(judgeSettings({ warnings: [], problem: "a.yaml: unknown key 'x'" })).toMatchObject({ verdict: "fail", command: "shimmy config" });
  expect(judgeSettings({ warnings: ["SHIMMY_X is not a setting"] }).verdict).toBe("warn");
  expect(
    judgeStores({
      stores: [
        { label: "ollama", exists: true, models: 2 },
        { label: "jan", exists: false, models: 0 },
      ],
    }).measured,
  ).toBe("ollama (2 models)");
  expect(judgeWritable({ writable: ["/m/a.gguf", "/m"] })).toMatchObject({ verdict: "warn", command: "chmod o-w /m/a.gguf" });
});
