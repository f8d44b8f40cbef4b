/**
 * What an engine is started with: the settings, and the choice where they say "auto". Called by pool.ts for each model. It measures
 * memory and cores, and must not know processes or requests.
 */
import type { Config } from "../config/table.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { Placement } from "../contract/hardware.ts";
import type { ModelInfo, Serving } from "../contract/model.ts";
import type { EngineOptions, EngineReady } from "../engine/ipc.ts";
import { isEncoder } from "../models/architectures.ts";
import { allowedCores, allowedProcessors, availableMemory } from "../models/machine.ts";
import { type MemoryPlan, planMemory } from "../models/memory.ts";
import type { GpuPlan, GpuSettings } from "./gpu-plan.ts";

export type EngineSettings = Pick<
  Config,
  | "ctx"
  | "parallel"
  | "kv"
  | "kvType"
  | "flashAttention"
  | "threads"
  | "batchTokens"
  | "cacheRam"
  | "cacheDir"
  | "cacheDisk"
  | "stepTime"
  | "speculation"
  | "maxQueueTime"
> &
  GpuSettings;

/** A model this small computes a token in less time than threads need to meet (docs/decisions.md). */
const SINGLE_THREAD_BYTES = 16e6;
/** Where nobody said how much memory conversations without a slot may take: as much as the weights, but this at least. */
const LEAST_STORE_BYTES = 128 * 1024 ** 2;
const STORE_SHARE = 1 / 8;
/** What the context for vectors may take. */
const EMBEDDING_BYTES = { share: 1 / 4, least: 256 * 1024 ** 2, most: 4 * 1024 ** 3 };
/** Of models that make vectors only, where nobody said more: longer texts than OpenAI takes are rare, and attention grows with their square. */
const USUAL_EMBEDDING_TOKENS = 8192;

/**
 * @param availableBytes What may be planned with.
 * @param gpu What goes to the GPU of the engine, or that it has one which is not to be used; absent: it has none.
 * @returns the options, the plan of the memory it takes of the machine, and for people what was chosen and why.
 * @throws model_load_failed when the model cannot be served as it was set.
 */
export function engineOptions(
  info: ModelInfo,
  settings: EngineSettings,
  availableBytes = availableMemory(),
  gpu?: GpuPlan | "unused",
): { options: EngineOptions; plan: MemoryPlan; reason: string } {
  if (settings.kvType === "q8_0" && info.kvBytesPerToken > 0 && info.kvQuantizes === false) {
    const reason = "its attention heads are no multiple of 32 wide, which a KV cache of q8_0 (--kv-type) needs";
    throw new ShimmyError("model_load_failed", { model: info.id, reason });
  }
  const placed = gpu === "unused" ? undefined : gpu;
  const plan = placed?.plan ?? memoryPlan(info, settings, availableBytes);
  const threads = threadPlan(info, settings.threads);
  const options: EngineOptions = {
    model: info.id,
    path: info.path,
    slots: plan.slots,
    contextPerSequence: plan.contextPerSequence,
    cells: plan.kvCells,
    unified: plan.unified,
    kvType: plan.kvType,
    flashAttention: settings.flashAttention,
    threads: threads.count,
    // Every slot must be able to decode in each step.
    batchTokens: Math.max(settings.batchTokens, plan.slots),
    storeTokens: storeTokens(info.sizeBytes, plan.kvBytesPerToken, settings.cacheRam),
    stepMs: settings.stepTime,
    queueMs: settings.maxQueueTime,
    speculation: settings.speculation === "auto",
    generates: info.generative,
    embedding: {
      encoder: isEncoder(info.architecture),
      contextTokens: plan.contextPerSequence,
      bytes: Math.min(Math.max(EMBEDDING_BYTES.share * availableBytes, EMBEDDING_BYTES.least), EMBEDDING_BYTES.most),
      kvBytesPerToken: info.kvBytesPerToken,
    },
    ...(placed ? { placement: placementOf(placed.placement) } : gpu && { placement: ON_PROCESSOR }),
    ...(settings.cacheDir !== undefined && { files: { folder: settings.cacheDir, bytes: settings.cacheDisk } }),
  };
  const step = `steps of at most ${options.batchTokens} tokens and about ${options.stepMs} ms`;
  const store = `${options.storeTokens} tokens may be put aside`;
  const where = placed ? [placed.placement.reason] : [];
  if (!info.generative) {
    const longest = `vectors of texts of up to ${plan.contextPerSequence} tokens`;
    return { options, plan: placed?.hostPlan ?? plan, reason: [longest, ...where, threads.reason].join("; ") };
  }
  const parts = [plan.reason, ...where, `flash attention ${settings.flashAttention}`, threads.reason, step, store];
  return { options, plan: placed?.hostPlan ?? plan, reason: parts.join("; ") };
}

/** For an engine that has a GPU which is not to be used. */
const ON_PROCESSOR: Placement = { devices: [], gpuLayers: 0, cpuMoeLayers: 0 };

function placementOf({ devices, gpuLayers, cpuMoeLayers }: Placement): Placement {
  return { devices, gpuLayers, cpuMoeLayers };
}

/** Cells that no token has used take no memory there (llama/fresh-memory.ts). */
export const UNUSED_IS_FREE = process.platform === "linux";

export function memoryPlan(
  info: ModelInfo,
  settings: EngineSettings,
  availableBytes = availableMemory(),
  unusedIsFree = UNUSED_IS_FREE,
): MemoryPlan {
  if (!info.generative) return vectorPlan(info, settings, availableBytes);
  const { ctx, parallel, kv, kvType, flashAttention } = settings;
  return planMemory({
    fileBytes: info.sizeBytes,
    kvBytesPerToken: info.kvBytesPerToken,
    kvType,
    kvQuantizes: info.kvQuantizes === true && flashAttention !== "off",
    availableBytes,
    trainedContext: info.contextLength,
    kvLayout: kv,
    unusedIsFree,
    ...(ctx > 0 && { requestedContext: ctx }),
    ...(parallel > 0 && { requestedSlots: parallel }),
  });
}

/** A model that makes vectors only. What their context takes is told by its engine (`embedding` of engine/ipc.ts), and grows with the texts. */
function vectorPlan(info: ModelInfo, { ctx }: EngineSettings, availableBytes: number): MemoryPlan {
  return planMemory({
    fileBytes: info.sizeBytes,
    kvBytesPerToken: 0,
    availableBytes,
    trainedContext: info.contextLength,
    kvLayout: "unified",
    requestedContext: Math.min(info.contextLength, ctx > 0 ? ctx : USUAL_EMBEDDING_TOKENS),
    requestedSlots: 1,
  });
}

/** For the list of models. */
export function servingOf(options: EngineOptions, { flashAttention }: EngineReady): Serving {
  const { slots, cells, unified, kvType, threads, batchTokens, stepMs, storeTokens, placement } = options;
  return {
    ...(placement && placement.gpuLayers > 0 && { placement }),
    slots,
    kvCells: cells,
    kvUnified: unified,
    kvType,
    flashAttention,
    threads,
    batchTokens,
    stepMs,
    storeTokens,
  };
}

function threadPlan({ sizeBytes }: ModelInfo, set: number): { count: number; reason: string } {
  const cut = cutThreads(set);
  if (cut !== undefined) return { count: cut, reason: `${threadsText(cut)}, all that can run at once here, of ${set} that were set` };
  if (set > 0) return { count: set, reason: `${threadsText(set)} as set` };
  if (sizeBytes < SINGLE_THREAD_BYTES) return { count: 1, reason: "1 thread: more would wait for each other in a model this small" };
  const cores = allowedCores();
  return { count: cores, reason: `${threadsText(cores)}, one a core` };
}

/**
 * What becomes of a --threads that is more than can run at once, as in a file that was written for a larger machine: at every barrier of
 * a step the ones that run spin for those that wait for a processor, and the machine stands still. Undefined: it holds as it is.
 */
export function cutThreads(set: number): number | undefined {
  const most = set > 1 ? allowedProcessors() : 1;
  return set > most ? most : undefined;
}

function threadsText(count: number): string {
  return count === 1 ? "1 thread" : `${count} threads`;
}

function storeTokens(modelBytes: number, kvBytesPerToken: number, set: number | undefined): number {
  const bytes = set ?? Math.min(Math.max(modelBytes, LEAST_STORE_BYTES), STORE_SHARE * availableMemory());
  return kvBytesPerToken === 0 ? 0 : Math.floor(bytes / kvBytesPerToken);
}
