/**
 * Guesses how a text goes on from the text itself: what followed the last time the same tokens were there ("prompt lookup").
 * Answers that quote, edit or repeat are mostly such continuations. The engine decides whether guesses are worth a computation, the
 * scheduler who may have them: they are computed beside the sequence's own next token. Pure.
 */
import type { Sequence } from "./sequence.ts";

/** Guesses at the next tokens of a sequence, at most `most`. */
export type Propose = (sequence: Sequence, most: number, step: StepSoFar) => readonly number[];

/** How many sequences a step serves, and how many tokens have been drafted for others of them. */
export interface StepSoFar {
  readonly sequences: number;
  readonly drafted: number;
}

interface Room {
  /** Tokens that the step can take besides. */
  readonly room: number;
  readonly cellsPerSequence: number;
  readonly canCut?: boolean;
}

/** More alike is likelier to go on alike. */
const NGRAMS = [3, 2] as const;
/** How far back it looks: a scan of this many tokens takes a few microseconds. */
const REACH = 16_384;

/** Guesses for the sequences of a step, if all of them decode: beside a prompt a step is large already. */
export function draft(
  sequences: readonly Sequence[],
  { room, cellsPerSequence, canCut }: Room,
  propose: Propose,
): Map<Sequence, readonly number[]> {
  const drafts = new Map<Sequence, readonly number[]>();
  if (canCut === false || sequences.some(({ needed }) => needed > 1)) return drafts;
  let drafted = 0;
  for (const sequence of sequences) {
    const { tokens, maxTokens, maxDraft, generated } = sequence;
    // One token is sampled beyond the last draft, and it is the last that fits.
    const most = Math.min(room - drafted, maxDraft, maxTokens - generated - 1, cellsPerSequence - tokens.length);
    if (most <= 0) continue;
    const guesses = propose(sequence, most, { sequences: sequences.length, drafted }).slice(0, most);
    drafts.set(sequence, guesses);
    drafted += guesses.length;
  }
  return drafts;
}

/**
 * The `most` tokens that may come next, or none: those that followed the latest earlier occurrence of the last three tokens, else of
 * the last two; where they reach the end of the text they go round, as the text seems to.
 */
export function lookup(tokens: readonly number[], most: number): number[] {
  for (const length of NGRAMS) {
    const end = latestBefore(tokens, length);
    if (end !== undefined) return Array.from({ length: most }, (_, i) => tokens[end + (i % (tokens.length - end))]!);
  }
  return [];
}

/** Where the latest earlier occurrence of the last `length` tokens ends. */
function latestBefore(tokens: readonly number[], length: number): number | undefined {
  const last = tokens[tokens.length - 1];
  const least = Math.max(length, tokens.length - REACH);
  for (let end = tokens.length - 1; end >= least; end--) {
    if (tokens[end - 1] !== last) continue;
    let alike = 1;
    while (alike < length && tokens[end - 1 - alike] === tokens[tokens.length - 1 - alike]) alike++;
    if (alike === length) return end;
  }
  return undefined;
}
