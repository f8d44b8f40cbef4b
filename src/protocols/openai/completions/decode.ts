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
import { commonFields, endFields, wholeRange } from "../schema.ts";
import { invalid, validate } from "../validate.ts";
import { type PlainPrompt, promptField, promptsOf } from "./prompts.ts";

export interface CompletionCall extends OpenAICall {
  /** Answers that are told for each prompt; of more (`best_of`) these are the likeliest. */
  readonly told: number;
  /** Whether the answer has log probabilities; `best_of` and `echo` ask the engine for some all the same. */
  readonly logprobs: boolean;
  /** What each prompt is repeated as before its answers; undefined: as its tokens spell it. Absent: prompts are not repeated. */
  readonly echo?: ReadonlyArray<string | undefined>;
}

/** As many as OpenAI takes. */
const MAX_BEST_OF = 20;

/** The body of the request; what is not named here is ignored. */
export const completionSchema = z.object({
  ...commonFields,
  ...endFields,
  prompt: promptField,
  /** Alternatives a token; 0: the tokens alone. */
  logprobs: wholeRange(0, 20),
  /** Repeats the prompt before the answer; with logprobs, those of the prompt too. */
  echo: z.nullish(z.boolean()),
  /** What comes after the answer: the model fills in the middle. */
  suffix: z.nullish(z.string()),
  /** Answers that are made; the n with the largest mean logprob are told. */
  best_of: wholeRange(1, MAX_BEST_OF),
});
type CompletionFields = z.output<typeof completionSchema>;

/** Everything OpenAI's own client may send is accepted, but for its null prompt, which means a token of OpenAI's own. */
type Accepted<Body extends z.input<typeof completionSchema>> = Body;
export type CompletionBody = Accepted<CompletionCreateParams & { prompt: NonNullable<CompletionCreateParams["prompt"]> }>;

export function decodeCompletion(body: unknown, context: DecodeContext): CompletionCall {
  const fields = validate(completionSchema, body);
  const constraint = constraintOf(body as object);
  const call = commonCall(fields, "cmpl", context);
  const told = call.request.choices;
  const made = choicesMade(fields, told);
  const prompts = promptsOf(fields.prompt);
  const echo = fields.echo ? prompts.map((prompt) => (prompt.kind === "text" ? prompt.text : undefined)) : undefined;
  const common = {
    ...call.request,
    choices: made,
    ...(constraint && { constraint }),
    ...logprobsOf(fields, { ranks: made > told, echoesTokens: echo?.includes(undefined) ?? false }),
  };
  const batch = prompts.map((prompt, index): GenerationRequest => {
    const id = index === 0 ? common.id : `${common.id}.${index}`;
    return { ...common, id, prompt: infilled(prompt, fields) };
  });
  return {
    ...call,
    request: batch[0]!,
    ...(batch.length > 1 && { batch }),
    told,
    logprobs: isNumber(fields.logprobs),
    ...(echo && { echo }),
  };
}

function choicesMade({ best_of: bestOf, stream }: CompletionFields, told: number): number {
  const made = bestOf ?? told;
  if (made < told) throw invalid("best_of", `must be at least n (${told})`);
  if (made > told && stream) throw invalid("best_of", "cannot be combined with stream: which answer is best is known at the end");
  return made;
}

/** What the engine is asked for: the likeliest answers, and the text of tokens that are to be repeated, are known by log probabilities. */
function logprobsOf(
  { logprobs, echo }: CompletionFields,
  { ranks, echoesTokens }: { readonly ranks: boolean; readonly echoesTokens: boolean },
): Pick<GenerationRequest, "topLogprobs" | "promptLogprobs"> {
  const asked = isNumber(logprobs);
  const ofPrompt = echoesTokens || (asked && echo === true);
  if (!asked && !ranks && !ofPrompt) return {};
  return { topLogprobs: logprobs ?? 0, ...(ofPrompt && { promptLogprobs: true }) };
}

/** An empty suffix is none: editors send it at the end of a file. */
function infilled(prompt: PlainPrompt, { suffix, echo }: CompletionFields): Prompt {
  if (!suffix) return prompt;
  if (prompt.kind !== "text") throw invalid("suffix", "needs the prompt as text");
  if (echo) throw invalid("echo", "cannot be combined with suffix");
  return { kind: "infill", prefix: prompt.text, suffix };
}

function isNumber(value: number | null | undefined): boolean {
  return typeof value === "number";
}
