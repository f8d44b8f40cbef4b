/**
 * One streamed chat completion over node:http, timed. Called by the workloads; it knows no server and no workload.
 * Every request is a new connection, so a server's keep-alive habits measure nothing; that costs both the same 0.2 ms.
 */
import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { EventStream, type Usage } from "./event-stream.ts";

export interface Target {
  /** http://127.0.0.1:PORT */
  readonly url: string;
  readonly modelId: string;
}

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface ChatOptions {
  readonly messages: readonly Message[];
  /** Exactly so many tokens are generated: end of generation is banned, unless `mayEnd`. */
  readonly tokens: number;
  /** The answer may end by itself before that, as one whose schema says where it ends. */
  readonly mayEnd?: boolean;
  /** More fields of the request. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** OpenAI's `response_format`. */
  readonly responseFormat?: unknown;
  /** Who sends it: the number of the client, and its role where a workload has several. */
  readonly client: number;
  readonly group?: string;
  readonly signal: AbortSignal;
  /** The client hangs up at this signal; the record is then `cut` and no failure. */
  readonly until?: AbortSignal;
  /** Called at each chunk of text, with the count so far. */
  readonly onChunk?: (count: number) => void;
}

/** One request as it happened. Times are milliseconds of `performance.now()` in the bench process. */
export interface RequestRecord {
  readonly client: number;
  readonly group?: string;
  /** Equal for equal messages: pairs the answers of two servers. */
  readonly promptHash: string;
  readonly maxTokens: number;
  /** May have ended before `maxTokens`. */
  readonly mayEnd?: boolean;
  /** Its client hung up when it had seen enough. */
  readonly cut?: boolean;
  readonly sentMs: number;
  readonly firstByteMs?: number;
  readonly chunkMs: readonly number[];
  readonly endMs: number;
  readonly status: number;
  readonly usage?: Usage;
  readonly finishReason?: string;
  readonly text: string;
  /** Why it failed; absent: it ended with `[DONE]`. */
  readonly error?: string;
}

/**
 * SmolLM2's end-of-generation tokens as llama.cpp finds them: <|endoftext|>, <|im_end|>, <reponame>.
 * Banned by bias on both servers, since `ignore_eos` is llama-server's own word.
 */
const BAN_END_OF_GENERATION = { "0": -100, "2": -100, "4": -100 };

/** So much is kept of the body of an answer that is no stream. */
const REFUSAL_CHARS = 300;

/** Never rejects: a failure is told in the record. */
export function streamChat(target: Target, options: ChatOptions): Promise<RequestRecord> {
  const body = bodyOf(target, options);
  const always = { client: options.client, promptHash: hashOf(options), maxTokens: options.tokens };
  return new Promise((resolve) => {
    const events = new EventStream();
    let firstByteMs: number | undefined;
    let status = 0;
    let refusal = "";
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sentMs = performance.now();
    const finish = (error?: string) => {
      const endMs = performance.now();
      const cut = options.until?.aborted === true && !events.done;
      const problem = cut
        ? undefined
        : (error ?? events.error ?? (events.done ? undefined : `status ${status}: ${refusal || "no [DONE]"}`));
      resolve(recordOf(events, { ...always, sentMs, endMs, status }, { options, cut, firstByteMs, error: problem }));
    };
    const signal = options.until ? AbortSignal.any([options.signal, options.until]) : options.signal;
    const req = httpRequest(`${target.url}/v1/chat/completions`, { method: "POST", headers, agent: false, signal });
    req.on("response", (res) => {
      status = res.statusCode ?? 0;
      res.on("data", (bytes: Buffer) => {
        const now = performance.now();
        firstByteMs ??= now;
        if (status !== 200) refusal = (refusal + bytes.toString()).slice(0, REFUSAL_CHARS);
        const before = events.chunkMs.length;
        events.push(bytes, now);
        if (events.chunkMs.length > before) options.onChunk?.(events.chunkMs.length);
      });
      res.on("end", () => finish());
      res.on("error", (error) => finish(error.message));
    });
    req.on("error", (error) => finish(error.message));
    req.end(body);
  });
}

function bodyOf(target: Target, { messages, tokens, mayEnd, responseFormat, extra }: ChatOptions): string {
  return JSON.stringify({
    model: target.modelId,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: tokens,
    temperature: 0,
    ...(mayEnd ? {} : { logit_bias: BAN_END_OF_GENERATION }),
    ...(responseFormat === undefined ? {} : { response_format: responseFormat }),
    ...extra,
  });
}

function hashOf({ messages, responseFormat }: ChatOptions): string {
  const asked = responseFormat === undefined ? messages : { messages, responseFormat };
  return createHash("sha1").update(JSON.stringify(asked)).digest("hex").slice(0, 12);
}

type Always = Pick<RequestRecord, "client" | "promptHash" | "maxTokens" | "sentMs" | "endMs" | "status">;
interface Sometimes {
  readonly options: ChatOptions;
  readonly cut: boolean;
  readonly firstByteMs: number | undefined;
  readonly error: string | undefined;
}

function recordOf(events: EventStream, always: Always, { options: { group, mayEnd }, cut, firstByteMs, error }: Sometimes): RequestRecord {
  const usage = events.usage();
  const finishReason = events.finishReason();
  return {
    ...always,
    chunkMs: events.chunkMs,
    text: events.text(),
    ...(group === undefined ? {} : { group }),
    ...(mayEnd ? { mayEnd } : {}),
    ...(cut ? { cut } : {}),
    ...(firstByteMs === undefined ? {} : { firstByteMs }),
    ...(usage === undefined ? {} : { usage }),
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(error === undefined ? {} : { error }),
  };
}
