/**
 * What an engine must know of the shape of an answer: where a grammar holds, where a thought begins and ends, which control tokens are
 * text. Made by chat/ for the format of a model, carried by pool/ and engine/ipc.ts. Plain data.
 */

/**
 * A grammar as the engine holds it: GBNF with the rule `root`. With triggers the text is free until one of them has been written; the
 * grammar then holds for what follows it, to its end, and then the text is free again until the next trigger, unless `once`.
 */
export interface EngineConstraint {
  readonly gbnf: string;
  readonly triggers?: readonly Trigger[];
  /** The answer ends with the end of the grammar. Without triggers it always does. */
  readonly once?: boolean;
  /** All of its text is calls of tools, in which no stop string ends the answer. Behind triggers it always is so. */
  readonly calls?: boolean;
}

/** `atStart`: counts only as the very first text of the answer, after a thought and white space. */
export interface Trigger {
  readonly text: string;
  readonly atStart?: boolean;
  /** What the grammar begins with is written already, as a part of the trigger: it decides how the grammar goes on. Absent: nothing. */
  readonly written?: string;
}

/**
 * The marks around the model's thoughts, in the text. Within a thought no constraint holds, no trigger counts and no stop string ends the
 * answer; a thought may come only at the start of an answer. A model that ends its answer within a thought closes it with `closing` where
 * a constraint without triggers waits behind it.
 */
export interface ThoughtMarks {
  readonly open: string;
  readonly close: string;
  /** The prompt ends within a thought. */
  readonly opened: boolean;
  /** Most tokens of it; then `closing` is written. */
  readonly budgetTokens?: number;
  /** What closes a thought in the model's name; it contains `close`. */
  readonly closing: string;
}
