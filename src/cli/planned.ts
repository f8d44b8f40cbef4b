/** A plan from flags: the model is chosen, a server of this Shimmy measured, the resources worked out. Called by `plan` and `init`. */
import { cpus, totalmem } from "node:os";
import { VERSION } from "../assemble.ts";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { HardwareReport } from "../contract/hardware.ts";
import type { CommandLine } from "../deploy/own-server.ts";
import { measure } from "../deploy/plan/measure.ts";
import { type Given, planFor } from "../deploy/plan/planner.ts";
import type { PlanReport } from "../deploy/plan/report.ts";
import { type TrafficFlags, trafficOf } from "../deploy/plan/traffic.ts";
import { allowedCores, availableMemory } from "../models/machine.ts";
import { engineOptions } from "../pool/plan.ts";
import { environmentOf } from "./child-environment.ts";
import { exitOnSignal } from "./ending.ts";
import { openToLoad } from "./open.ts";

/** Stored batches are left alone. */
const SERVE_FLAGS = ["--no-files", "--log-level", "error"] as const;

export interface PlanFlags extends TrafficFlags {
  readonly model?: string;
}

/** @throws invalid_value; model_not_found; not_measured */
export async function makePlan(loaded: LoadedConfig, flags: PlanFlags): Promise<{ report: PlanReport; modelPath: string }> {
  const traffic = trafficOf(flags);
  const { pool } = await openToLoad(loaded);
  const ending = new AbortController();
  const release = exitOnSignal(ending);
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
      commandLine: commandLine(loaded, ending.signal),
      flags: SERVE_FLAGS,
      model: info.id,
      key,
      traffic,
      onStep,
    });
    const { id, sizeBytes, quantization, parameters, contextLength } = info;
    const report: PlanReport = {
      made: new Date().toISOString(),
      shimmy: VERSION,
      machine: machineOf(hardware, loaded),
      model: { id, sizeBytes, quantization, parameters, contextLength },
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

/** This very program, with the same settings. */
function commandLine(loaded: LoadedConfig, signal: AbortSignal): CommandLine {
  return { command: [process.execPath, process.argv[1]!], env: environmentOf(loaded), signal };
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
