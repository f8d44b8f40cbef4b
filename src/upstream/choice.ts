/**
 * Which upstream a request goes to: the one that has its prefix in its cache, unless that one is much busier than the least busy. Pure;
 * called by generator.ts.
 *
 * The affine one is found by weighted rendezvous hashing: each pair of prefix and upstream has a number, the largest wins. So an upstream
 * that comes or goes moves only the prefixes that are its own, and nobody keeps a table.
 */
import { createHash } from "node:crypto";
import type { GenerationRequest, Prompt } from "../contract/generation.ts";

export interface Candidate {
  readonly name: string;
  /** How much it can do beside the others. */
  readonly weight: number;
  /** Requests it works on for us. */
  readonly inFlight: number;
}

/** An upstream is much busier when it works on so many more requests a weight of 1, or on this part more. */
const SLACK_REQUESTS = 1;
const SLACK_PART = 0.25;

/** @param key of `prefixKey`. @returns undefined: there is none */
export function choose<C extends Candidate>(candidates: readonly C[], key: string): C | undefined {
  const ranked = candidates.map((candidate) => ({ candidate, load: loadOf(candidate), rank: rankOf(candidate, key) }));
  ranked.sort((a, b) => b.rank - a.rank);
  const [affine] = ranked;
  if (!affine) return undefined;
  // Of equally busy ones that of the higher rank: a prefix that overflows goes to the same second place each time.
  const least = ranked.reduce((best, each) => (each.load < best.load ? each : best));
  return affine.load > least.load + Math.max(SLACK_REQUESTS, least.load * SLACK_PART) ? least.candidate : affine.candidate;
}

function loadOf({ inFlight, weight }: Candidate): number {
  return inFlight / weight;
}

/** −weight / ln(u) of an even u between 0 and 1 (Schindelhauer and Schomaker 2005): each wins as often as its weight says. */
function rankOf({ name, weight }: Candidate, key: string): number {
  const bits = createHash("sha256").update(`${key}\n${name}`).digest().readUIntBE(0, 6);
  return -weight / Math.log((bits + 1) / (2 ** 48 + 1));
}

/** Characters of a text that count: enough to tell conversations apart. */
const PREFIX_CHARACTERS = 1024;
const PREFIX_TOKENS = 256;

/** What requests that share the beginning of their prompts have in common, through all turns of a conversation. */
export function prefixKey({ prompt }: Pick<GenerationRequest, "prompt">): string {
  return createHash("sha256")
    .update(JSON.stringify(beginningOf(prompt)))
    .digest("base64");
}

function beginningOf(prompt: Prompt): readonly unknown[] {
  switch (prompt.kind) {
    case "chat": {
      // Instructions alone would send everybody of one application to one upstream; the first question tells conversations apart.
      const first = prompt.messages.findIndex(({ role }) => role !== "system" && role !== "developer");
      return prompt.messages.slice(0, first + 1 || undefined).map(({ content }) => content.slice(0, PREFIX_CHARACTERS));
    }
    case "text":
      return [prompt.text.slice(0, PREFIX_CHARACTERS)];
    case "tokens":
      return prompt.tokens.slice(0, PREFIX_TOKENS);
    case "infill":
      return [prompt.prefix.slice(0, PREFIX_CHARACTERS)];
  }
}
