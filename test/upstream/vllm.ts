/**
 * A server that speaks as vLLM does, for what Shimmy's own answers never show: a role chunk of empty content, thoughts under either of
 * their names, `stop_reason`, usage in a chunk without choices, FastAPI's errors. No model: it answers by the last word of the question.
 * Shapes: github.com/vllm-project/vllm, vllm/entrypoints/openai/protocol.py at 0052bed (ModelCard, ErrorResponse, DeltaMessage,
 * ChatCompletionStreamResponse, UsageInfo, EmbeddingResponse, TokenizeCompletionRequest, DetokenizeResponse); its successor
 * chat_completion/protocol.py calls thoughts `reasoning`.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Stand, standIn } from "./support.ts";

const MODEL = "org/Model-7B";
const CONTEXT = 4096;
const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: MODEL };

/** What was asked, in order. */
export interface Asked {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export async function startVllm(): Promise<Stand & { readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const stand = await standIn(async (request, response) => {
    if (request.url === "/v1/models") return json(response, 200, { object: "list", data: [card()] });
    if (request.url === "/health") return void response.writeHead(200).end();
    const body = await bodyOf(request);
    asked.push({ path: request.url!, body });
    const answers = ANSWERS[request.url!];
    if (!answers) return json(response, 404, { detail: "Not Found" });
    answers(body, response);
  }, true);
  return { ...stand, asked };
}

function card(): object {
  return { id: MODEL, object: "model", created: 1, owned_by: "vllm", root: MODEL, parent: null, max_model_len: CONTEXT, permission: [] };
}

type Body = Readonly<Record<string, unknown>>;

const ANSWERS: Readonly<Record<string, (body: Body, response: ServerResponse) => void>> = {
  "/v1/chat/completions": (body, response) => {
    const { content } = (body.messages as ReadonlyArray<{ content: string }>).at(-1)!;
    const word = content.split(" ").at(-1)!;
    if (word === "long") return json(response, 400, tooLong());
    const deltas = CHATS[word];
    if (!deltas) return json(response, 400, failure(`no such test: ${word}`));
    events(response, [delta({ role: "assistant", content: "" }), ...deltas, usage(), "[DONE]"]);
  },
  "/v1/embeddings": ({ input, encoding_format }, response) => {
    const vectors = (input as unknown[]).map((_, index) => Float32Array.of(0.6, 0.8, index));
    const shown = (vector: Float32Array) => (encoding_format === "base64" ? Buffer.from(vector.buffer).toString("base64") : [...vector]);
    // Not in their order: `index` tells it.
    const data = vectors.map((vector, index) => ({ index, object: "embedding", embedding: shown(vector) })).reverse();
    json(response, 200, { id: "embd-1", object: "list", created: 1, model: MODEL, data, usage: { prompt_tokens: 9, total_tokens: 9 } });
  },
  "/tokenize": ({ prompt }, response) => {
    const tokens = [...(prompt as string)].map((character) => character.codePointAt(0)!);
    json(response, 200, { count: tokens.length, max_model_len: CONTEXT, tokens, token_strs: null });
  },
  "/detokenize": ({ tokens }, response) => json(response, 200, { prompt: String.fromCodePoint(...(tokens as number[])) }),
};

const call = (value: object) => delta({ tool_calls: [{ index: 0, ...value }] });
const CHATS: Readonly<Record<string, readonly object[]>> = {
  text: [delta({ content: "Hi" }), delta({ content: " you" }), delta({ content: "" }, { finish_reason: "stop", stop_reason: "END" })],
  token: [delta({ content: "Hi" }, { finish_reason: "stop", stop_reason: 128009 })],
  thought: [delta({ reasoning_content: "Hm" }), delta({ content: "Yes" }, { finish_reason: "stop", stop_reason: null })],
  reasoning: [delta({ reasoning: "Hm" }), delta({ content: "Yes" }, { finish_reason: "stop", stop_reason: null })],
  call: [
    call({ id: "chatcmpl-tool-1", type: "function", function: { name: "f", arguments: "" } }),
    call({ function: { arguments: '{"x": ' } }),
    call({ function: { arguments: "1}" } }),
    delta({ content: "" }, { finish_reason: "tool_calls", stop_reason: null }),
  ],
  broken: [delta({ content: "Hi" }), { error: { message: "EngineCore died", type: "InternalServerError", param: null, code: 500 } }],
};

function delta(fields: object, more: object = {}): object {
  return { ...head, choices: [{ index: 0, delta: fields, logprobs: null, finish_reason: null, ...more }] };
}

function usage(): object {
  return {
    ...head,
    choices: [],
    usage: { prompt_tokens: 11, total_tokens: 16, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 8 } },
  };
}

function tooLong(): object {
  return failure(`This model's maximum context length is ${CONTEXT} tokens. However, you requested 5000 tokens.`);
}

function failure(message: string): object {
  return { error: { message, type: "BadRequestError", param: null, code: 400 } };
}

function events(response: ServerResponse, list: ReadonlyArray<object | string>): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  for (const each of list) response.write(`data: ${typeof each === "string" ? each : JSON.stringify(each)}\n\n`);
  response.end();
}

function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

async function bodyOf(request: IncomingMessage): Promise<Body> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return JSON.parse(text || "{}");
}
