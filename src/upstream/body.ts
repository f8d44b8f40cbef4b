/**
 * A `GenerationRequest` → what an upstream is asked: the route and its JSON body. Called by generator.ts. Always a stream with usage, since
 * events are told as they come. Nothing is left out in silence: what a kind of server cannot do is an error. Pure.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { ChatMessage, ChatPrompt, Constraint, GenerationRequest, InfillPrompt, SamplingParams } from "../contract/generation.ts";
import { KEEP_FOREVER } from "../contract/keep-alive.ts";
import { spelled } from "../contract/sampling-names.ts";
import type { Dialect } from "./listing.ts";

export interface UpstreamCall {
  readonly path: "/v1/chat/completions" | "/v1/completions" | "/infill";
  readonly body: Readonly<Record<string, unknown>>;
}

type Fields = Record<string, unknown>;

/** @param model as the upstream spells it. @throws upstream_unsupported */
export function upstreamCall(request: GenerationRequest, model: string, dialect: Dialect): UpstreamCall {
  const refuse = (what: string) => new ShimmyError("upstream_unsupported", { model: request.model, what });
  if (request.promptLogprobs) throw refuse("the log probabilities of a prompt");
  const { prompt } = request;
  const llama = dialect === "shimmy" || dialect === "llama-server";
  if (request.constraint && "gbnf" in request.constraint && !llama) throw refuse("an answer in a GBNF grammar");
  const body = { model, stream: true, stream_options: { include_usage: true }, ...common(request, dialect) };
  if (prompt.kind === "chat") return { path: "/v1/chat/completions", body: { ...body, ...chatFields(prompt, request, dialect) } };
  if (prompt.kind === "infill") {
    // llama-server knows no other way; a Shimmy and others know OpenAI's suffix.
    if (dialect === "llama-server" || (dialect === "shimmy" && prompt.files))
      return { path: "/infill", body: infillFields(body, prompt, request) };
    if (prompt.files) throw refuse("a fill in the middle with other files");
  }
  const asked = { text: "text", tokens: "tokens", infill: "prefix" } as const;
  return {
    path: "/v1/completions",
    body: {
      ...body,
      prompt: (prompt as unknown as Fields)[asked[prompt.kind]],
      ...(prompt.kind === "infill" && { suffix: prompt.suffix }),
      // Without a word it ends after 16 tokens there.
      ...(dialect === "vllm" && request.maxTokens === undefined && { max_tokens: null }),
      ...(request.topLogprobs !== undefined && { logprobs: alternatives(request.topLogprobs, dialect) }),
      ...(request.constraint && constraintFields(request.constraint, dialect === "llama-server")),
    },
  };
}

/** In llama-server's own words. Its context is a repository even where no files are given. */
function infillFields(
  body: Fields,
  { prefix, suffix, files }: InfillPrompt,
  { maxTokens, constraint, topLogprobs }: GenerationRequest,
): Fields {
  const { max_tokens: _, stream_options: __, ...shared } = body;
  return {
    ...shared,
    input_prefix: prefix,
    input_suffix: suffix,
    ...(files && { input_extra: files.map(({ name, text }) => ({ filename: name, text })) }),
    ...(maxTokens !== undefined && { n_predict: maxTokens }),
    ...(topLogprobs !== undefined && { n_probs: topLogprobs }),
    ...(constraint && constraintFields(constraint, true)),
  };
}

function common(request: GenerationRequest, dialect: Dialect): Fields {
  const { choices, maxTokens, stop, cachePrompt, maxDraft, ignoreEnd, progress, keepAliveMs } = request;
  const llama = dialect === "shimmy" || dialect === "llama-server";
  return {
    ...(choices > 1 && { n: choices }),
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(stop.length > 0 && { stop }),
    ...sampling(request.sampling, llama),
    // As sampling, sent as said: vLLM has the same word.
    ...(ignoreEnd && { ignore_eos: true }),
    ...(llama && cachePrompt === false && { cache_prompt: false }),
    ...(llama && maxDraft !== undefined && { "speculative.n_max": maxDraft }),
    ...(llama && progress && { return_progress: true }),
    ...(dialect === "shimmy" && keepAliveMs !== undefined && { keep_alive: keepAliveMs === KEEP_FOREVER ? -1 : `${keepAliveMs}ms` }),
  };
}

/** vLLM has its own name for one of llama.cpp's parameters, and −1 for what is 0 here. All are sent as said: who knows one not tells it. */
function sampling(said: Partial<SamplingParams>, llama: boolean): Fields {
  const { repeat_penalty, ...fields } = spelled(said);
  return {
    ...fields,
    ...(repeat_penalty !== undefined && { [llama ? "repeat_penalty" : "repetition_penalty"]: repeat_penalty }),
    ...(!llama && said.topK === 0 && { top_k: -1 }),
    ...(said.logitBias && { logit_bias: Object.fromEntries(said.logitBias) }),
  };
}

/** A conversation as a server of this dialect is asked. */
export function chatFields(
  prompt: ChatPrompt,
  { constraint, topLogprobs }: Pick<GenerationRequest, "constraint" | "topLogprobs">,
  dialect: Dialect,
): Fields {
  const { tools = [], toolChoice, parallelToolCalls, addGenerationPrompt } = prompt;
  return {
    messages: prompt.messages.map(message),
    ...(tools.length > 0 && { tools }),
    ...(toolChoice && { tool_choice: toolChoice === "required" ? toolChoice : { type: "function", function: { name: toolChoice.name } } }),
    ...(parallelToolCalls === false && { parallel_tool_calls: false }),
    ...(addGenerationPrompt === false && { add_generation_prompt: false }),
    ...(topLogprobs !== undefined && { logprobs: true, top_logprobs: alternatives(topLogprobs, dialect) }),
    ...(constraint && constraintFields(constraint, false)),
    ...thoughts(prompt, dialect),
  };
}

/** llama-server tells no probabilities at all where it is asked for no alternatives: the one that it is asked for is left out here. */
function alternatives(topLogprobs: number, dialect: Dialect): number {
  return dialect === "llama-server" ? Math.max(1, topLogprobs) : topLogprobs;
}

/** An assistant's turn of calls alone has no content. */
function message({ role, content, extra }: ChatMessage): Fields {
  return { role, content: content === "" && extra?.tool_calls ? null : content, ...extra };
}

/** `bare`: where the server knows no response_format. */
function constraintFields(constraint: Constraint, bare: boolean): Fields {
  if ("gbnf" in constraint) return { grammar: constraint.gbnf };
  const { schema } = constraint;
  if (bare) return { json_schema: schema };
  // Strict: a caller who counts on the schema may not get free text.
  return { response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } } };
}

/** A Shimmy has a word for each wish; the others read the variables of templates. */
function thoughts({ reasoning, templateOptions }: ChatPrompt, dialect: Dialect): Fields {
  const { enabled, effort, budgetTokens, inText } = reasoning ?? {};
  const own = dialect === "shimmy";
  const options = { ...templateOptions, ...(!own && dialect !== "other" && enabled !== undefined && { enable_thinking: enabled }) };
  return {
    ...(Object.keys(options).length > 0 && { chat_template_kwargs: options }),
    ...(own && enabled !== undefined && { enable_thinking: enabled }),
    ...(effort !== undefined && { reasoning_effort: effort }),
    ...(own && budgetTokens !== undefined && { thinking_budget_tokens: budgetTokens }),
    ...((own || dialect === "llama-server") && inText && { reasoning_format: "none" }),
  };
}
