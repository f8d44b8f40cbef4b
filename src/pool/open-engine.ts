/**
 * From a listed model to a loaded one: its file looked at again, its process started, its template compiled. Called by residents.ts once
 * there is room. It must not know requests or other models.
 */
import type { ChatTemplate } from "../chat/template.ts";
import type { Config } from "../config/table.ts";
import { type ErrorCode, ShimmyError } from "../contract/errors.ts";
import type { DeviceUse } from "../contract/hardware.ts";
import type { LoadProgress } from "../contract/lifecycle.ts";
import type { ModelInfo, Serving } from "../contract/model.ts";
import type { EngineReady } from "../engine/ipc.ts";
import { authorDefaults } from "../models/author-sampling.ts";
import type { Catalogue } from "../models/catalogue.ts";
import type { MemoryPlan } from "../models/memory.ts";
import type { Logger } from "../telemetry/log.ts";
import { abortable } from "./abortable.ts";
import type { Backends, Candidate } from "./backends.ts";
import type { EngineProcess } from "./engine-process.ts";
import type { GpuPlan } from "./gpu-plan.ts";
import { Pace } from "./pace.ts";
import { refuseReplaced } from "./package.ts";
import { type EngineSettings, engineOptions, memoryPlan, servingOf } from "./plan.ts";

export interface Loaded {
  /** As its file was when it was loaded. */
  readonly info: ModelInfo;
  readonly process: EngineProcess;
  readonly ready: EngineReady;
  readonly template: ChatTemplate;
  readonly serving: Serving;
  readonly plan: MemoryPlan;
  readonly pace: Pace;
  /** That its engine may compute on; none: it has no GPU. */
  readonly devices: readonly DeviceUse[];
  readonly candidate: Candidate;
  readonly backends: Backends;
}

export interface OpenOptions {
  readonly catalogue: Catalogue;
  readonly settings: EngineSettings & Pick<Config, "chatTemplateFile">;
  readonly log: Logger;
  readonly backends: () => Promise<Backends>;
  /** The engine's bundle; absent: the one beside this code. */
  readonly engineEntry?: string;
  /** What may be planned with, in bytes. */
  readonly availableBytes: number;
  /** Set for a model that only a GPU can hold: weights beyond so many bytes of the machine's own memory are refused. */
  readonly hostLimitBytes?: number | undefined;
  readonly onProgress: (progress: LoadProgress) => void;
  /** Ends the child at once, whatever it does. The reason is thrown. */
  readonly signal: AbortSignal;
}

/**
 * With the first engine that opens it; those that fail are told to `backends`, except the last one, whose failure is thrown.
 * @throws model_load_failed, engine_unavailable, package_replaced, device_not_found, model_not_generative, or the signal's reason; no process is left then.
 */
export async function openEngine(listed: ModelInfo, options: OpenOptions): Promise<Loaded> {
  const { signal } = options;
  const preparing = prepare(listed, options);
  preparing.catch(() => undefined); // told by whoever opens
  let notFound: unknown;
  const backends = await options.backends();
  for (const candidate of await backends.candidates()) {
    if (notFound !== undefined && !candidate.usesGpu) break;
    try {
      return await openWith({ candidate, backends }, listed, preparing, options);
    } catch (error) {
      const { code, details, message } = ShimmyError.from(error);
      if (signal.aborted) throw error;
      if (code === "device_not_found") notFound = error;
      // What cannot be opened by any engine is no engine's fault.
      else if (candidate.last || !ENGINE_FAULTS.has(code) || (await failed(preparing))) throw error;
      else backends.failed(candidate, typeof details.reason === "string" ? details.reason : message);
    }
  }
  throw notFound;
}

const ENGINE_FAULTS: ReadonlySet<ErrorCode> = new Set(["model_load_failed", "engine_unavailable", "engine_gone"]);

/** What is known of the model before an engine sees it. */
interface Prepared {
  readonly info: ModelInfo;
  readonly source: string | undefined;
  readonly ChatTemplate: typeof ChatTemplate;
}

async function prepare(listed: ModelInfo, { catalogue, settings }: OpenOptions): Promise<Prepared> {
  const [info, { ChatTemplate }] = await Promise.all([catalogue.verify(listed), import("../chat/template.ts")]);
  const source = settings.chatTemplateFile ? await readTemplate(settings.chatTemplateFile, info.id) : info.chatTemplate;
  return { info, source, ChatTemplate };
}

/** How it is opened this time. */
type Way = Pick<Loaded, "candidate" | "backends">;

async function openWith(
  { candidate, backends }: Way,
  listed: ModelInfo,
  preparing: Promise<Prepared>,
  options: OpenOptions,
): Promise<Loaded> {
  const { settings, log, engineEntry, availableBytes, onProgress, signal } = options;
  const { EngineProcess } = await import("./engine-process.ts");
  signal.throwIfAborted();
  refuseReplaced();
  // The process starts while its model is looked at.
  onProgress({ phase: "starting", fraction: 0 });
  const process = new EngineProcess(listed.id, engineEntry, candidate.engine);
  const kill = () => void process.stop();
  signal.addEventListener("abort", kill);
  try {
    // Its content may have to be read, which takes as long as it takes.
    const { info, source, ChatTemplate } = await abortable(preparing, signal);
    const gpu = await gpuOf({ candidate, backends }, info, process, options);
    const { options: engine, plan, reason } = engineOptions(info, settings, availableBytes, gpu);
    if (options.hostLimitBytes !== undefined) refuseLargeRest(info.id, plan, options.hostLimitBytes);
    log.info("model loads", { model: info.id, engine: candidate.engine?.name, plan: reason });
    warnOfDefaults(info, log);
    const ready = await process.load(engine, onProgress);
    const template = new ChatTemplate({
      ...(source !== undefined && { source }),
      model: info.id,
      family: info.family,
      bosToken: ready.bosText,
      eosToken: ready.eosText,
      controlTokens: ready.controlTexts,
    });
    const devices = typeof gpu === "object" ? gpu.uses : [];
    return { info, process, ready, template, serving: servingOf(engine, ready), plan, pace: new Pace(), devices, candidate, backends };
  } catch (error) {
    await process.stop();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

function warnOfDefaults(info: ModelInfo, log: OpenOptions["log"]): void {
  const { ignored } = authorDefaults(info);
  if (ignored.length > 0)
    log.warn("sampling defaults of the model are out of range and ignored", { model: info.id, ignored: ignored.join(", ") });
}

/** What goes to the engine's GPU. @throws engine_unavailable when it should have one and has not; device_not_found */
async function gpuOf(
  { candidate: { engine, usesGpu }, backends }: Way,
  info: ModelInfo,
  process: EngineProcess,
  { settings, availableBytes }: OpenOptions,
): Promise<GpuPlan | "unused" | undefined> {
  if (engine === undefined || engine.backend === "cpu") return undefined;
  if (!usesGpu) return "unused";
  const [{ readWeights }, { planGpu }] = await Promise.all([import("../models/weights.ts"), import("./gpu-plan.ts")]);
  const [told, weights] = await Promise.all([process.devices(), readWeights(info.path)]);
  if (told.missing !== undefined) throw new ShimmyError("engine_unavailable", { reason: told.missing });
  const gpu = { devices: backends.choose(told.devices), weights };
  return planGpu(info, settings, gpu, availableBytes, (bytes) => memoryPlan(info, settings, bytes, false));
}

/** @throws model_no_room */
function refuseLargeRest(model: string, { bytes, kvCells, kvBytesPerToken }: MemoryPlan, limit: number): void {
  const rest = bytes - kvCells * kvBytesPerToken;
  const [need_mib, budget_mib] = [rest, limit].map((n) => Math.ceil(n / 1024 ** 2));
  const reason = "so much of it is left for the memory of the machine";
  if (rest > limit) throw new ShimmyError("model_no_room", { model, need_mib, budget_mib, reason });
}

async function failed(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => false,
    () => true,
  );
}

/** @throws model_load_failed */
export async function readTemplate(path: string, model: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return readFile(path, "utf8").catch((cause) => {
    // Callers hear of it, so the path stays in the cause.
    throw new ShimmyError("model_load_failed", { model, reason: "the configured chat template file cannot be read" }, { cause });
  });
}
