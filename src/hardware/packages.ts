/**
 * The packages that hold libllama, by platform and backend, with what npm's registry says they hold. Read by engines.ts and install.ts.
 * `integrity` is `dist.integrity` of the registry: nothing is unpacked that differs (docs/updating-llama-cpp.md says how to renew it).
 */
import type { Backend } from "../contract/hardware.ts";

/** Of @node-llama-cpp/*, the same as in package.json; engine/library checks the library itself. */
export const ENGINE_VERSION = "3.21.1";

export interface EnginePackage {
  /** Below @node-llama-cpp/. */
  readonly name: string;
  readonly integrity: string;
  /** Of the packed file. */
  readonly bytes: number;
}

export type GpuBackend = Exclude<Backend, "cpu" | "metal">;

export const GPU_BACKENDS: readonly GpuBackend[] = ["cuda", "vulkan"];

/**
 * What an engine is made of: one package, or two that are unpacked into one folder. The second of CUDA is built for CUDA 12 and used when
 * the first, for CUDA 13, finds no device.
 */
const GPU_PACKAGES: Readonly<Record<string, readonly [EnginePackage, ...EnginePackage[]]>> = {
  "linux-x64-cuda": [
    {
      name: "linux-x64-cuda",
      integrity: "sha512-idsE55VoD/FbvLhnBC9krUJaUoC0XnebseAAnCpm/brKf61HEbu+idgbb5eN6mxkjLSrHtILprJ0nDcUJjVrFg==",
      bytes: 142_850_036,
    },
    {
      name: "linux-x64-cuda-ext",
      integrity: "sha512-1PuURowccBcks3CCoMe1mTHh5vD0V5bFHMUEgtbI/OSDjpP+Pdbn+lf42CGUrepTzR8kCH1HovQ7d8q6/vuIKA==",
      bytes: 176_679_086,
    },
  ],
  "linux-x64-vulkan": [
    {
      name: "linux-x64-vulkan",
      integrity: "sha512-flEeSzONQ6OIm5bYKLQf4eEnBzcC5WugFbyPUwkCqyyOFZ8pH0H9ulQ7ZNDLSIczeKneMRJornlyY1Hq7d3GDA==",
      bytes: 27_476_121,
    },
  ],
  "win-x64-cuda": [
    {
      name: "win-x64-cuda",
      integrity: "sha512-PLz70neFEMkQTlmJqG1ujUtCSgHasLPMxQ9rLkqQVmZYAXqkRj+45TIHCjdn3XqUeaoun0vrO9rRaxZ8NVq9jg==",
      bytes: 138_542_727,
    },
    {
      name: "win-x64-cuda-ext",
      integrity: "sha512-L2MxLVEYPDDe4O8EDWPmX6brldc9+Vt9hNoT/anj3pSnmrjkQcmaoKhHs6oP5qhEhb5Uog0rj6lgzNGtJO3p9Q==",
      bytes: 175_417_684,
    },
  ],
  "win-x64-vulkan": [
    {
      name: "win-x64-vulkan",
      integrity: "sha512-HJ237Azh5m4Sz+w3A1IU/fYLaSDOocskcfn2ILTgqTuuORCB86EMnu3Yt/XsNhRHTtEiwz1Q/E0mO4PLIbZLAA==",
      bytes: 26_619_567,
    },
  ],
};

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
}

/** The package that comes with Shimmy, as optionalDependencies of package.json name it. */
export function basePackage({ platform, arch }: Machine): { readonly name: string; readonly backend: Backend } {
  if (platform === "darwin" && arch === "arm64") return { name: "mac-arm64-metal", backend: "metal" };
  return { name: `${system(platform)}-${arch}`, backend: "cpu" };
}

/** The name of the engine with this backend; whether it exists for the machine is what `packagesOf` tells. */
export function gpuPackage({ platform, arch }: Machine, backend: GpuBackend): string {
  return `${system(platform)}-${arch}-${backend}`;
}

/** The packages of an engine that can be installed; undefined when there is none of that name. */
export function packagesOf(name: string): readonly [EnginePackage, ...EnginePackage[]] | undefined {
  return Object.hasOwn(GPU_PACKAGES, name) ? GPU_PACKAGES[name] : undefined;
}

function system(platform: NodeJS.Platform): string {
  return { darwin: "mac", win32: "win" }[platform as string] ?? platform;
}
