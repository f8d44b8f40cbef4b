/**
 * How much context a model is served with, and how its KV cache is laid out. Called by the pool before it starts an engine.
 * Pure: the caller measures the memory (`machine.ts`).
 *
 * Separate streams are 3–10 % faster for unrelated sequences and compute each as if it were alone, but reserve slots × context; the
 * unified pool is elastic (docs/decisions.md). Hence `auto`: separate while the reservation fits, else one pool. Where cells that no
 * token has used take no memory, all of the reservation may be had; elsewhere it is paid for at once and must be small.
 */
import type { KvType } from "../contract/model.ts";

export interface MemoryQuestion {
  /** Of all its files: the weights, read or mapped. */
  readonly fileBytes: number;
  /** With F16 keys and values; 0 for recurrent models, whose state does not grow. */
  readonly kvBytesPerToken: number;
  /** Absent: f16. "auto" is q8_0 where only that holds the context that was asked for. */
  readonly kvType?: "auto" | KvType;
  /** Whether "auto" may choose q8_0. */
  readonly kvQuantizes?: boolean;
  readonly availableBytes: number;
  /** Tokens. */
  readonly trainedContext: number;
  /** Tokens one request may use, if it was set. */
  readonly requestedContext?: number;
  /** Sequences at once, if it was set. */
  readonly requestedSlots?: number;
  /** Cells that were never written take no memory and no time (llama/fresh-memory.ts). */
  readonly unusedIsFree?: boolean;
  /** Absent: auto. */
  readonly kvLayout?: "auto" | "separate" | "unified";
}

export interface MemoryPlan {
  /** Tokens one request may use. */
  readonly contextPerSequence: number;
  readonly slots: number;
  readonly unified: boolean;
  /** What libllama is asked for as n_ctx: of all slots together. */
  readonly kvCells: number;
  readonly kvType: KvType;
  /** Of the chosen type. */
  readonly kvBytesPerToken: number;
  /** Weights and KV cache. */
  readonly bytes: number;
  /** False: not even the least fits; the plan is that least. */
  readonly fits: boolean;
  /** For people, one line. */
  readonly reason: string;
}

const DEFAULT_SLOTS = 16;
/** LLAMA_MAX_SEQ. */
const MAX_SLOTS = 256;
/** libllama pads the cells of a stream to this. */
const CELL_STEP = 256;
const LEAST_CELLS = 512;
const POOL_CELLS = 32_768;
/** Fewer separate slots than this are no match for a pool that all can use. */
const LEAST_SEPARATE_SLOTS = 4;
/** What may be reserved where it is paid for at once. */
const PAID_MAX_BYTES = 512 * 1024 * 1024;
const PAID_SHARE = 0.15;
/** Of what is left after the weights: the rest is for compute buffers and for everybody else. */
const KV_SHARE = 0.5;

/** An engine without its model and cache: Node, libllama, compute buffers (docs/decisions.md). */
const ENGINE_BYTES = 96 * 1024 * 1024;
/** A conversation of usual length: what a model is expected to use of a reservation that is free until it is used. */
const EXPECTED_TOKENS = 4096;

/** ggml's Q8_0: 32 values of a byte and a scale of two, for 64 bytes of F16. */
const Q8_0_SHARE = 34 / 64;

/**
 * What a model is counted with against the memory budget, in bytes: weights, KV cells, what was put aside, the engine itself.
 * @param used Cells that hold something and bytes put aside, as far as known: 0 before it is loaded.
 */
export function residentCost(
  { bytes, kvCells, kvBytesPerToken }: Pick<MemoryPlan, "bytes" | "kvCells" | "kvBytesPerToken">,
  used: { readonly cells: number; readonly storedBytes: number },
  unusedIsFree: boolean,
): number {
  const unused = unusedIsFree ? Math.max(0, kvCells - Math.max(EXPECTED_TOKENS, used.cells)) : 0;
  return bytes - unused * kvBytesPerToken + used.storedBytes + ENGINE_BYTES;
}

/** A plan for cells of one type: all but the type itself. */
type TypedPlan = Omit<MemoryPlan, "kvType" | "kvBytesPerToken">;

export function planMemory(question: MemoryQuestion): MemoryPlan {
  const { kvType, kvQuantizes = false, requestedContext = 0 } = question;
  if (kvType !== "auto") return planTyped(question, kvType ?? "f16", kvType && "as set");
  const plan = planTyped(question, "f16");
  if (!kvQuantizes || plan.contextPerSequence >= requestedContext) return plan;
  const why = `with f16 no more than ${plan.contextPerSequence} of the ${requestedContext} tokens asked for would fit`;
  const smaller = planTyped(question, "q8_0", why);
  return smaller.fits && smaller.contextPerSequence >= requestedContext ? smaller : plan;
}

function planTyped(question: MemoryQuestion, kvType: KvType, why?: string | undefined): MemoryPlan {
  const kvBytesPerToken = kvType === "q8_0" ? Math.ceil(question.kvBytesPerToken * Q8_0_SHARE) : question.kvBytesPerToken;
  const plan = planLayout({ ...question, kvBytesPerToken });
  return { ...plan, kvType, kvBytesPerToken, reason: `${plan.reason}; KV cache in ${kvType}${why === undefined ? "" : `: ${why}`}` };
}

function planLayout(question: MemoryQuestion): TypedPlan {
  const { kvBytesPerToken, availableBytes, trainedContext, requestedContext, requestedSlots, unusedIsFree } = question;
  const context = requestedContext ?? trainedContext;
  const slots = Math.min(requestedSlots ?? DEFAULT_SLOTS, MAX_SLOTS);
  const wantedCells = padded(context) * (requestedSlots === undefined ? Math.min(slots, LEAST_SEPARATE_SLOTS) : slots);
  const paid = unusedIsFree ? 0 : padded(context) * slots * kvBytesPerToken;
  const comfortable = wantedCells <= cellsThatFit(question) && paid <= Math.min(PAID_MAX_BYTES, PAID_SHARE * availableBytes);
  const unified = question.kvLayout === "unified" || (question.kvLayout !== "separate" && !comfortable);
  return unified ? planUnified(question, context, slots) : planSeparate(question, context, slots);
}

function planUnified(question: MemoryQuestion, context: number, wantedSlots: number): TypedPlan {
  const fit = cellsThatFit(question);
  const wanted = padded(Math.max(context, Math.min(4 * context, POOL_CELLS)));
  const cells = Math.max(Math.min(wanted, fit), Math.min(LEAST_CELLS, padded(context)));
  // Each sequence should have room for at least one step of cells; a number that was set is kept.
  const slots = question.requestedSlots === undefined ? clamp(Math.floor(cells / CELL_STEP), 1, wantedSlots) : wantedSlots;
  const layout = `one pool of ${cells} cells (${megabytes(cells * question.kvBytesPerToken)}) for ${slots} sequences`;
  return plan(question, { contextPerSequence: Math.min(context, cells), slots, unified: true, kvCells: cells }, layout, cells <= fit);
}

function planSeparate(question: MemoryQuestion, context: number, wantedSlots: number): TypedPlan {
  const fit = cellsThatFit(question);
  // A number of slots that was set is kept and the context pays; else a context pays with slots.
  const slots = question.requestedSlots === undefined ? clamp(Math.floor(fit / padded(context)), 1, wantedSlots) : wantedSlots;
  const least = Math.min(LEAST_CELLS, padded(context));
  const cellsPerSlot = Math.max(Math.min(padded(context), roundedDown(fit / slots)), least);
  const kvCells = slots * cellsPerSlot;
  const layout = `${slots} separate streams of ${cellsPerSlot} cells (${megabytes(kvCells * question.kvBytesPerToken)})`;
  return plan(question, { contextPerSequence: Math.min(context, cellsPerSlot), slots, unified: false, kvCells }, layout, kvCells <= fit);
}

function plan(
  question: MemoryQuestion,
  shape: Pick<MemoryPlan, "contextPerSequence" | "slots" | "unified" | "kvCells">,
  layout: string,
  fits: boolean,
): TypedPlan {
  const { requestedContext, trainedContext, fileBytes, kvBytesPerToken, availableBytes } = question;
  const notes = [layout];
  const wanted = requestedContext ?? trainedContext;
  if (shape.contextPerSequence < wanted) {
    const whose = requestedContext === undefined ? "trained" : "asked for";
    notes.push(
      `context ${shape.contextPerSequence} instead of the ${wanted} ${whose}: no more fits ${megabytes(availableBytes)} available`,
    );
  } else if (wanted > trainedContext) {
    notes.push(`context ${wanted} as asked for, beyond the ${trainedContext} of training`);
  }
  if (!fits) notes.push("even that may not fit");
  return { ...shape, bytes: fileBytes + shape.kvCells * kvBytesPerToken, fits, reason: notes.join("; ") };
}

function cellsThatFit({ availableBytes, fileBytes, kvBytesPerToken }: MemoryQuestion): number {
  if (kvBytesPerToken === 0) return Number.MAX_SAFE_INTEGER;
  return roundedDown((KV_SHARE * Math.max(0, availableBytes - fileBytes)) / kvBytesPerToken);
}

function padded(cells: number): number {
  return Math.ceil(cells / CELL_STEP) * CELL_STEP;
}

function roundedDown(cells: number): number {
  return Math.floor(cells / CELL_STEP) * CELL_STEP;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
