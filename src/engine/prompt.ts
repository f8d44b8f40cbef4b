/**
 * From the prompt of a request to its tokens, checked: nothing that libllama would assert on comes further. Called by loop.ts.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { LlamaModel } from "../llama/model.ts";
import { type InfillVocabulary, infillPrompt, infillTexts } from "./infill.ts";
import type { EnginePrompt, GenerateMessage } from "./ipc.ts";

/** Texts up to here are tokenized in a few milliseconds. */
const SOON_TOKENIZED_BYTES = 64 * 1024;

type Vocabulary = Pick<LlamaModel, "tokenize" | "longestPiece" | "isToken"> & InfillVocabulary;

/**
 * `contextTokens`: most tokens of a sequence.
 * @throws invalid_value, context_length_exceeded, infill_unsupported
 */
export function promptTokens(model: Vocabulary, message: Pick<GenerateMessage, "prompt" | "sampling">, contextTokens: number): number[] {
  const tokens = tokenize(model, message.prompt, contextTokens);
  if (tokens.length === 0) throw new ShimmyError("invalid_value", { param: "prompt", reason: "it holds no tokens" });
  checkTokens(model, "prompt", tokens);
  checkTokens(
    model,
    "logit_bias",
    message.sampling.logitBias.map(([token]) => token),
  );
  if (tokens.length > contextTokens) throw tooLong(tokens.length, contextTokens);
  return tokens;
}

/** Everybody waits while a prompt is tokenized, megabytes for seconds: what cannot fit by its length alone is refused before. */
function tokenize(model: Vocabulary, prompt: EnginePrompt, contextTokens: number): number[] {
  if ("tokens" in prompt) return [...prompt.tokens];
  const texts = "infill" in prompt ? infillTexts(prompt.infill) : prompt.segments.map(({ text }) => text);
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const least = bytes > SOON_TOKENIZED_BYTES ? Math.ceil(bytes / model.longestPiece) : 0;
  if (least > contextTokens) throw tooLong(least, contextTokens);
  return "infill" in prompt ? infillPrompt(model, prompt.infill) : model.tokenize(prompt.segments);
}

function checkTokens(model: Vocabulary, param: string, tokens: readonly number[]): void {
  const strange = tokens.find((token) => !model.isToken(token));
  if (strange !== undefined) throw new ShimmyError("invalid_value", { param, reason: `${strange} is not a token of this model` });
}

function tooLong(tokens: number, contextTokens: number): ShimmyError {
  return new ShimmyError("context_length_exceeded", { n_prompt_tokens: tokens, n_ctx: contextTokens });
}
