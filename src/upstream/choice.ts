/**
 * Which upstream a request goes to: the one that has its prefix in its cache, unless that one is much busier than the least busy. Pure;
 * called by generator.ts and asking.ts.
 *
 * The affine one is found by weighted rendezvous hashing: each pair of prefix and upstream has a number, the largest wins. So an upstream
 * that comes or goes moves only the prefixes that are its own, and nobody keeps a table.
 */
import { createHash } from "node:crypto";
import type { GenerationRequest, Prompt } from "../contract/generation.ts";
import { UpstreamFailure } from "./failure.ts";

export interface Candidate {
  readonly name: string;
  /** How much it can do beside the others. */
  readonly weight: number;
  /** Requests it works on for us. */
  readonly inFlight: number;
}

/** An upstream is much busier when it works on this part more requests a weight of 1, or on so many more as `slackOf` says. */
const SLACK_PART = 0.25;

/**
 * How many requests more the affine one may work on: one, where it would save the reading of earlier turns or of a long text. A short
 * question is read anew sooner than a place in an uneven load is made good.
 */
export function slackOf({ prompt }: Pick<GenerationRequest, "prompt">): 0 | 1 {
  switch (prompt.kind) {
    case "chat": {
      const isLater = prompt.messages.some(({ role }) => role === "assistant");
      return isLater || prompt.messages.some(({ content }) => content.length > PREFIX_CHARACTERS) ? 1 : 0;
    }
    case "text":
      return prompt.text.length > PREFIX_CHARACTERS ? 1 : 0;
    case "tokens":
      return prompt.tokens.length > PREFIX_TOKENS ? 1 : 0;
    case "infill":
      return prompt.prefix.length > PREFIX_CHARACTERS ? 1 : 0;
  }
}

/** @param key of `prefixKey`. @param slack of `slackOf`. @returns undefined: there is none */
export function choose<C extends Candidate>(candidates: readonly C[], key: string, slack = 0): C | undefined {
  const ranked = candidates.map((candidate) => ({ candidate, load: loadOf(candidate), rank: rankOf(candidate, key) }));
  ranked.sort((a, b) => b.rank - a.rank);
  const [affine] = ranked;
  if (!affine) return undefined;
  // Of equally busy ones that of the higher rank: a prefix that overflows goes to the same second place each time.
  const least = ranked.reduce((best, each) => (each.load < best.load ? each : best));
  return affine.load > least.load + Math.max(slack, least.load * SLACK_PART) ? least.candidate : affine.candidate;
}

/** What a request that nobody could be asked for fails with. */
export const NONE_REACHED = new UpstreamFailure("unreachable", "none of them can be reached");

interface Admitting extends Candidate {
  readonly breaker: { admits(inFlight: number): boolean };
  readonly isLast: boolean;
}

/** Of those that were not tried and may be asked. */
export function next<U extends Admitting, M extends { readonly upstream: U }>(
  members: readonly M[],
  tried: ReadonlySet<U>,
  key: string,
  slack = 0,
): M | undefined {
  const free = members.filter(({ upstream }) => !tried.has(upstream) && upstream.breaker.admits(upstream.inFlight));
  const upstreams = free.map(({ upstream }) => upstream);
  // Those that are about to end are the last resort.
  const staying = upstreams.filter(({ isLast }) => !isLast);
  const chosen = choose(staying.length > 0 ? staying : upstreams, key, slack);
  return free.find(({ upstream }) => upstream === chosen);
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
