/**
 * How many layers of a model go to the GPU, and whose experts stay behind. Called by the pool when an engine has told its devices. Pure.
 *
 * libllama places whole layers, the last ones first: gpuLayers n means the output and the last n − 1 layers; a layer's keys and values lie
 * where it lies. A mixture of experts gives up experts first, for a token uses few of them: attention and cache stay on the GPU.
 *
 *   processor │ embeddings, blk.0 … │ blk.k … blk.last, output │ GPU          experts of blk.0 … blk.(m−1) │ processor
 */
import type { Device, DeviceUse, Placement } from "../contract/hardware.ts";
import { megabytes } from "./memory.ts";
import type { ModelWeights } from "./weights.ts";

export interface PlacementQuestion {
  readonly weights: ModelWeights;
  /** Of all layers together, and the cells of all sequences. */
  readonly kvBytesPerToken: number;
  readonly kvCells: number;
  /** Those that may be used, with what is free of their memory. */
  readonly devices: readonly Device[];
  /** Tokens of one step. */
  readonly batchTokens: number;
  /** As set; absent: as many as fit. */
  readonly gpuLayers?: number | undefined;
  /** Layers whose experts stay on the processor, as set; absent: as few as necessary. Infinity is all. */
  readonly cpuMoeLayers?: number | undefined;
}

export interface PlacementPlan extends Placement {
  /** On the devices: weights and KV cells, without compute buffers. */
  readonly gpuBytes: number;
  /** Weights on the processor, and the part of the layers, hence of the cells, that is there. */
  readonly hostWeightBytes: number;
  readonly hostLayerShare: number;
  /** Everything that can be on the devices is. */
  readonly whole: boolean;
  /** For people, one line. */
  readonly reason: string;
}

/** Largest number of tokens that libllama computes at a time (n_ubatch). */
const MICRO_BATCH = 512;
/**
 * Rows of the model's width that a step keeps besides the logits: an estimate on the safe side (some 400 MiB for a model of 8 billion
 * parameters and 128 thousand tokens). Not yet compared with a real GPU.
 */
const COMPUTE_ROWS = 24;
/** For the driver, the display and what ggml rounds up. */
const DEVICE_RESERVE = { least: 192 * 1024 ** 2, share: 0.04 } as const;

/** What a step needs on a device for its intermediate results, in bytes. */
export function computeBytes({ vocabulary, width }: ModelWeights, batchTokens: number): number {
  return 4 * Math.min(batchTokens, MICRO_BATCH) * (vocabulary + COMPUTE_ROWS * width);
}

/** Bytes of weights and cells that the devices can hold together. */
export function deviceBudget(devices: readonly Device[], weights: ModelWeights, batchTokens: number): number {
  const compute = computeBytes(weights, batchTokens);
  return devices.reduce((sum, { freeBytes, totalBytes }) => {
    const reserve = Math.max(DEVICE_RESERVE.least, DEVICE_RESERVE.share * totalBytes);
    // A small device (an emulated one of a test) is not all reserve.
    return sum + Math.max(0, freeBytes - compute - Math.min(reserve, freeBytes / 4));
  }, 0);
}

export function planPlacement(question: PlacementQuestion): PlacementPlan {
  const { weights, devices, batchTokens, gpuLayers, cpuMoeLayers } = question;
  const count = weights.layers.length;
  const most = count + 1;
  const moe = weights.layers.some(({ expertBytes }) => expertBytes > 0);
  const budget = deviceBudget(devices, weights, batchTokens);
  const fits = (layers: number, experts: number) => bytesOnGpu(question, layers, experts) <= budget;
  const setExperts = cpuMoeLayers === undefined ? undefined : moe ? Math.min(cpuMoeLayers, count) : 0;
  const choices = { layers: gpuLayers === undefined ? undefined : Math.min(gpuLayers, most), experts: setExperts };

  const experts = choices.experts ?? (moe ? leastFrom(0, count, (n) => fits(choices.layers ?? most, n)) : 0);
  const layers = choices.layers ?? most - leastFrom(0, most, (n) => fits(most - n, experts));
  const plan = { layers, experts, gpuBytes: bytesOnGpu(question, layers, experts) };
  return described(question, plan, budget);
}

/** Which device holds how much of a plan. libllama cuts a model by what is free on each (llama_model_load, tensor_split). */
export function deviceUses(
  { gpuLayers, gpuBytes }: Pick<PlacementPlan, "gpuLayers" | "gpuBytes">,
  { devices, weights, batchTokens }: Pick<PlacementQuestion, "devices" | "weights" | "batchTokens">,
): DeviceUse[] {
  const free = devices.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
  const compute = computeBytes(weights, batchTokens);
  return devices.map((device) => {
    const share = free > 0 ? device.freeBytes / free : 1 / devices.length;
    return { ...device, heldBytes: gpuLayers === 0 ? 0 : Math.ceil(gpuBytes * share + compute) };
  });
}

/** The smallest n for which it holds, or `to`. */
function leastFrom(from: number, to: number, holds: (n: number) => boolean): number {
  for (let n = from; n < to; n++) if (holds(n)) return n;
  return to;
}

function bytesOnGpu({ weights, kvBytesPerToken, kvCells }: PlacementQuestion, gpuLayers: number, cpuMoeLayers: number): number {
  const { layers, outputBytes } = weights;
  if (gpuLayers === 0) return 0;
  const first = Math.max(0, layers.length + 1 - gpuLayers);
  const kvPerLayer = (kvBytesPerToken * kvCells) / Math.max(1, layers.length);
  const placed = layers.reduce((sum, { bytes, expertBytes }, layer) => {
    if (layer < first) return sum;
    return sum + bytes - (layer < cpuMoeLayers ? expertBytes : 0) + kvPerLayer;
  }, 0);
  return Math.ceil(placed + outputBytes);
}

function described(
  question: PlacementQuestion,
  { layers, experts, gpuBytes }: { layers: number; experts: number; gpuBytes: number },
  budget: number,
): PlacementPlan {
  const { weights, devices, gpuLayers } = question;
  const count = weights.layers.length;
  const hostLayers = Math.min(count, count + 1 - layers);
  const names = devices.map(({ name }) => name).join(" + ");
  const whole = layers === count + 1 && experts === 0;
  const room = `${megabytes(gpuBytes)} of the ${megabytes(budget)} there`;
  const how = gpuLayers === undefined ? "" : " as set";
  const parts = [
    layers === 0
      ? `no layer fits ${names} (${megabytes(budget)} usable)${how}`
      : `${Math.min(layers, count + 1)} of ${count + 1} layers on ${names}${how} (${room})`,
    ...(experts > 0 && layers > 0 ? [`experts of the first ${experts} layers on the processor`] : []),
    ...(gpuBytes > budget ? ["more than is thought to fit"] : []),
  ];
  return {
    devices: layers === 0 ? [] : devices.map(({ name }) => name),
    gpuLayers: layers,
    cpuMoeLayers: layers === 0 ? 0 : experts,
    gpuBytes,
    hostWeightBytes: weights.inputBytes + hostWeights(weights, hostLayers, experts) + (layers === 0 ? weights.outputBytes : 0),
    hostLayerShare: count === 0 ? 0 : hostLayers / count,
    whole,
    reason: parts.join("; "),
  };
}

function hostWeights({ layers }: ModelWeights, hostLayers: number, cpuMoeLayers: number): number {
  return layers.reduce((sum, { bytes, expertBytes }, layer) => {
    if (layer < hostLayers) return sum + bytes;
    return sum + (layer < cpuMoeLayers ? expertBytes : 0);
  }, 0);
}
