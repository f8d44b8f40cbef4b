/**
 * Marks that this room itself writes into messages (a call of the past in the model's own form, a description of tools): they are meant,
 * so guard.ts leaves them the control tokens that they are, while the text around them stays a caller's. Called by the formats and guard.ts.
 */
import { randomInt } from "node:crypto";

/** Drawn anew by each process and in no prompt, so nobody can write it. */
const FENCE = randomDigits();

/** `mark`, as a part of a message. */
export function meant(mark: string): string {
  return FENCE + mark + FENCE;
}

/** What a message says, in turns: a caller's text, a mark that is meant, a caller's text … */
export function splitAtMeant(text: string): readonly string[] {
  return text.split(FENCE);
}

/** As it will be printed. */
export function withoutFences(text: string): string {
  return text.replaceAll(FENCE, "");
}

/** Text that nobody can guess and that no template changes. */
export function randomDigits(): string {
  return Array.from({ length: 4 }, () => String(randomInt(100_000, 1_000_000))).join("");
}
