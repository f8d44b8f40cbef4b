/** `shimmy engine list|install|remove`: the GPU engines, which are no part of the package because they are large. */

import { enginesFolder } from "../assemble.ts";
import { size } from "../contract/byte-size.ts";
import type { GpuBackend } from "../hardware/packages.ts";
import { printJson, printTable } from "./output.ts";

interface Flags {
  json?: boolean;
  force?: boolean;
}

export async function listEngines({ json }: Flags): Promise<void> {
  const { findEngines, hereAndNow, installable } = await import("../hardware/engines.ts");
  const around = hereAndNow(enginesFolder());
  const engines = findEngines(undefined, around);
  const more = installable(around);
  if (json) return printJson({ engines, installable: more });
  printTable([
    ["BACKEND", "ENGINE", "FROM", "FOLDER"],
    ...engines.map(({ backend, name, source, folder }) => [backend, name, source === "npm" ? "npm package" : "installed", folder]),
    ...more.map(({ backend, command, downloadBytes }) => [backend, size(downloadBytes), "not installed", command]),
  ]);
}

export async function installEngine(backend: GpuBackend, { json, force }: Flags): Promise<void> {
  const { hereAndNow, findEngines } = await import("../hardware/engines.ts");
  const { installEngine: install } = await import("../hardware/install.ts");
  const around = hereAndNow(enginesFolder());
  const progress = new ProgressLine();
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once("SIGINT", onSignal);
  try {
    const installed = await install(backend, {
      around,
      signal: stop.signal,
      onProgress: (now) => progress.tell(now),
      ...(force && { force }),
    });
    progress.end();
    const engine = findEngines(undefined, around).find(({ name }) => name === installed.name);
    // Whether it works here is what the user wants to know now.
    const { askEngine } = await import("../pool/hardware.ts");
    const report = engine && (await askEngine(engine));
    const devices = report?.devices.filter(({ kind }) => kind === "gpu" || kind === "integrated") ?? [];
    if (json) return printJson({ ...installed, devices, ...(report?.problem !== undefined && { problem: report.problem }) });
    process.stdout.write(`${installed.name} ${installed.fresh ? "is installed" : "was installed already"} in ${installed.folder}\n`);
    for (const { name, description } of devices) process.stdout.write(`found ${name}: ${description}\n`);
    if (devices.length === 0)
      process.stderr.write(`no GPU can be used yet: ${report?.problem ?? "the engine was not found"}\n${DRIVERS[backend]}\n`);
  } finally {
    progress.end();
    process.off("SIGINT", onSignal);
  }
}

const DRIVERS: Readonly<Record<GpuBackend, string>> = {
  cuda: "CUDA needs NVIDIA's driver and the CUDA 12 or 13 runtime (libcudart, libcublas). `shimmy gpu-info` shows when it is found.",
  vulkan:
    "Vulkan needs the loader (libvulkan1) and a driver of your GPU (mesa-vulkan-drivers or the vendor's). `shimmy gpu-info` shows when it is found.",
};

export async function removeEngine(backend: GpuBackend, { json }: Flags): Promise<void> {
  const { hereAndNow } = await import("../hardware/engines.ts");
  const { removeEngine: remove } = await import("../hardware/install.ts");
  const removed = await remove(backend, hereAndNow(enginesFolder()));
  if (json) printJson({ backend, removed });
  else process.stdout.write(removed ? `the ${backend} engine is removed\n` : `no ${backend} engine was installed by shimmy\n`);
}

/** One line that changes on a terminal; elsewhere a line at each tenth. */
class ProgressLine {
  readonly #startedAt = performance.now();
  #tenth = -1;
  #shown = false;

  tell({ phase, bytes, totalBytes }: { phase: string; bytes: number; totalBytes: number }): void {
    const tenth = Math.floor((10 * bytes) / totalBytes);
    if (!process.stderr.isTTY && tenth === this.#tenth) return;
    this.#tenth = tenth;
    const rate = bytes / Math.max(1, performance.now() - this.#startedAt) / 1000;
    const left = rate > 0 ? `, ${Math.ceil((totalBytes - bytes) / 1e6 / rate)} s left` : "";
    const line = `${phase} ${Math.round(bytes / 1e6)} of ${Math.round(totalBytes / 1e6)} MB (${rate.toFixed(1)} MB/s${left})`;
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
    this.#shown = process.stderr.isTTY;
  }

  end(): void {
    if (this.#shown) process.stderr.write("\n");
    this.#shown = false;
  }
}
