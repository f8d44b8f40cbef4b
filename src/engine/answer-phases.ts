/**
 * How an answer goes on where no grammar holds: through a thought, the white space behind it, free text, up to where a grammar begins.
 * Called by answer-state.ts for each token. Pure. Texts are binary strings.
 */
import type { StopSearch } from "./text.ts";
import { type Found, type Triggers, whiteAtStart } from "./triggers.ts";

export type TextPhase =
  /** `tail`: the end of the text, in which the mark that closes the thought may have begun. */
  | { readonly kind: "thought"; readonly tail: string }
  /** White space behind a thought, so much of it so far. */
  | { readonly kind: "gap"; readonly white: number }
  /** Without triggers nothing is looked for. */
  | { readonly kind: "free"; readonly triggers: Triggers | undefined };

/** Where a text is read to, and how stop strings are looked for up to there from the one before. */
export interface Stretch {
  readonly end: number;
  readonly search: StopSearch;
}

export interface Reading {
  readonly stretches: readonly Stretch[];
  /** Undefined: a grammar begins where the last stretch ends. */
  readonly phase: TextPhase | undefined;
  /** What of that grammar is written already. */
  readonly written: string;
}

/** White space that is read over; more of it is text: a model that writes nothing else must end. */
export const MOST_WHITE = 64;

/**
 * Reads `text` from `at` on.
 * @param close The mark behind a thought.
 * @param answer What holds where the answer begins; undefined: a grammar.
 */
export function readOn(
  from: TextPhase,
  text: string,
  at: number,
  { close, answer }: { close: string; answer: TextPhase | undefined },
): Reading {
  const stretches: Stretch[] = [];
  let phase: TextPhase | undefined = from;
  let written = "";
  for (let end = at; phase && end < text.length; ) {
    const rest = text.slice(end);
    let search: StopSearch = "not";
    if (phase.kind === "thought") {
      const known: string = phase.tail + rest;
      const closes = known.indexOf(close);
      end += closes < 0 ? rest.length : closes + close.length - phase.tail.length;
      phase = closes < 0 ? { kind: "thought", tail: known.slice(Math.max(0, known.length - close.length + 1)) } : { kind: "gap", white: 0 };
    } else if (phase.kind === "gap") {
      const white = Math.min(whiteAtStart(rest), MOST_WHITE - phase.white);
      end += white;
      phase = end < text.length || phase.white + white === MOST_WHITE ? answer : { kind: "gap", white: phase.white + white };
    } else {
      search = "now";
      const trigger: Found | undefined = phase.triggers?.find(rest);
      end += trigger?.end ?? rest.length;
      written = trigger?.written ?? "";
      phase = trigger ? undefined : { kind: "free", triggers: phase.triggers?.behind(rest) };
    }
    stretches.push({ end, search });
  }
  return { stretches, phase, written };
}
