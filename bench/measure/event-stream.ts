/**
 * The client's side of one streamed answer: bytes in, arrival times out. Called by client.ts for every chunk of a response.
 * It looks at lines with indexOf only, and decodes JSON after the run, so that measuring takes no CPU from the servers on the same cores.
 */

/** What both servers report at the end of a stream (OpenAI `usage`). */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens taken from the KV cache, where the server tells. */
  readonly cachedTokens?: number;
}

const CONTENT = '"content":"';
const QUOTE = 34;

/** Server-sent events of a chat completion. Times are whatever clock the caller pushes. */
export class EventStream {
  /** Arrival of each chunk that carries text; role, finish and usage chunks are not tokens. */
  readonly chunkMs: number[] = [];
  done = false;
  /** The line of an error event in mid-stream. */
  error: string | undefined;
  private readonly contentLines: string[] = [];
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
    this.tail = text.slice(start);
  }

  private line(line: string, nowMs: number): void {
    const at = line.indexOf(CONTENT);
    if (at >= 0 && line.charCodeAt(at + CONTENT.length) !== QUOTE) {
      this.chunkMs.push(nowMs);
      this.contentLines.push(line);
    }
    if (line.includes('"finish_reason":"')) this.finishLine = line;
    if (line.includes('"usage":{')) this.usageLine = line;
    if (line.includes('"error":{')) this.error = line;
    if (line.startsWith("data: [DONE]")) this.done = true;
  }

  /** The whole answer. Call it after the run. */
  text(): string {
    return this.contentLines.map((line) => choiceOf(line)?.delta?.content ?? "").join("");
  }

  finishReason(): string | undefined {
    return this.finishLine === undefined ? undefined : (choiceOf(this.finishLine)?.finish_reason ?? undefined);
  }

  usage(): Usage | undefined {
    const usage = this.usageLine === undefined ? undefined : parse(this.usageLine).usage;
    if (!usage) return undefined;
    const cachedTokens = usage.prompt_tokens_details?.cached_tokens;
    return {
      promptTokens: usage.prompt_tokens,
      completionTokens: usage.completion_tokens,
      ...(cachedTokens === undefined ? {} : { cachedTokens }),
    };
  }
}

interface Chunk {
  readonly choices?: ReadonlyArray<{ readonly delta?: { readonly content?: string }; readonly finish_reason?: string | null }>;
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  };
}

function parse(line: string): Chunk {
  return JSON.parse(Buffer.from(line.slice("data:".length), "latin1").toString("utf8")) as Chunk;
}

function choiceOf(line: string): NonNullable<Chunk["choices"]>[number] | undefined {
  return parse(line).choices?.[0];
}
