/** One streamed chat of the measured run, counted and timed. Called by measure.ts; it knows the public HTTP API only. */
import { ShimmyError } from "../../contract/errors.ts";

export interface Server {
  readonly url: string;
  readonly model: string;
  readonly key?: string | undefined;
}

export interface Question {
  readonly words: number;
  readonly maxTokens: number;
  /** With the count so far on each chunk, which makes them larger. */
  readonly counts: boolean;
  /** At each chunk with a count. */
  readonly onTokens?: (completionTokens: number) => void;
  readonly signal: AbortSignal;
}

export interface Answered {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly ttftMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

interface Chunk {
  readonly choices?: ReadonlyArray<{ readonly delta?: Readonly<Record<string, unknown>> }>;
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number } | null;
  readonly error?: { readonly message?: string };
}

/** Ordinary words, so that a token is about one of them; none of the order of another prompt, so that nothing is found in a cache. */
const WORDS = "river stone light under morning bird small paper seven window green above letter quiet round bread cloud answer table".split(
  " ",
);

export function promptOf(words: number): string {
  return Array.from({ length: words }, () => WORDS[Math.floor(Math.random() * WORDS.length)]).join(" ");
}

/** Until its end or until the signal. @throws not_measured */
export async function askStreamed({ url, model, key }: Server, question: Question): Promise<Answered> {
  const body = JSON.stringify({
    model,
    messages: [{ role: "user", content: promptOf(question.words) }],
    max_tokens: question.maxTokens,
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: question.counts },
    cache_prompt: false,
    // The stated length: an answer that the model ends sooner would be counted with the prompts of more of them.
    ignore_eos: true,
  });
  const headers = { "content-type": "application/json", ...(key !== undefined && { authorization: `Bearer ${key}` }) };
  const sent = performance.now();
  const seen = { promptTokens: 0, completionTokens: 0, ttftMs: 0, requestBytes: Buffer.byteLength(body), responseBytes: 0 };
  try {
    const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body, signal: question.signal });
    if (!response.ok || !response.body) throw notMeasured(`status ${response.status}: ${(await response.text()).slice(0, 300)}`);
    for await (const chunk of chunks(response.body, (bytes) => (seen.responseBytes += bytes))) {
      if (chunk.error) throw notMeasured(chunk.error.message ?? "an error in the stream");
      seen.promptTokens = chunk.usage?.prompt_tokens ?? seen.promptTokens;
      seen.completionTokens = chunk.usage?.completion_tokens ?? seen.completionTokens;
      if (seen.ttftMs === 0 && isText(chunk)) seen.ttftMs = performance.now() - sent;
      if (seen.ttftMs > 0) question.onTokens?.(seen.completionTokens);
    }
  } catch (error) {
    if (!question.signal.aborted) throw error instanceof ShimmyError ? error : notMeasured(String(error));
  }
  return seen;
}

export function notMeasured(reason: string): ShimmyError {
  return new ShimmyError("not_measured", { reason });
}

function isText({ choices }: Chunk): boolean {
  return Object.entries(choices?.[0]?.delta ?? {}).some(([name, text]) => name !== "role" && typeof text === "string" && text !== "");
}

/** What stands behind `data: ` as JSON; comments and `[DONE]` are passed over. */
async function* chunks(body: ReadableStream<Uint8Array>, onBytes: (count: number) => void): AsyncGenerator<Chunk> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    onBytes(bytes.length);
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith("data: {")) yield JSON.parse(line.slice(6)) as Chunk;
  }
}
