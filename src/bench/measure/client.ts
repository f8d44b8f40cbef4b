/**
 * One streamed chat completion over node:http, timed. Called by the workloads; it knows no server and no workload, and believes neither.
 * Every request is a new connection, so a server's keep-alive habits measure nothing; that costs both the same 0.2 ms.
 */
import { createHash } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { TimeLimit } from "../../contract/time-limit.ts";
import { EventStream, type Usage } from "./event-stream.ts";

export interface Target {
  /** http://127.0.0.1:PORT, without /v1 */
  readonly url: string;
  readonly modelId: string;
  /** The server's API key. It is in no record, whatever the server answers. */
  readonly key?: string;
  /** Fields of a request that keep an answer from ending by itself, in this server's own words. */
  readonly noEnd?: Readonly<Record<string, unknown>>;
  /** The server does not know `stream_options`. */
  readonly withoutUsage?: boolean;
}

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface ChatOptions {
  readonly messages: readonly Message[];
  /** So many tokens are generated; fewer only if `mayEnd` or if the target has no way to keep an answer from ending. */
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
  /** The model that the server says has answered. */
  readonly model?: string;
  /** Why it failed; absent: it came to its end. */
  readonly error?: string;
}

/** So much is read of the body of an answer that is no stream, and so much told. */
const REFUSAL_READ = 4096;
const REFUSAL_CHARS = 300;
/** Far more than any answer that is asked for. */
const ANSWER_BYTES = 64e6;

/** Never rejects: a failure is told in the record. */
export function streamChat(target: Target, options: ChatOptions): Promise<RequestRecord> {
  const body = bodyOf(target, options);
  const always = { client: options.client, promptHash: hashOf(options), maxTokens: options.tokens };
  return new Promise((resolve) => {
    const received = new Received(options);
    const signal = options.until ? AbortSignal.any([options.signal, options.until]) : options.signal;
    const send = target.url.startsWith("https:") ? httpsRequest : httpRequest;
    const sentMs = performance.now();
    const finish = (error?: string) => {
      const endMs = performance.now();
      const { events, status, firstByteMs } = received;
      const cut = options.until?.aborted === true && !events.done;
      const problem = cut ? undefined : without(target.key, received.problem(error))?.slice(0, REFUSAL_CHARS);
      resolve(recordOf(events, { ...always, sentMs, endMs, status }, { options, cut, firstByteMs, error: problem }));
    };
    const request = send(`${target.url}/v1/chat/completions`, { method: "POST", headers: headersOf(target, body), agent: false, signal });
    request.on("response", (response) => {
      received.read(
        response,
        (error) => finish(error && reasonOf(error, options.signal)),
        () => request.destroy(new Error("the answer has no end")),
      );
    });
    request.on("error", (error) => finish(reasonOf(error, options.signal)));
    request.end(body);
  });
}

/** Node says of every signal that "the operation was aborted". */
function reasonOf(error: Error, { reason }: AbortSignal): string {
  return reason instanceof TimeLimit ? reason.message : error.message;
}

/** What came back so far. */
class Received {
  readonly events = new EventStream();
  firstByteMs: number | undefined;
  status = 0;
  #bytes = 0;
  #refusal = "";

  constructor(private readonly options: ChatOptions) {}

  read(response: IncomingMessage, finish: (error?: Error) => void, giveUp: () => void): void {
    this.status = response.statusCode ?? 0;
    response.on("data", (bytes: Buffer) => {
      this.#take(bytes);
      if (this.#bytes > ANSWER_BYTES) giveUp();
    });
    response.on("end", () => finish());
    response.on("error", finish);
  }

  #take(bytes: Buffer): void {
    const now = performance.now();
    this.firstByteMs ??= now;
    this.#bytes += bytes.length;
    if (this.status !== 200) this.#refusal = (this.#refusal + bytes.toString()).slice(0, REFUSAL_READ);
    const before = this.events.chunkMs.length;
    this.events.push(bytes, now);
    if (this.events.chunkMs.length > before) this.options.onChunk?.(this.events.chunkMs.length);
  }

  /** @param error of the connection */
  problem(error: string | undefined): string | undefined {
    const { events, status } = this;
    if (events.error !== undefined && status === 200) return events.error;
    if (status !== 200 && status !== 0) return `status ${status}: ${this.#refusal || "no reason given"}`;
    if (events.done) return undefined;
    if (error !== undefined) return error;
    // Not every server says [DONE].
    if (events.finishReason() !== undefined) return undefined;
    return events.chunkMs.length > 0 ? "the stream broke off" : "status 200, but no stream of an answer";
  }
}

function headersOf({ key }: Target, body: string): Record<string, string | number> {
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...authorization };
}

/** Servers repeat keys in what they say of them. */
export function without<T extends string | undefined>(key: string | undefined, text: T): T {
  return (key ? text?.replaceAll(key, "<key>") : text) as T;
}

function bodyOf({ modelId, noEnd, withoutUsage }: Target, { messages, tokens, mayEnd, responseFormat, extra }: ChatOptions): string {
  return JSON.stringify({
    model: modelId,
    messages,
    stream: true,
    ...(withoutUsage ? {} : { stream_options: { include_usage: true } }),
    max_tokens: tokens,
    temperature: 0,
    ...(mayEnd ? {} : noEnd),
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
  const model = events.model();
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
    ...(model === undefined ? {} : { model }),
    ...(error === undefined ? {} : { error }),
  };
}
