/**
 * One chat completion as a client sees it, streamed or whole, and how it ended. Called by traffic.ts; it knows no server. It believes
 * nothing: an answer is finished only if it says so itself.
 */
import { randomBytes } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Message } from "../../src/bench/measure/client.ts";
import { EventStream } from "../../src/bench/measure/event-stream.ts";

export interface Asked {
  readonly url: string;
  readonly session: string;
  readonly messages: readonly Message[];
  readonly tokens: number;
  readonly streamed: boolean;
}

/**
 * `finished`: whole, by its own word. `lost`: failed before any byte of an answer. `cut`: failed after it, and the client was told so.
 * `truncated`: ended as if it were whole and is not: must never be.
 */
export type Ending = "finished" | "lost" | "cut" | "truncated";

export interface Outcome {
  /** W3C trace id, 32 hex digits: by it the instances tell what they received. */
  readonly id: string;
  readonly session: string;
  readonly streamed: boolean;
  readonly ending: Ending;
  /** Why it is not finished. */
  readonly reason?: string;
  /** Milliseconds of `performance.now()`; the first text only of streams. */
  readonly sentMs: number;
  readonly firstTextMs?: number;
  readonly endMs: number;
  readonly text: string;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Two generations were glued together: chunks of different ids, or more pieces of text than tokens. */
  readonly mixed: boolean;
}

/** Never rejects. Every request has a connection of its own. */
export function ask({ url, session, messages, tokens, streamed }: Asked): Promise<Outcome> {
  const id = randomBytes(16).toString("hex");
  const more = streamed ? { stream: true, stream_options: { include_usage: true } } : {};
  const body = JSON.stringify({ model: "", messages, max_tokens: tokens, temperature: 0, ...more });
  const headers = {
    ...{ "content-type": "application/json", "content-length": Buffer.byteLength(body) },
    ...{ "x-session-id": session, traceparent: `00-${id}-${id.slice(16)}-01` },
  };
  return new Promise((resolve) => {
    const answer = new Answer({ id, session, streamed });
    const outgoing = httpRequest(`${url}/v1/chat/completions`, { method: "POST", headers, agent: false });
    outgoing.once("response", (response) => {
      answer.begins(response);
      response.on("data", (bytes: Buffer) => answer.push(bytes));
      response.once("end", () => resolve(answer.outcome(response.complete ? undefined : "the connection ended")));
      response.once("error", (error) => resolve(answer.outcome(error.message)));
    });
    outgoing.once("error", (error: NodeJS.ErrnoException) => resolve(answer.outcome(error.code ?? error.message)));
    outgoing.end(body);
  });
}

class Answer {
  readonly #asked: Pick<Outcome, "id" | "session" | "streamed">;
  readonly #sentMs = performance.now();
  readonly #events = new EventStream();
  #status = 0;
  #bytes = 0;
  #body = "";

  constructor(asked: Pick<Outcome, "id" | "session" | "streamed">) {
    this.#asked = asked;
  }

  begins({ statusCode = 0 }: IncomingMessage): void {
    this.#status = statusCode;
  }

  push(bytes: Buffer): void {
    this.#bytes += bytes.length;
    this.#body += bytes.toString("latin1");
    if (this.#asked.streamed && this.#status === 200) this.#events.push(bytes, performance.now());
  }

  /** @param broken why the connection did not end as it should */
  outcome(broken: string | undefined): Outcome {
    const read = this.#asked.streamed ? this.#readStream() : this.#readWhole();
    const failure = broken ?? (this.#status === 200 ? this.#events.error : `status ${this.#status}: ${this.#body.slice(0, 200)}`);
    const begun = this.#status === 200 && this.#bytes > 0;
    const ending = failure === undefined ? (read.whole ? "finished" : "truncated") : begun ? "cut" : "lost";
    const { whole, ...told } = read;
    const reason = failure ?? (whole ? undefined : "it says nowhere that it is whole");
    const firstTextMs = this.#events.chunkMs[0];
    return {
      ...this.#asked,
      ...told,
      ...{ ending, sentMs: this.#sentMs, endMs: performance.now() },
      ...(firstTextMs !== undefined && { firstTextMs }),
      ...(reason !== undefined && { reason }),
    };
  }

  #readStream() {
    const { promptTokens = 0, cachedTokens = 0, completionTokens = 0 } = this.#events.usage() ?? {};
    const whole = this.#events.done && this.#events.finishReason() !== undefined;
    const ids = new Set(this.#body.match(/"id":"chatcmpl-[^"]+"/g));
    const mixed = ids.size > 1 || (whole && this.#events.chunkMs.length > completionTokens);
    return { whole, mixed, text: this.#events.text(), promptTokens, cachedTokens, completionTokens };
  }

  #readWhole() {
    const parsed = wholeAnswer(Buffer.from(this.#body, "latin1").toString("utf8"));
    const { prompt_tokens = 0, completion_tokens = 0, prompt_tokens_details: details } = parsed?.usage ?? {};
    const choice = parsed?.choices?.[0];
    return {
      ...{ whole: choice?.finish_reason !== undefined, mixed: false, text: choice?.message?.content ?? "" },
      ...{ promptTokens: prompt_tokens, completionTokens: completion_tokens, cachedTokens: details?.cached_tokens ?? 0 },
    };
  }
}

interface WholeAnswer {
  readonly choices?: ReadonlyArray<{ readonly message?: { readonly content?: string }; readonly finish_reason?: string }>;
  readonly usage?: {
    readonly prompt_tokens?: number;
    readonly completion_tokens?: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  };
}

function wholeAnswer(text: string): WholeAnswer | undefined {
  try {
    return JSON.parse(text) as WholeAnswer;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
