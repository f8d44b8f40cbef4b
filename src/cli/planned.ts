/** A plan from flags: the model is chosen, a server of this Shimmy measured, the resources worked out. Called by `plan` and `init`. */
import { cpus, totalmem } from "node:os";
import { VERSION } from "../assemble.ts";
import type { LoadedConfig } from "../config/load.ts";
import { SETTING_KEYS, SETTINGS, type SettingKey } from "../config/table.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { HardwareReport } from "../contract/hardware.ts";
import { measure } from "../deploy/plan/measure.ts";
import { type Given, planFor } from "../deploy/plan/planner.ts";
import type { PlanReport } from "../deploy/plan/report.ts";
import { type TrafficFlags, trafficOf } from "../deploy/plan/traffic.ts";
import type { CommandLine } from "../deploy/validate/cli-access.ts";
import { allowedCores, availableMemory } from "../models/machine.ts";
import { engineOptions } from "../pool/plan.ts";
import { endOnSignal } from "./ending.ts";
import { openHere } from "./open.ts";

export interface PlanFlags extends TrafficFlags {
  readonly model?: string;
}

/** @throws invalid_value; model_not_found; not_measured */
export async function makePlan(loaded: LoadedConfig, flags: PlanFlags): Promise<{ report: PlanReport; modelPath: string }> {
  const traffic = trafficOf(flags);
  const { pool } = await openHere(loaded);
  const ending = new AbortController();
  const release = endOnSignal(ending);
  try {
    const { info } = await pool.resolve(flags.model ?? "", { strict: flags.model !== undefined, wants: "text" });
    if (!info.generative) throw new ShimmyError("model_not_generative", { model: info.id });
    const { options, plan } = engineOptions(info, loaded.config);
    const given: Given = {
      kvBytesPerToken: plan.kvBytesPerToken,
      storeBytes: options.storeTokens * plan.kvBytesPerToken,
      threads: options.threads,
      availableBytes: availableMemory(),
    };
    const hardware = await pool.hardware.report();
    const [key] = [...loaded.config.apiKey, ...loaded.config.strictKeys];
    const onStep = (what: string) => void process.stderr.write(`${what} …\n`);
    const measured = await measure({
      commandLine: commandLine(ending.signal),
      flags: serveFlags(loaded),
      model: info.id,
      key,
      traffic,
      onStep,
    });
    const { id, sizeBytes, quantization, parameters } = info;
    const report: PlanReport = {
      made: new Date().toISOString(),
      shimmy: VERSION,
      machine: machineOf(hardware, loaded),
      model: { id, sizeBytes, quantization, parameters },
      traffic,
      given,
      measured,
      plan: planFor(measured, given, traffic),
    };
    return { report, modelPath: info.path };
  } finally {
    release();
    await pool.stop();
  }
}

/** This very program. */
function commandLine(signal: AbortSignal): CommandLine {
  return { command: [process.execPath, process.argv[1]!], env: process.env, signal };
}

/** The environment and the file are the child's too; what was typed has to be said again. Stored batches are left alone. */
function serveFlags(loaded: LoadedConfig): readonly string[] {
  const typed = SETTING_KEYS.filter((key) => loaded.sources[key].from === "flag").flatMap((key) => flagOf(key, loaded));
  const file = loaded.file === undefined ? [] : ["--config", loaded.file];
  return ["--no-files", "--log-level", "error", ...file, ...typed];
}

function flagOf(key: SettingKey, { config }: LoadedConfig): readonly string[] {
  const { flag, kind, commands } = SETTINGS[key];
  if (flag === undefined || !commands.includes("serve") || key === "logLevel") return [];
  const value = config[key];
  if (kind.type === "boolean") return [value ? `--${flag}` : `--no-${flag}`];
  return [`--${flag}`, kind.format(value)];
}

function machineOf({ platform, engines, installable }: HardwareReport, { config }: LoadedConfig): PlanReport["machine"] {
  const devices = engines.flatMap((engine) => engine.devices).filter(({ kind }) => kind === "gpu" || kind === "integrated");
  return {
    platform,
    processor: cpus()[0]?.model.trim() || process.arch,
    cores: allowedCores(),
    memoryBytes: totalmem(),
    availableBytes: availableMemory(),
    node: process.version,
    gpus: [...new Set(devices.map(({ description }) => description))],
    usesGpu: devices.length > 0 && !["off", "cpu", "none"].includes(config.gpu),
    installable: installable.map(({ command }) => command),
  };
}
