/**
 * Which of a repository's models is pulled, and why. Called by pull.ts. Pure: the caller measures the memory.
 *
 *   a file or quantisation that was named → that one
 *   else the largest of 4 to 8 bits that leaves room for a working context, else any that does, else the smallest there is
 */
import { size } from "../contract/byte-size.ts";
import { ShimmyError } from "../contract/errors.ts";
import { planMemory } from "../models/memory.ts";
import type { HubReference } from "./reference.ts";
import { bitsPerWeight, spelled, type Variant } from "./variants.ts";

export interface Choice {
  readonly variant: Variant;
  /** For people, one line: "Q4_K_M, 4.9 GB: the largest that …". */
  readonly reason: string;
}

/**
 * What is tried, in this order: a context in tokens (8192 holds a conversation with a document in it) and the least bits of a weight.
 * Below four bits a model loses more than half the context is worth.
 */
const TRIED = [
  { context: 8192, leastBits: 4 },
  { context: 4096, leastBits: 4 },
  { context: 8192, leastBits: 0 },
  { context: 2048, leastBits: 0 },
] as const;
const LEAST_CONTEXT = 2048;
/** 16 bits cost twice the memory and time of 8 and no reader tells them apart. */
const MAX_BITS = 9;
/** Layouts for ARM that llama.cpp reads no more: it repacks Q4_0 itself since December 2024. */
const RETIRED = /^Q4_0_\d_\d$/;
const MAX_LISTED = 40;

/** @throws hub_variant_missing, naming what there is. */
export function chooseVariant(reference: HubReference, variants: readonly Variant[], availableBytes: number): Choice {
  const { file, quant } = reference;
  const named = file !== undefined ? withFile(variants, file) : quant !== undefined ? withQuant(variants, quant) : undefined;
  if (named) return { variant: named, reason: `${shown(named)}: as asked for${warning(named, availableBytes)}` };
  if (variants.length === 0 || file !== undefined || quant !== undefined) throw missing(reference, variants);
  return automatic(variants, availableBytes);
}

/**
 * Bytes of KV cache a token needs, before there is a header to read: 45 KiB × √(parameters in 10⁹). It meets Llama 3 (8B: 128 KiB, 70B:
 * 320) and its kin within a fifth and is too high for those with fewer heads.
 */
export function estimatedKvBytesPerToken({ label, bytes }: Variant): number {
  const billions = (bytes * 8) / bitsPerWeight(label) / 1e9;
  return Math.ceil(45 * 1024 * Math.sqrt(billions));
}

function automatic(variants: readonly Variant[], availableBytes: number): Choice {
  const usable = variants.filter(({ label }) => !RETIRED.test(label));
  const small = usable.filter(({ label }) => bitsPerWeight(label) <= MAX_BITS);
  const candidates = small.length > 0 ? small : usable.length > 0 ? usable : variants;
  for (const { context, leastBits } of TRIED) {
    const variant = candidates.findLast(
      (candidate) => bitsPerWeight(candidate.label) >= leastBits && leavesRoom(candidate, context, availableBytes),
    );
    if (!variant) continue;
    const room = `room for a context of ${context} tokens (about ${size(estimatedKvBytesPerToken(variant) * context)}) in the ${size(availableBytes)} of free memory`;
    const which =
      candidates.length === 1
        ? "the only one; it leaves"
        : `the largest${small.length < usable.length && small.length > 0 ? " of 8 bits or less" : ""} that leaves`;
    return { variant, reason: `${shown(variant)}: ${which} ${room}` };
  }
  const [smallest] = candidates;
  return { variant: smallest!, reason: `${shown(smallest!)}: the smallest there is${warning(smallest!, availableBytes)}` };
}

function leavesRoom({ label, bytes, files }: Variant, context: number, availableBytes: number): boolean {
  const kvBytesPerToken = estimatedKvBytesPerToken({ label, bytes, files });
  const plan = planMemory({ fileBytes: bytes, kvBytesPerToken, availableBytes, trainedContext: context, requestedSlots: 1 });
  return plan.fits && plan.contextPerSequence >= context;
}

function warning(variant: Variant, availableBytes: number): string {
  if (leavesRoom(variant, LEAST_CONTEXT, availableBytes)) return "";
  return `; with ${size(availableBytes)} of free memory it may not load`;
}

function withFile(variants: readonly Variant[], file: string): Variant | undefined {
  return variants.find(({ files }) => files.some(({ path }) => path === file));
}

/** By quantisation, by folder, then by the end of the name ("…-it-q4" has none that is known). */
function withQuant(variants: readonly Variant[], quant: string): Variant | undefined {
  const wanted = spelled(quant);
  const same = (text: string) => spelled(text) === wanted;
  return (
    variants.find(({ label }) => same(label)) ??
    variants.find(({ label }) => same(label.replace(/^UD-/, ""))) ??
    variants.find(({ files }) => files[0].path.split("/").slice(0, -1).some(same)) ??
    variants.find(({ files }) => spelled(files[0].path.replace(/\.gguf$/i, "")).endsWith(`_${wanted}`))
  );
}

function missing({ repo, quant, file }: HubReference, variants: readonly Variant[]): ShimmyError {
  const names = variants.map(({ label, bytes, files }) => (file === undefined ? `${label} (${size(bytes)})` : files[0].path));
  const listed = [...new Set(names)];
  const available =
    listed.length === 0 ? "no GGUF model" : listed.slice(0, MAX_LISTED).join(", ") + (listed.length > MAX_LISTED ? ", …" : "");
  return new ShimmyError("hub_variant_missing", { repo, what: file ?? quant ?? "GGUF model", available });
}

function shown({ label, bytes, files }: Variant): string {
  return `${label}, ${size(bytes)}${files.length > 1 ? ` in ${files.length} files` : ""}`;
}
