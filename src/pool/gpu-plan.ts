/**
 * The plan of a model for an engine with a GPU: all of it there where it fits with a fair context, else spread. Called by open-engine.ts; the arithmetic is models/memory.ts and models/placement.ts.
 */
import type { Config } from "../config/table.ts";
import type { Device, DeviceUse } from "../contract/hardware.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { MemoryPlan } from "../models/memory.ts";
import { deviceBudget, deviceUses, type PlacementPlan, planPlacement } from "../models/placement.ts";
import type { ModelWeights } from "../models/weights.ts";

export type GpuSettings = Pick<Config, "gpu" | "gpuLayers" | "cpuMoe" | "nCpuMoe">;

/** What there is to place a model on. */
export interface Gpu {
  readonly devices: readonly Device[];
  readonly weights: ModelWeights;
}

export interface GpuPlan {
  readonly plan: MemoryPlan;
  readonly placement: PlacementPlan;
  /** The plan with the part of it that lies in the memory of the machine: what counts against its budget. */
  readonly hostPlan: MemoryPlan;
  /** Those that it may lie on, and what of it does. */
  readonly uses: readonly DeviceUse[];
}

/** A context shorter than this, in tokens, is no price to pay for having all layers on the GPU. */
const FAIR_CONTEXT = 8192;

/** `memory(bytes)` plans context and cells for so much memory, where all of it is paid for at once. */
export function planGpu(
  info: ModelInfo,
  settings: GpuSettings & Pick<Config, "ctx" | "batchTokens">,
  { devices, weights }: Gpu,
  hostBytes: number,
  memory: (availableBytes: number) => MemoryPlan,
): GpuPlan {
  const place = (plan: MemoryPlan) =>
    planPlacement({
      weights,
      devices,
      kvBytesPerToken: plan.kvBytesPerToken,
      kvCells: plan.kvCells,
      batchTokens: settings.batchTokens,
      gpuLayers: settings.gpuLayers,
      cpuMoeLayers: settings.cpuMoe ? Number.POSITIVE_INFINITY : settings.nCpuMoe,
    });
  const uses = (placement: PlacementPlan) => deviceUses(placement, { devices, weights, batchTokens: settings.batchTokens });
  const budget = deviceBudget(devices, weights, settings.batchTokens);
  const onGpu = memory(budget);
  const wanted = settings.ctx > 0 ? settings.ctx : Math.min(info.contextLength, FAIR_CONTEXT);
  const placed = place(onGpu);
  if (placed.whole && onGpu.fits && onGpu.contextPerSequence >= Math.min(wanted, info.contextLength))
    return result(onGpu, placed, uses(placed));
  const spread = memory(hostBytes + budget);
  const partly = place(spread);
  return result(spread, partly, uses(partly));
}

function result(plan: MemoryPlan, placement: PlacementPlan, uses: readonly DeviceUse[]): GpuPlan {
  const kvBytesPerToken = Math.ceil(plan.kvBytesPerToken * placement.hostLayerShare);
  const bytes = placement.hostWeightBytes + plan.kvCells * kvBytesPerToken;
  return { plan, placement, uses, hostPlan: { ...plan, kvBytesPerToken, bytes } };
}
