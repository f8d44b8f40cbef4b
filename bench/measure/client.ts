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
  /** Exactly so many tokens are generated: end of generation is banned. */
  readonly tokens: number;
  /** Who sends it: the number of the client, and its role where a workload has several. */
  readonly client: number;
  readonly group?: string;
  readonly signal: AbortSignal;
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

/** Never rejects: a failure is told in the record. */
export function streamChat(target: Target, options: ChatOptions): Promise<RequestRecord> {
  const { client, group, tokens, signal } = options;
  const promptHash = createHash("sha1").update(JSON.stringify(options.messages)).digest("hex").slice(0, 12);
  const body = JSON.stringify({
    model: target.modelId,
    messages: options.messages,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: tokens,
    temperature: 0,
    logit_bias: BAN_END_OF_GENERATION,
  });
  return new Promise((resolve) => {
    const events = new EventStream();
    let firstByteMs: number | undefined;
    let status = 0;
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sentMs = performance.now();
    const finish = (error?: string) => {
      const endMs = performance.now();
      const problem = error ?? events.error ?? (events.done ? undefined : `ended without [DONE], status ${status}`);
      resolve(recordOf(events, { client, promptHash, maxTokens: tokens, sentMs, endMs, status }, { group, firstByteMs, error: problem }));
    };
    const req = httpRequest(`${target.url}/v1/chat/completions`, { method: "POST", headers, agent: false, signal });
    req.on("response", (res) => {
      status = res.statusCode ?? 0;
      res.on("data", (bytes: Buffer) => {
        const now = performance.now();
        firstByteMs ??= now;
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

type Always = Pick<RequestRecord, "client" | "promptHash" | "maxTokens" | "sentMs" | "endMs" | "status">;
interface Sometimes {
  readonly group: string | undefined;
  readonly firstByteMs: number | undefined;
  readonly error: string | undefined;
}

function recordOf(events: EventStream, always: Always, { group, firstByteMs, error }: Sometimes): RequestRecord {
  const usage = events.usage();
  const finishReason = events.finishReason();
  return {
    ...always,
    chunkMs: events.chunkMs,
    text: events.text(),
    ...(group === undefined ? {} : { group }),
    ...(firstByteMs === undefined ? {} : { firstByteMs }),
    ...(usage === undefined ? {} : { usage }),
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(error === undefined ? {} : { error }),
  };
}
