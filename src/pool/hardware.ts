/**
 * What `gpu-info` and GET /api/devices tell: every engine is opened in a process of its own and asked, so that a driver which crashes or
 * hangs does no harm. Made by pool.ts.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { Degraded, Engine, EngineReport, HardwareReport, Installable } from "../contract/hardware.ts";

export interface HardwareOptions {
  readonly engines: readonly Engine[];
  readonly installable: readonly Installable[];
  readonly machine: Pick<HardwareReport, "cores" | "processors" | "memoryBytes" | "availableBytes">;
  readonly degraded: readonly Degraded[];
  /** The engine's bundle; absent: the one beside this code. */
  readonly engineEntry?: string;
}

export async function hardwareReport({ engines, installable, machine, degraded, engineEntry }: HardwareOptions): Promise<HardwareReport> {
  const asked: EngineReport[] = [];
  // One after the other: two drivers at once are what no user has.
  for (const engine of engines) asked.push(await askEngine(engine, engineEntry));
  return { platform: `${process.platform}-${process.arch}`, ...machine, engines: asked, installable, degraded };
}

/** @returns its devices, or why it cannot be used; never throws. */
export async function askEngine(engine: Engine, engineEntry?: string): Promise<EngineReport> {
  const { EngineProcess } = await import("./engine-process.ts");
  const process = new EngineProcess("devices", engineEntry, engine);
  try {
    const { devices, missing } = await process.devices();
    const problem = engine.backend === "cpu" ? undefined : missing;
    return { engine, devices, ...(problem !== undefined && { problem }) };
  } catch (error) {
    const { message, details } = ShimmyError.from(error);
    return { engine, devices: [], problem: typeof details.reason === "string" ? details.reason : message };
  } finally {
    await process.stop();
  }
}
