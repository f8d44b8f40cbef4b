/** `shimmy gpu-info`: what models can be computed on here, and how to get more. Every driver is asked in a process of its own. */
import { assemble } from "../assemble.ts";
import type { LoadedConfig } from "../config/load.ts";
import { size } from "../contract/byte-size.ts";
import type { Device, EngineReport, HardwareReport, Installable } from "../contract/hardware.ts";
import { printJson } from "./output.ts";

export async function gpuInfo(loaded: LoadedConfig, { json }: { json?: boolean }): Promise<void> {
  const { pool } = assemble(loaded, { logLevel: "error" });
  const report = await pool.hardware.report();
  if (json) printJson({ gpu: loaded.config.gpu, ...report });
  else process.stdout.write(`${text(report, loaded.config.gpu)}\n`);
}

function text({ platform, cores, memoryBytes, availableBytes, engines, installable }: HardwareReport, gpu: string): string {
  const usable = engines.flatMap(({ devices }) => devices).some(({ kind }) => kind === "gpu" || kind === "integrated");
  const lines = [
    `${platform}: ${cores} cores, ${gigabytes(availableBytes)} of ${gigabytes(memoryBytes)} memory available`,
    "",
    "Engines, in the order in which they are tried:",
    ...engines.flatMap(engineLines),
    ...(engines.length === 0 ? ["  none: run `npm install` again without --omit=optional"] : []),
    "",
    usable && !["off", "cpu", "none"].includes(gpu)
      ? `Models are computed on the GPU (--gpu ${gpu}).`
      : "Models are computed on the processor.",
    ...installableLines(installable),
  ];
  return lines.join("\n");
}

function engineLines({ engine, devices, problem }: EngineReport): string[] {
  const own = devices.filter(({ kind }) => engine.backend === "cpu" || kind !== "cpu");
  return [
    `  ${engine.backend} (${engine.name}, ${SOURCES[engine.source]})`,
    ...own.map((device) => `    ${deviceLine(device)}`),
    ...(problem === undefined ? [] : [`    not usable: ${problem}`]),
  ];
}

const SOURCES = { npm: "npm package", installed: "installed by shimmy", set: "--engine-dir" } as const;

function deviceLine({ name, description, kind, freeBytes, totalBytes }: Device): string {
  if (kind === "cpu") return `${name}: ${description}`;
  return `${name}: ${description}, ${gigabytes(freeBytes)} of ${gigabytes(totalBytes)} free${kind === "integrated" ? ", shared with the processor" : ""}`;
}

function installableLines(installable: readonly Installable[]): string[] {
  if (installable.length === 0) return [];
  const lines = installable.map(({ command, downloadBytes }) => `  ${command}   (${size(downloadBytes)} to download)`);
  return ["", "To add a backend:", ...lines];
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
