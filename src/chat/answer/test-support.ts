/** For the tests of answers: tools, and pieces of an answer folded into one. */
import type { Tool } from "../../contract/generation.ts";
import type { AnswerPiece } from "./format.ts";

export interface Folded {
  readonly reasoning: string;
  readonly text: string;
  readonly calls: ReadonlyArray<{ readonly name: string; readonly arguments: string; readonly whole: boolean }>;
}

export function folded(pieces: readonly AnswerPiece[]): Folded {
  const calls: Array<{ name: string; arguments: string; whole: boolean }> = [];
  let [reasoning, text] = ["", ""];
  for (const piece of pieces) {
    if (piece.kind === "text") text += piece.text;
    else if (piece.kind === "reasoning") reasoning += piece.text;
    else if (piece.kind === "call") calls.push({ name: piece.name, arguments: "", whole: false });
    else if (piece.kind === "arguments") calls.at(-1)!.arguments += piece.text;
    else calls.at(-1)!.whole = true;
  }
  return { reasoning, text, calls };
}

export function toolNamed(name: string, parameters?: unknown): Tool {
  return { type: "function", function: { name, description: `the ${name}`, ...(parameters !== undefined && { parameters }) } };
}
