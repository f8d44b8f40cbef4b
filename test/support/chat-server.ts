/** An OpenAI-compatible server that is as poor or as broken as a test wants. It remembers what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";

export interface Manners {
  /** No `usage`, and `stream_options` is refused. */
  readonly withoutUsage?: boolean;
  /** Answers end after so many tokens, whatever is asked for. */
  readonly endsAfter?: number;
  /** `response_format` is refused with 400. */
  readonly refusesFormat?: boolean;
  /** `ignore_eos` is refused with 400. */
  readonly refusesIgnoreEos?: boolean;
  /** After so many requests it breaks off in mid-stream and closes its port. */
  readonly diesAfter?: number;
  /** Every request needs it; refusals repeat what was sent. */
  readonly key?: string;
  /** Between two tokens; absent: 1. */
  readonly pauseMs?: number;
  /** It speaks HTTPS, with these. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** What it calls its model. */
  readonly model?: string;
}

interface Body {
  readonly max_tokens: number;
  readonly messages: ReadonlyArray<{ readonly content: string }>;
  readonly ignore_eos?: unknown;
  readonly stream_options?: unknown;
  readonly response_format?: unknown;
}

export class ChatServer {
  readonly asked: Body[] = [];
  readonly #http: Server;

  constructor(private readonly manners: Manners = {}) {
    const answer = (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response);
    this.#http = manners.tls ? createTlsServer(manners.tls, answer) : createServer(answer);
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    const address = this.#http.address();
    return `${this.manners.tls ? "https" : "http"}://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  }

  stop(): void {
    this.#http.closeAllConnections();
    this.#http.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { key, model = "fake", diesAfter = Number.POSITIVE_INFINITY } = this.manners;
    const sent = request.headers.authorization;
    if (key !== undefined && sent !== `Bearer ${key}`) return refuse(response, 401, `the key in '${sent}' is wrong`);
    if (request.url === "/v1/models") return void response.end(JSON.stringify({ data: [{ id: model }] }));
    if (request.url !== "/v1/chat/completions") return refuse(response, 404, "there is nothing");
    let text = "";
    for await (const part of request.setEncoding("utf8")) text += part;
    const body = JSON.parse(text) as Body;
    const refused = this.#refusal(body);
    if (refused !== undefined) return refuse(response, 400, `${refused}, said ${sent}`);
    const number = this.asked.push(body);
    if (number > diesAfter) return this.#die(response);
    await this.#stream(response, body);
  }

  #refusal({ ignore_eos, stream_options, response_format }: Body): string | undefined {
    const { refusesFormat, refusesIgnoreEos, withoutUsage } = this.manners;
    if (refusesFormat && response_format !== undefined) return "response_format is not known";
    if (refusesIgnoreEos && ignore_eos !== undefined) return "ignore_eos is not known";
    return withoutUsage && stream_options !== undefined ? "stream_options is not known" : undefined;
  }

  /** With blanks in its JSON, as Python writes it. */
  async #stream(response: ServerResponse, { max_tokens, response_format }: Body): Promise<void> {
    const { endsAfter = max_tokens, withoutUsage, pauseMs = 1, model = "fake" } = this.manners;
    const tokens = Math.min(max_tokens, endsAfter);
    const words = response_format === undefined ? [] : ['{"', "customer", '": "'];
    for (let i = 0; i < tokens && !response.destroyed; i++) {
      response.write(
        `data: {"model": ${JSON.stringify(model)}, "choices": [{"delta": {"content": ${JSON.stringify(words[i] ?? "a ")}}}]}\n\n`,
      );
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    response.write('data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n');
    if (!withoutUsage) response.write(`data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": ${tokens}}}\n\n`);
    response.end("data: [DONE]\n\n");
  }

  #die(response: ServerResponse): void {
    response.write('data: {"choices": [{"delta": {"content": "a"}}]}\n\n', () => this.stop());
  }
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status).end(JSON.stringify({ error: { message } }));
}
