/** Whether libllama opens, and what there is to compute on beside the processor. Called by checks.ts; every engine was asked in a child. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { HardwareReport } from "../../contract/hardware.ts";
import { type Check, type Finding, fail, pass, warn } from "../check.ts";
import { gigabytes } from "../figures.ts";
import { noexecMountOf } from "./mounts.ts";
import { quoted } from "./places.ts";

/** What the system has of GPUs and their drivers, as files tell it. */
export interface GpuFiles {
  /** Text of /proc/driver/nvidia/version; absent: no NVIDIA driver. */
  readonly nvidia?: string;
  /** Devices of /dev/dri that compute, and whether this user may open them. */
  readonly renderers: ReadonlyArray<{ readonly path: string; readonly allowed: boolean }>;
  /** Whether a Vulkan driver is registered. */
  readonly vulkan: boolean;
}

/** @param packageFolder where koffi, with which libraries are opened, lies below */
export function engineChecks(report: () => Promise<HardwareReport>, packageFolder: string): Check[] {
  const noexec = (folder: string) => noexecMountOf(packageFolder) ?? noexecMountOf(folder);
  return [
    { group: "engine", name: "library", run: async () => judgeLibrary(await report(), noexec) },
    { group: "engine", name: "GPU", run: async () => judgeGpu(await report(), gpuFiles()) },
  ];
}

/** @param noexec the mount point that keeps the libraries of a folder from being opened */
export function judgeLibrary({ engines }: Pick<HardwareReport, "engines">, noexec: (folder: string) => string | undefined): Finding {
  const limit = "≥ 1 opens";
  const good = engines.filter(({ problem }) => problem === undefined).map(({ engine }) => `${engine.name} (${engine.backend})`);
  const bad = engines.filter(({ problem }) => problem !== undefined).map(({ engine, problem }) => `${engine.name}: ${problem}`);
  const shut = engines.flatMap(({ engine, problem }) => (problem === undefined ? [] : (noexec(engine.folder) ?? [])))[0];
  if (shut !== undefined) {
    const measured = [...good, ...bad].join("; ");
    const advice = `No code may be run from ${shut}: it is mounted noexec. Mount it otherwise, or have the engine on another file system.`;
    const more = { limit, command: `sudo mount -o remount,exec ${quoted(shut)}` };
    return good.length > 0 ? warn(measured, advice, more) : fail(measured, advice, more);
  }
  if (good.length > 0)
    return bad.length === 0
      ? pass(good.join(", "), { limit })
      : warn(`${good.join(", ")}; not ${bad.join("; ")}`, "The others are used instead.", { limit, command: "shimmy engine list" });
  if (bad.length === 0)
    return fail(`no engine for ${process.platform}-${process.arch} is installed`, "It is an optional package of npm's.", {
      limit,
      command: "npm install --include=optional",
    });
  // A libc that is too old, or musl, is what usually keeps it from opening.
  return fail(bad.join("; "), "The library needs glibc 2.31 or newer and a libstdc++ of that age.", { limit, command: "ldd --version" });
}

export function judgeGpu({ engines, installable, degraded }: HardwareReport, files: GpuFiles): Finding {
  const [failed] = degraded;
  if (failed) return warn(`${failed.backend} failed: ${failed.reason}`, "It is tried again later.", { command: "shimmy gpu-info" });
  const usable = engines.flatMap(({ devices }) => devices).filter(({ kind }) => kind === "gpu" || kind === "integrated");
  if (usable.length > 0)
    return pass(usable.map(({ name, description, totalBytes }) => `${name}: ${description}, ${gigabytes(totalBytes)}`).join("; "));
  const forbidden = files.renderers.find(({ allowed }) => !allowed);
  const install = (backend: string) => installable.find((each) => each.backend === backend)?.command;
  const broken = engines.find(({ engine, problem }) => engine.backend !== "cpu" && problem !== undefined);
  if (broken) return warn(`${broken.engine.name}: ${broken.problem}`, "Look after its driver.", { command: "shimmy gpu-info" });
  const cuda = install("cuda");
  if (files.nvidia !== undefined && cuda !== undefined)
    return warn(`an NVIDIA GPU (driver ${versionIn(files.nvidia)}), and no engine for it`, "Add it.", { command: cuda });
  if (forbidden)
    return warn(`${forbidden.path} is not for this user`, "Join the group render, and log in anew.", {
      command: "sudo usermod -aG render $USER",
    });
  const vulkan = install("vulkan");
  if (files.renderers.length > 0 && files.vulkan && vulkan !== undefined)
    return warn("a GPU with a Vulkan driver, and no engine for it", "Add it.", { command: vulkan });
  if (files.renderers.length > 0)
    return warn("a GPU without a Vulkan driver", "Install its driver.", { command: "sudo apt-get install mesa-vulkan-drivers" });
  return pass("none: models are computed on the processor");
}

function versionIn(text: string): string {
  return /\b(\d{3}\.\d+(\.\d+)?)\b/.exec(text)?.[1] ?? "of unknown version";
}

function gpuFiles(): GpuFiles {
  const nvidia = textOf("/proc/driver/nvidia/version");
  const renderers = entriesOf("/dev/dri")
    .filter((name) => name.startsWith("renderD"))
    .map((name) => ({ path: join("/dev/dri", name), allowed: mayOpen(join("/dev/dri", name)) }));
  const registered = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"].flatMap(entriesOf);
  return { ...(nvidia !== undefined && { nvidia }), renderers, vulkan: registered.length > 0 };
}

function mayOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function entriesOf(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
