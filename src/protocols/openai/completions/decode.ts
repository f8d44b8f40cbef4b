/**
 * The body of POST /v1/completions (OpenAI's legacy endpoint) → a `CompletionCall`. Called by the server with parsed JSON.
 * Unlike OpenAI's 16 tokens, an absent max_tokens means "to the end", as in llama.cpp's server.
 */
import type { CompletionCreateParams } from "openai/resources/completions";
import * as z from "zod/mini";
import type { GenerationRequest, Prompt } from "../../../contract/generation.ts";
import type { DecodeContext } from "../../protocol.ts";
import { constraintOf } from "../constraint.ts";
import { commonCall, type OpenAICall } from "../request.ts";
import { commonFields, tokenId, wholeRange } from "../schema.ts";
import { invalid, validate } from "../validate.ts";

export interface CompletionCall extends OpenAICall {
  /** The prompt, where the answer repeats it (`echo`); else empty. */
  readonly echo: string;
}

const completionSchema = z.object({
  ...commonFields,
  prompt: z.union([z.string(), z.array(z.unknown())], { error: "must be a string or an array" }),
  logprobs: wholeRange(0, 20),
  echo: z.nullish(z.boolean()),
  suffix: z.nullish(z.string()),
  best_of: wholeRange(1),
});
type CompletionFields = z.output<typeof completionSchema>;

/** Everything OpenAI's own client may send is accepted, but for its null prompt, which means a token of OpenAI's own. */
type Accepted<Body extends z.input<typeof completionSchema>> = Body;
export type CompletionBody = Accepted<CompletionCreateParams & { prompt: NonNullable<CompletionCreateParams["prompt"]> }>;

export function decodeCompletion(body: unknown, context: DecodeContext): CompletionCall {
  const fields = validate(completionSchema, body);
  const constraint = constraintOf(body as object);
  const call = commonCall(fields, "cmpl", context);
  const prompt = promptOf(fields.prompt);
  refuseUnserved(fields, call.request.choices);
  const request: GenerationRequest = {
    ...call.request,
    ...(constraint && { constraint }),
    prompt,
    ...(typeof fields.logprobs === "number" && { topLogprobs: fields.logprobs }),
  };
  return { ...call, request, echo: fields.echo ? echoOf(fields, prompt) : "" };
}

function refuseUnserved({ suffix, best_of: bestOf }: CompletionFields, choices: number): void {
  if (suffix) throw invalid("suffix", "fill-in-the-middle is not supported yet");
  if (bestOf && bestOf > choices) throw invalid("best_of", `must be at most n (${choices}); ranking of more answers is not supported`);
}

function echoOf({ logprobs }: CompletionFields, prompt: Prompt): string {
  if (prompt.kind !== "text") throw invalid("echo", "needs the prompt as text");
  if (typeof logprobs === "number") throw invalid("echo", "logprobs of the prompt are not supported yet");
  return prompt.text;
}

/** One prompt: text, tokens, or a list that holds just one of them. */
function promptOf(prompt: string | readonly unknown[]): Prompt {
  if (typeof prompt === "string") return { kind: "text", text: prompt };
  const [first] = prompt;
  if (typeof first === "number") return tokensOf(prompt, "prompt");
  if (prompt.length !== 1)
    throw invalid("prompt", prompt.length === 0 ? "must not be empty" : "several prompts in one request are not supported yet");
  if (typeof first === "string") return { kind: "text", text: first };
  if (Array.isArray(first)) return tokensOf(first, "prompt[0]");
  throw invalid("prompt[0]", "must be a string, a token id or an array of token ids");
}

function tokensOf(items: readonly unknown[], at: string): Prompt {
  if (items.length === 0) throw invalid(at, "must not be empty");
  // One by one, so that the first wrong item ends the work.
  const tokens = items.map((item, index) => validate(tokenId, item, `${at}[${index}]`));
  return { kind: "tokens", tokens };
}
