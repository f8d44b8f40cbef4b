/**
 * Whether computing guessed tokens beside the next one is worth it, and how many (scheduler/draft.ts guesses). Asked and told by
 * loop.ts. Pure: times are handed in.
 *
 * Where a grammar leaves no choice, what it demands is drafted instead: that is no guess, for it is taken without a draw.
 * How often guesses are right costs nothing to know: each sampled token is compared with the guess, computed or not. What a guessed
 * tokens cost is measured whenever some are computed, for each number of them: two may cost twice a plain step and eight only three
 * times (a CPU multiplies by one column and by several in different ways). This knowledge fades, so they are tried again. And
 * whatever these two promise, a ledger holds the balance of time won and lost, in plain steps: once it is spent nothing is
 * drafted until the allowance, a small share of all steps, has filled it again. So a loss cannot grow beyond that share.
 */
import { lookup, type StepSoFar } from "../scheduler/draft.ts";
import type { Plan } from "../scheduler/scheduler.ts";
import type { Sequence } from "../scheduler/sequence.ts";

/** More sequences than this fill a step by themselves. */
export const FEW_SEQUENCES = 4;
/** Drafted tokens of a step: guesses of all sequences together, and demanded ones of each. */
const MOST = 15;
const MOST_DEMANDED = 12;
/** How far a guess reaches: it is kept as long as it is right. */
const LOOKAHEAD = 64;
/** A rate of tokens must promise so much more than that of plain steps. */
const WORTH_IT = 1.05;
/** Of the weights of earlier guesses, at each new one. */
const FADING = 0.92;
/** Before anything is known: rarely right, so that a few must have been right before one is computed. */
const PRIOR = { right: 0.1, tried: 1.2 } as const;
const SMOOTHING = 0.2;
/** Plain steps before the first drafts, so that there is something to compare with, and drafting steps until the next plain one. */
const PLAIN_FIRST = 8;
const DRAFTING_AT_MOST = 32;
/** What a drafted token is hoped to cost before it was measured, as a share of what each sequence costs in a plain step. */
const HOPED_COST = 0.2;
/** How much of that hope returns with each plain step. */
const FORGETTING = 0.0005;
/** In plain steps: what may be lost at first and after any gain, and what is granted with each step. */
const CREDIT = 3;
const ALLOWANCE = 0.005;

export interface StepEffort {
  /** From its beginning to the last sampled token. */
  readonly ms: number;
  readonly threads: number;
}

interface Guess {
  tokens: readonly number[];
  /** How many of them came true. */
  passed: number;
  /** Fading sums over the tokens that were guessed. */
  right: number;
  tried: number;
}

/** What steps of so many sequences take. */
interface Pace {
  plainMs: number;
  plainSteps: number;
  draftingInARow: number;
  /** How much longer they take with so many drafted tokens, in plain steps: by that number, where it is known. */
  readonly costs: Map<number, number>;
}

export class Speculation {
  readonly #guesses = new Map<number, Guess>();
  /** By number of sequences. */
  #paces = new Map<number, Pace>();
  #threads = 0;
  #credit = CREDIT;
  readonly #few: number;
  /** In all, for the metrics. */
  drafted = 0;
  accepted = 0;

  /**
   * `few`: nothing is drafted beside more sequences. With separate streams that must be 1: libllama computes streams together only if
   * each has as many tokens, so a draft of one of them costs all a second pass.
   */
  constructor(few = FEW_SEQUENCES) {
    this.#few = few;
  }

  /**
   * Guesses that are worth computing beside what the step has already; none when they are not.
   * @param demanded asked for the tokens that a grammar leaves no choice about.
   */
  propose(
    { key, tokens }: Pick<Sequence, "key" | "tokens">,
    most: number,
    step: StepSoFar,
    demanded: () => readonly number[] = () => [],
  ): readonly number[] {
    if (step.sequences > this.#few) return [];
    const needed = demanded();
    if (needed.length > 0) return needed.slice(0, this.#worthwhile(1, Math.min(most, needed.length, MOST_DEMANDED), step));
    const guess = this.#guessOf(key);
    if (guess.passed === guess.tokens.length) {
      guess.tokens = lookup(tokens, LOOKAHEAD);
      guess.passed = 0;
    }
    const known = guess.tokens.length - guess.passed;
    const acceptance = (guess.right + PRIOR.right) / (guess.tried + PRIOR.tried);
    const count = this.#worthwhile(acceptance, Math.min(most, known, Math.floor(MOST / step.sequences)), step);
    return guess.tokens.slice(guess.passed, guess.passed + count);
  }

  /** The token that came next, guessed or not. */
  follow(key: number, token: number): void {
    const guess = this.#guesses.get(key);
    if (!guess || guess.passed === guess.tokens.length) return;
    const right = guess.tokens[guess.passed] === token;
    guess.right = FADING * guess.right + (right ? 1 : 0);
    guess.tried = FADING * guess.tried + 1;
    if (right) guess.passed++;
    else guess.passed = guess.tokens.length;
  }

  /** The sequence is over. */
  forget(key: number): void {
    this.#guesses.delete(key);
  }

  /** A step that was computed and gave so many tokens. Only those without prompts tell anything. */
  observe({ entries }: Plan, tokens: number, { ms, threads }: StepEffort): void {
    if (entries.some(({ from, to, samples }) => to - from > 1 || !samples)) return;
    const sequences = entries.length;
    const drafted = entries.reduce((n, { draft }) => n + draft.length, 0);
    const accepted = tokens - sequences;
    this.drafted += drafted;
    this.accepted += accepted;
    if (threads !== this.#threads) this.#paces.clear(); // other threads, other costs
    this.#threads = threads;
    const pace = this.#paceOf(sequences);
    if (drafted > 0 && pace.plainSteps === 0) return; // nothing to compare with
    const won = drafted === 0 ? learnPlain(pace, sequences, ms) : accepted / sequences - learnCost(pace, sequences, drafted, ms);
    this.#credit = Math.min(CREDIT, this.#credit + ALLOWANCE + won);
  }

  /** How many of at most `most` drafts give the highest rate of tokens, if it is clearly higher than without. */
  #worthwhile(acceptance: number, most: number, { sequences, drafted }: StepSoFar): number {
    const pace = this.#paceOf(sequences);
    if (this.#credit <= 0 || pace.plainSteps < PLAIN_FIRST || pace.draftingInARow >= DRAFTING_AT_MOST) return 0;
    let accepted = drafted * acceptance;
    let best = 0;
    let bestRate = WORTH_IT * ((1 + accepted / sequences) / (1 + costOf(pace, drafted, sequences)));
    for (let count = 1; count <= most; count++) {
      accepted += acceptance ** count;
      const rate = (1 + accepted / sequences) / (1 + costOf(pace, drafted + count, sequences));
      if (rate <= bestRate) continue;
      best = count;
      bestRate = rate;
    }
    return best;
  }

  #guessOf(key: number): Guess {
    const known = this.#guesses.get(key);
    if (known) return known;
    const guess: Guess = { tokens: [], passed: 0, right: 0, tried: 0 };
    this.#guesses.set(key, guess);
    return guess;
  }

  #paceOf(sequences: number): Pace {
    const known = this.#paces.get(sequences);
    if (known) return known;
    const pace: Pace = { plainMs: 0, plainSteps: 0, draftingInARow: 0, costs: new Map() };
    this.#paces.set(sequences, pace);
    return pace;
  }
}

function learnPlain(pace: Pace, sequences: number, ms: number): 0 {
  pace.plainMs = pace.plainSteps === 0 ? ms : mix(pace.plainMs, clamp(ms, pace.plainMs / 2, pace.plainMs * 2));
  pace.plainSteps++;
  pace.draftingInARow = 0;
  for (const [drafted, cost] of pace.costs) pace.costs.set(drafted, cost + FORGETTING * (hopedCost(drafted, sequences) - cost));
  return 0;
}

/** @returns how much longer the step took for its drafts, in plain steps. */
function learnCost(pace: Pace, sequences: number, drafted: number, ms: number): number {
  // A draft costs hardly more than a sequence: what took much longer was disturbed.
  const cost = clamp(ms / pace.plainMs, 0.5, 1.5 * (1 + drafted / sequences)) - 1;
  pace.costs.set(drafted, mix(pace.costs.get(drafted) ?? cost, cost));
  pace.draftingInARow++;
  return cost;
}

/** Of a number that was not tried: what is hoped, within what others were found to cost: more tokens cost more, but each of them less. */
function costOf({ costs }: Pace, drafted: number, sequences: number): number {
  const known = drafted === 0 ? 0 : costs.get(drafted);
  if (known !== undefined) return known;
  let least = 0;
  let most = Number.POSITIVE_INFINITY;
  for (const [number, cost] of costs) {
    const inProportion = (cost * drafted) / number;
    least = Math.max(least, Math.min(cost, inProportion));
    most = Math.min(most, Math.max(cost, inProportion));
  }
  return Math.min(most, Math.max(least, hopedCost(drafted, sequences)));
}

function hopedCost(drafted: number, sequences: number): number {
  return (HOPED_COST * drafted) / sequences;
}

function mix(old: number, seen: number): number {
  return (1 - SMOOTHING) * old + SMOOTHING * seen;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
