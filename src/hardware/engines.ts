/**
 * The engines of this machine: those beside Shimmy's own package, those that `shimmy engine install` has fetched, and one that was set.
 * Called before an engine process is started and by the commands; it looks at folders and opens no library.
 */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ShimmyError } from "../contract/errors.ts";
import type { Backend, Engine, Installable } from "../contract/hardware.ts";
import { basePackage, ENGINE_VERSION, GPU_BACKENDS, gpuPackage, type Machine, packagesOf } from "./packages.ts";

export interface EngineSurroundings extends Machine {
  /** Holds a folder `NAME-VERSION` for each installed engine. */
  readonly enginesFolder: string;
  /** The main file of an npm package that can be seen from here, or undefined. */
  readonly resolve: (name: string) => string | undefined;
}

export function hereAndNow(enginesFolder: string): EngineSurroundings {
  const { platform, arch } = process;
  return { platform, arch, enginesFolder, resolve: resolvePackage };
}

/** In the order of preference: the one that was set, CUDA, Vulkan, then what comes with Shimmy. */
export function findEngines(engineDir: string | undefined, around: EngineSurroundings): Engine[] {
  const set = engineDir === undefined ? [] : [customEngine(engineDir)];
  const added = GPU_BACKENDS.map((backend) => addedEngine(gpuPackage(around, backend), backend, around));
  const base = basePackage(around);
  return [...set, ...added, npmEngine(base.name, base.backend, around)].filter((engine) => engine !== undefined);
}

/** What `shimmy engine install` could add. */
export function installable(around: EngineSurroundings): Installable[] {
  return GPU_BACKENDS.flatMap((backend) => {
    const name = gpuPackage(around, backend);
    const packages = packagesOf(name);
    if (!packages || addedEngine(name, backend, around)) return [];
    const downloadBytes = packages.reduce((sum, { bytes }) => sum + bytes, 0);
    return [{ backend, command: `shimmy engine install ${backend}`, downloadBytes }];
  });
}

/** Where `name` is, or would be, installed. */
export function installFolder(name: string, { enginesFolder }: EngineSurroundings): string {
  return join(enginesFolder, `${name}-${ENGINE_VERSION}`);
}

function addedEngine(name: string, backend: Backend, around: EngineSurroundings): Engine | undefined {
  const folder = join(installFolder(name, around), "bins", name);
  return existsSync(folder) ? described(name, backend, folder, "installed") : npmEngine(name, backend, around);
}

function npmEngine(name: string, backend: Backend, { resolve }: EngineSurroundings): Engine | undefined {
  const entry = resolve(`@node-llama-cpp/${name}`);
  for (let folder = entry && dirname(entry); folder !== undefined && folder !== dirname(folder); folder = dirname(folder)) {
    const bins = join(folder, "bins", name);
    if (existsSync(bins)) return described(name, backend, bins, "npm");
  }
  return undefined;
}

/** @throws engine_unavailable: a folder that was named and is not there is never passed over in silence. */
function customEngine(folder: string): Engine {
  if (!existsSync(folder)) throw new ShimmyError("engine_unavailable", { reason: "the folder of --engine-dir is not there" });
  const names = readdirSync(folder).join("\n");
  const backend = (["cuda", "vulkan", "metal"] as const).find((each) => new RegExp(`^(lib)?ggml-${each}\\.`, "m").test(names));
  return described("custom", backend ?? "cpu", folder, "set");
}

function described(name: string, backend: Backend, folder: string, source: Engine["source"]): Engine {
  const fallbackFolder = join(folder, "fallback");
  return { name, backend, folder, source, ...(existsSync(fallbackFolder) && { fallbackFolder }) };
}

function resolvePackage(name: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    return undefined; // not installed
  }
}
