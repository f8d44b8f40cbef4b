/**
 * The child process: one loaded model. Forked by pool/engine-process.ts; what it is told and what it answers is ipc.ts.
 * Whatever goes wrong in native code ends this process only. Arguments: the process id of the gateway, then the folder
 * of its library and the one to fall back on; without folders: those of the platform package.
 */
import { createHash } from "node:crypto";
import { ShimmyError } from "../contract/errors.ts";
import type { Placement } from "../contract/hardware.ts";
import { LlamaContext } from "../llama/context.ts";
import { missingDeviceReason } from "../llama/devices.ts";
import { library } from "../llama/library.ts";
import { LlamaModel } from "../llama/model.ts";
import { endWithParent } from "../llama/parent-death.ts";
import { LLAMA_VERSION } from "../llama/structs.ts";
import { CellFiles, fingerprint } from "./cell-files.ts";
import { type AskMessage, BUILD, type EngineOptions, type EngineReady, type EngineState, type FromEngine, type ToEngine } from "./ipc.ts";
import { EngineLoop } from "./loop.ts";
import { Questions } from "./questions.ts";
import { FEW_SEQUENCES, Speculation } from "./speculation.ts";

/** A load tells how far it is no more often. */
const PROGRESS_EVERY_MS = 100;

const send = (message: FromEngine) => process.send!(message);
send({ type: "hello", build: BUILD });

const [gateway, folder, fallbackFolder] = process.argv.slice(2);
// Before anything that takes long: a step of minutes sees no closed channel.
if (!endWithParent(Number(gateway))) process.exit(0);

/** Absent: the model makes vectors only. */
let loop: EngineLoop | undefined;
let questions: Questions | undefined;
let generating = false;

process.on("message", (message: ToEngine) => {
  if (message.type === "load") load(message.options);
  else if (message.type === "devices") tellDevices();
  else if (message.type === "generate") loop!.generate(message);
  else if (message.type === "ask") ask(message);
  else if (message.type === "abort") {
    loop?.abort(message.id);
    questions?.abort(message.id);
  } else void end();
});
// The gateway is gone, orderly or not: nobody reads the answers any more.
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole process group; only the gateway decides when an engine ends.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);

// The gateway still reads the model's header: time to open the library. What goes wrong is told when a model is to be loaded.
setImmediate(() => {
  try {
    library(folder, fallbackFolder);
  } catch (error) {
    process.emitWarning(error as Error);
  }
});

/** Slots are the loop's; all else is asked of the model. */
function ask(message: AskMessage): void {
  const { id, question } = message;
  if (question.kind === "slots") send({ type: "answer", id, answer: { kind: "slots", slots: loop?.slots() ?? [] } });
  else questions!.ask({ ...message, question });
}

function tellDevices(): void {
  try {
    const { devices, folder: own } = library(folder, fallbackFolder);
    const list = devices.list();
    const missing = list.some(({ kind }) => kind === "gpu" || kind === "integrated")
      ? undefined
      : missingDeviceReason(fallbackFolder === undefined ? [own] : [own, fallbackFolder]);
    send({ type: "devices", devices: list, ...(missing !== undefined && { missing }) });
  } catch (error) {
    fail(error instanceof ShimmyError ? error : new ShimmyError("engine_unavailable", { reason: String(error) }));
  }
}

function load(options: EngineOptions): void {
  try {
    const startedAt = performance.now();
    library(folder, fallbackFolder); // it may not have been opened yet
    const { placement } = options;
    const model = LlamaModel.load(options.path, options.model, { onProgress: tellWeights(), ...(placement && { placement }) });
    if (options.generates && !model.generative) throw new ShimmyError("model_not_generative", { model: options.model, what: "an encoder" });
    send({ type: "loading", phase: "context", fraction: 1 });
    questions = questionsFor(model, options);
    if (!options.generates) {
      readyForQuestions(model, questions, { startedAt, placement });
      return;
    }
    const context = LlamaContext.create(model, options.model, {
      cells: options.cells,
      sequences: options.slots,
      unified: options.unified,
      kvType: options.kvType,
      flashAttention: options.flashAttention,
      threads: options.threads,
      batchTokens: options.batchTokens,
    });
    const contextPerSequence = Math.min(options.contextPerSequence, context.cellsPerSequence);
    const files = options.files && cellFiles(options, context, options.files);
    const { storeTokens, stepMs, queueMs } = options;
    const limits = {
      contextTokens: contextPerSequence,
      ...{ storeTokens, stepMs, queueMs },
      fixedThreads: (placement?.gpuLayers ?? 0) > 0,
      ...(options.speculation && { speculation: new Speculation(options.unified ? FEW_SEQUENCES : 1) }),
      ...(files && { files }),
    };
    loop = new EngineLoop(model, context, limits, (output) => {
      generating = output.running + output.waiting > 0;
      send({ type: "events", ...output, ...(output.state && { state: { ...output.state, ...memoryOf(placement) } }) });
    });
    const { flashAttention } = context;
    const loadMs = performance.now() - startedAt;
    send({
      type: "ready",
      ...describe(model),
      contextPerSequence,
      flashAttention,
      state: { ...loop.state, ...memoryOf(placement) },
      loadMs,
    });
    loop.prepareWhileIdle();
  } catch (error) {
    fail(error instanceof ShimmyError ? error : new ShimmyError("model_load_failed", { model: options.model, reason: String(error) }));
  }
}

function questionsFor(model: LlamaModel, { generates, embedding, threads, placement, queueMs, stepMs }: EngineOptions): Questions {
  const fixedThreads = (placement?.gpuLayers ?? 0) > 0;
  const options = { ...embedding, generates, threads, fixedThreads, queueMs, stepMs, generating: () => generating };
  return new Questions(model, options, send);
}

const NOTHING_GENERATED: EngineState = {
  cellsUsed: 0,
  storedTokens: 0,
  storedBytes: 0,
  threads: 0,
  stepTokens: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
};

interface Load {
  readonly startedAt: number;
  readonly placement: Placement | undefined;
}

function readyForQuestions(model: LlamaModel, { limit }: Questions, { startedAt, placement }: Load): void {
  const loadMs = performance.now() - startedAt;
  const state = { ...NOTHING_GENERATED, ...memoryOf(placement) };
  send({ type: "ready", ...describe(model), contextPerSequence: limit, flashAttention: "auto", state, loadMs });
}

/** Asked with a state, so once a second at most: CUDA needs some microseconds for it. */
function memoryOf(placement: Placement | undefined): Pick<EngineState, "devices"> {
  if (placement === undefined || placement.devices.length === 0) return {};
  const known = library(folder, fallbackFolder).devices.list();
  const devices = known.filter(({ name }) => placement.devices.includes(name));
  return { devices: devices.map(({ name, freeBytes, totalBytes }) => ({ name, freeBytes, totalBytes })) };
}

function fail({ code, details }: ShimmyError): void {
  process.send!({ type: "failed", code, details } satisfies FromEngine, () => process.exit(1));
}

/** Messages go out in the middle of the native call: the channel is written to at once as long as it takes them. */
function tellWeights(): (fraction: number) => void {
  let toldAt = performance.now();
  return (fraction) => {
    const now = performance.now();
    if (now - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = now;
    send({ type: "loading", phase: "weights", fraction });
  };
}

async function end(): Promise<void> {
  await loop?.persist();
  process.exit(0);
}

function cellFiles(
  { path, slots, unified, cells, kvType, model }: EngineOptions,
  { flashAttention }: LlamaContext,
  { folder, bytes }: { folder: string; bytes: number },
): CellFiles {
  try {
    // Everything that decides whether a saved state fits: libllama does not check the first two itself.
    const key = createHash("sha256")
      .update(JSON.stringify([fingerprint(path), LLAMA_VERSION, kvType, flashAttention, unified, slots, cells]))
      .digest("hex");
    return new CellFiles(folder, key, bytes);
  } catch (cause) {
    throw new ShimmyError("model_load_failed", { model, reason: "the folder of --cache-dir cannot be used" }, { cause });
  }
}

function describe(model: LlamaModel): Pick<EngineReady, "vocabSize" | "bosText" | "eosText" | "controlTexts"> {
  return {
    vocabSize: model.vocabSize,
    bosText: model.bosText,
    eosText: model.eosText,
    controlTexts: model.controlTexts(),
  };
}
