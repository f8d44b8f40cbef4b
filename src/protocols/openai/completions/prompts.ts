/**
 * The field `prompt` of legacy completions → prompts: text, tokens, or a list of either. Called by decode.ts, and by the dialect of
 * llama-server, which takes the same shapes.
 */
import * as z from "zod/mini";
import type { Prompt } from "../../../contract/generation.ts";
import { documentedAs } from "../../document.ts";
import { tokenId, tokenList } from "../schema.ts";
import { invalid } from "../validate.ts";

/** As many as OpenAI takes; evaluation harnesses send them by the thousand. */
export const MAX_PROMPTS = 2048;

export type PlainPrompt = Extract<Prompt, { kind: "text" | "tokens" }>;

/** A text, an array of token ids, or an array of either; judged item by item, as a body may hold millions. */
export const promptField = documentedAs(
  z.union([z.string(), z.array(z.unknown())], { error: "must be a string or an array" }),
  z.union([
    z.string(),
    z.array(tokenId).check(z.minLength(1)),
    z.array(z.union([z.string(), z.array(tokenId).check(z.minLength(1))])).check(z.minLength(1), z.maxLength(MAX_PROMPTS)),
  ]),
);

/** At least one. @throws invalid_value naming the item at fault */
export function promptsOf(prompt: string | readonly unknown[]): PlainPrompt[] {
  if (typeof prompt === "string") return [{ kind: "text", text: prompt }];
  if (prompt.length === 0) throw invalid("prompt", "must not be empty");
  if (typeof prompt[0] === "number") return [tokensOf(prompt, "prompt")];
  if (prompt.length > MAX_PROMPTS) throw invalid("prompt", `must have at most ${MAX_PROMPTS} prompts`);
  return prompt.map((item, index) => {
    if (typeof item === "string") return { kind: "text", text: item };
    if (Array.isArray(item)) return tokensOf(item, `prompt[${index}]`);
    throw invalid(`prompt[${index}]`, "must be a string, a token id or an array of token ids");
  });
}

function tokensOf(items: readonly unknown[], at: string): PlainPrompt {
  if (items.length === 0) throw invalid(at, "must not be empty");
  return { kind: "tokens", tokens: tokenList(items, at) };
}
