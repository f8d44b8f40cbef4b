/**
 * Brings an engine into Shimmy's data folder, and takes it away again. Called by cli/engine.ts. All or nothing: it is put together beside
 * its place and moved there when it is whole.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { size } from "../contract/byte-size.ts";
import { ShimmyError } from "../contract/errors.ts";
import { type EngineSurroundings, installFolder } from "./engines.ts";
import { type NpmSettings, npmSettings } from "./npm-settings.ts";
import { type EnginePackage, type GpuBackend, gpuPackage, packagesOf } from "./packages.ts";
import { fetchPackage, SCOPE } from "./registry.ts";
import { unpackPackage } from "./tar.ts";

export interface InstallOptions {
  readonly around: EngineSurroundings;
  /** Replaces one that is there. */
  readonly force?: boolean;
  /** Of all its packages together. */
  readonly onProgress: (progress: InstallProgress) => void;
  readonly signal: AbortSignal;
  /** For tests; absent: what npm is set to, and the pinned packages. */
  readonly settings?: NpmSettings;
  readonly packages?: readonly EnginePackage[];
}

export interface InstallProgress {
  readonly phase: "fetching" | "unpacking";
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface Installed {
  readonly name: string;
  readonly folder: string;
  /** False: it was there already. */
  readonly fresh: boolean;
}

/** Packed and unpacked together, as a multiple of what is fetched: the largest was 2.8 (CUDA). */
const DISK_SHARE = 4;

/** @throws engine_install_failed */
export async function installEngine(backend: GpuBackend, options: InstallOptions): Promise<Installed> {
  const { around, force = false } = options;
  const name = gpuPackage(around, backend);
  const packages = options.packages ?? packagesOf(name);
  if (!packages) throw failed(name, `there is no ${backend} engine for ${around.platform}-${around.arch}`);
  const folder = installFolder(name, around);
  if (existsSync(folder) && !force) return { name, folder, fresh: false };
  await mkdir(around.enginesFolder, { recursive: true });
  await checkSpace(name, packages, around.enginesFolder);
  const beside = join(around.enginesFolder, `.${name}-${process.pid}-${randomBytes(4).toString("hex")}`);
  try {
    await assemble(packages, beside, options);
    await rm(folder, { recursive: true, force: true });
    await rename(join(beside, "engine"), folder);
    await removeOthers(name, folder, around);
  } catch (cause) {
    if (cause instanceof ShimmyError) throw cause;
    throw failed(name, (cause as Error).message, cause);
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
  return { name, folder, fresh: true };
}

/** @returns whether it was there. An engine that runs keeps what it has opened, on Windows the removal fails then. */
export async function removeEngine(backend: GpuBackend, around: EngineSurroundings): Promise<boolean> {
  const removed = await removeOthers(gpuPackage(around, backend), undefined, around);
  return removed > 0;
}

async function assemble(
  packages: readonly EnginePackage[],
  beside: string,
  { onProgress, signal, settings }: InstallOptions,
): Promise<void> {
  await mkdir(beside);
  const totalBytes = packages.reduce((sum, { bytes }) => sum + bytes, 0);
  const npm = settings ?? npmSettings(SCOPE);
  let before = 0;
  for (const each of packages) {
    const archive = join(beside, `${each.name}.tgz`);
    onProgress({ phase: "fetching", bytes: before, totalBytes });
    await fetchPackage(each, archive, npm, (bytes) => onProgress({ phase: "fetching", bytes: before + bytes, totalBytes }), signal);
    before += each.bytes;
    onProgress({ phase: "unpacking", bytes: before, totalBytes });
    await unpackInto(archive, beside, each);
  }
}

/** Each into a folder of its own first: the second package of an engine must not write over the first. */
async function unpackInto(archive: string, beside: string, { name }: EnginePackage): Promise<void> {
  const unpacked = join(beside, name);
  await unpackPackage(archive, unpacked);
  await rm(archive);
  const engine = join(beside, "engine");
  if (!existsSync(engine)) return rename(unpacked, engine);
  const [bins] = await readdir(join(unpacked, "bins"));
  if (bins === undefined) throw new Error(`${name} holds no libraries`);
  for (const entry of await readdir(join(unpacked, "bins", bins))) {
    const target = join(engine, "bins", bins, entry);
    if (existsSync(target)) throw new Error(`${name} would replace ${entry}`);
    await rename(join(unpacked, "bins", bins, entry), target);
  }
}

/** Of other versions, which this one cannot load; with `kept` undefined of all. @returns how many there were. */
async function removeOthers(name: string, kept: string | undefined, { enginesFolder }: EngineSurroundings): Promise<number> {
  const entries = existsSync(enginesFolder) ? await readdir(enginesFolder) : [];
  const mine = entries.filter((entry) => entry.startsWith(`${name}-`) && /^\d/.test(entry.slice(name.length + 1)));
  const old = mine.map((entry) => join(enginesFolder, entry)).filter((path) => path !== kept);
  for (const path of old) await rm(path, { recursive: true, force: true });
  return old.length;
}

async function checkSpace(name: string, packages: readonly EnginePackage[], folder: string): Promise<void> {
  const needed = DISK_SHARE * packages.reduce((sum, { bytes }) => sum + bytes, 0);
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= needed) return;
  throw failed(name, `it needs ${size(needed)} of disk space, and ${size(bavail * bsize)} are free`);
}

function failed(name: string, reason: string, cause?: unknown): ShimmyError {
  return new ShimmyError("engine_install_failed", { name, reason }, { cause });
}
