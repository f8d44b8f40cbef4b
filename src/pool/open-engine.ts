/**
 * From a listed model to a loaded one: its file looked at again, its process started, its template compiled. Called by residents.ts once
 * there is room. It must not know requests or other models.
 */
import type { ChatTemplate } from "../chat/template.ts";
import type { Config } from "../config/table.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { LoadProgress } from "../contract/lifecycle.ts";
import type { ModelInfo, Serving } from "../contract/model.ts";
import type { EngineReady } from "../engine/ipc.ts";
import type { Catalogue } from "../models/catalogue.ts";
import type { MemoryPlan } from "../models/memory.ts";
import type { Logger } from "../telemetry/log.ts";
import type { EngineProcess } from "./engine-process.ts";
import { Pace } from "./pace.ts";
import { type EngineSettings, engineOptions, servingOf } from "./plan.ts";

export interface Loaded {
  /** As its file was when it was loaded. */
  readonly info: ModelInfo;
  readonly process: EngineProcess;
  readonly ready: EngineReady;
  readonly template: ChatTemplate;
  readonly serving: Serving;
  readonly plan: MemoryPlan;
  readonly pace: Pace;
}

export interface OpenOptions {
  readonly catalogue: Catalogue;
  readonly settings: EngineSettings & Pick<Config, "chatTemplateFile">;
  readonly log: Logger;
  /** The engine's bundle; absent: the one beside this code. */
  readonly engineEntry?: string;
  /** What may be planned with, in bytes. */
  readonly availableBytes: number;
  readonly onProgress: (progress: LoadProgress) => void;
  /** Ends the child at once, whatever it does. The reason is thrown. */
  readonly signal: AbortSignal;
}

/** @throws model_load_failed, engine_unavailable, model_not_generative, or the signal's reason; the process has ended then. */
export async function openEngine(listed: ModelInfo, options: OpenOptions): Promise<Loaded> {
  const { catalogue, settings, log, engineEntry, availableBytes, onProgress, signal } = options;
  const { EngineProcess } = await import("./engine-process.ts");
  signal.throwIfAborted();
  // The process starts while its model is looked at.
  onProgress({ phase: "starting", fraction: 0 });
  const process = new EngineProcess(listed.id, engineEntry);
  const kill = () => void process.stop();
  signal.addEventListener("abort", kill);
  try {
    const [info, { ChatTemplate }] = await Promise.all([catalogue.verify(listed), import("../chat/template.ts")]);
    const source = settings.chatTemplateFile ? await readTemplate(settings.chatTemplateFile, info.id) : info.chatTemplate;
    const { options: engine, plan, reason } = engineOptions(info, settings, availableBytes);
    log.info("model loads", { model: info.id, plan: reason });
    const ready = await process.load(engine, onProgress);
    const template = new ChatTemplate({
      ...(source !== undefined && { source }),
      model: info.id,
      family: info.family,
      bosToken: ready.bosText,
      eosToken: ready.eosText,
      controlTokens: ready.controlTexts,
    });
    return { info, process, ready, template, serving: servingOf(engine, ready), plan, pace: new Pace() };
  } catch (error) {
    await process.stop();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

async function readTemplate(path: string, model: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return readFile(path, "utf8").catch((cause) => {
    // Callers hear of it, so the path stays in the cause.
    throw new ShimmyError("model_load_failed", { model, reason: "the configured chat template file cannot be read" }, { cause });
  });
}
