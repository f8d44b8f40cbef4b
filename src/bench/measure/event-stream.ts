/**
 * The client's side of one streamed answer: bytes in, arrival times out. Called by client.ts for every chunk of a response.
 * It looks at lines with indexOf only, and decodes JSON after the run, so that measuring takes no CPU from the servers on the same cores.
 * It believes no server: what is not as OpenAI's documentation has it counts as not said.
 */

/** What a server reports at the end of a stream (OpenAI `usage`). */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens taken from the KV cache, where the server tells. */
  readonly cachedTokens?: number;
}

/** Of a delta: its text, and a thought as vLLM, llama-server and Ollama name it. */
const TEXTS = ['"content":', '"reasoning_content":', '"reasoning":'];
const [QUOTE, BRACE, SPACE] = [34, 123, 32];
/** So much is kept of a line that grows without an end. */
const LINE_LIMIT = 1 << 20;

/** Server-sent events of a chat completion. Times are whatever clock the caller pushes. */
export class EventStream {
  /** Arrival of each chunk that carries text; role, finish and usage chunks are not tokens. */
  readonly chunkMs: number[] = [];
  done = false;
  /** The line of an error event in mid-stream. */
  error: string | undefined;
  private readonly contentLines: string[] = [];
  private modelLine: string | undefined;
  private usageLine: string | undefined;
  private finishLine: string | undefined;
  private tail = "";

  push(bytes: Buffer, nowMs: number): void {
    // latin1 keeps bytes apart at no cost; text() turns them back into UTF-8.
    const text = this.tail + bytes.toString("latin1");
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      if (text.startsWith("data:", start)) this.line(text.slice(start, end), nowMs);
      start = end + 1;
    }
    this.tail = text.slice(start, start + LINE_LIMIT);
  }

  private line(line: string, nowMs: number): void {
    if (TEXTS.some((name) => hasText(line, name))) {
      this.chunkMs.push(nowMs);
      this.contentLines.push(line);
    }
    if (line.charCodeAt(startOfValue(line, '"model":')) === QUOTE) this.modelLine ??= line;
    if (line.charCodeAt(startOfValue(line, '"finish_reason":')) === QUOTE) this.finishLine = line;
    if (line.charCodeAt(startOfValue(line, '"usage":')) === BRACE) this.usageLine = line;
    const error = line.charCodeAt(startOfValue(line, '"error":'));
    if (error === BRACE || error === QUOTE) this.error = line;
    if (/^data: ?\[DONE\]/.test(line)) this.done = true;
  }

  /** The whole answer, without its thoughts. Call it after the run. */
  text(): string {
    return this.contentLines.map((line) => wordOf(choiceOf(line)?.delta?.content) ?? "").join("");
  }

  /** Who answered, as the server says. */
  model(): string | undefined {
    return this.modelLine === undefined ? undefined : wordOf(parse(this.modelLine).model);
  }

  finishReason(): string | undefined {
    return this.finishLine === undefined ? undefined : wordOf(choiceOf(this.finishLine)?.finish_reason);
  }

  usage(): Usage | undefined {
    const usage = this.usageLine === undefined ? undefined : parse(this.usageLine).usage;
    const [promptTokens, completionTokens] = [countOf(usage?.prompt_tokens), countOf(usage?.completion_tokens)];
    if (promptTokens === undefined || completionTokens === undefined) return undefined;
    const cachedTokens = countOf(usage?.prompt_tokens_details?.cached_tokens);
    return { promptTokens, completionTokens, ...(cachedTokens === undefined ? {} : { cachedTokens }) };
  }
}

/** Where the value of a member begins; NaN, which is no place in any text, where there is none. */
function startOfValue(line: string, name: string): number {
  let at = line.indexOf(name);
  if (at < 0) return Number.NaN;
  for (at += name.length; line.charCodeAt(at) === SPACE; ) at++;
  return at;
}

function hasText(line: string, name: string): boolean {
  const at = startOfValue(line, name);
  return line.charCodeAt(at) === QUOTE && line.charCodeAt(at + 1) !== QUOTE;
}

/** As it should be; every value may be anything. */
interface Chunk {
  readonly model?: unknown;
  readonly choices?: ReadonlyArray<{ readonly delta?: { readonly content?: unknown }; readonly finish_reason?: unknown } | null>;
  readonly usage?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
    readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
  } | null;
}

function parse(line: string): Chunk {
  try {
    const value: unknown = JSON.parse(Buffer.from(line.slice("data:".length), "latin1").toString("utf8"));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {}; // no JSON: it says nothing
  }
}

function choiceOf(line: string): NonNullable<Chunk["choices"]>[number] | undefined {
  const { choices } = parse(line);
  return Array.isArray(choices) ? choices[0] : undefined;
}

function wordOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function countOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}
