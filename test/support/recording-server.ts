/** A server of chat completions that remembers what it was asked, for the tests of the workloads, here and in bench/. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

interface Message {
  readonly role: string;
  readonly content: string;
}

interface Asked {
  readonly messages: readonly Message[];
  readonly max_tokens: number;
  readonly logit_bias?: unknown;
  readonly response_format?: { readonly json_schema: { readonly schema: unknown } };
}

/** A server that answers every request in chunks that are all different, all requests at once, and remembers what was asked. */
export class RecordingServer {
  readonly asked: Asked[] = [];
  readonly answers: string[] = [];
  most = 0;
  status = 200;
  #open = 0;
  readonly #http: Server = createServer((req, res) => void this.#answer(req, res));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    const address = this.#http.address();
    return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  }

  stop(): void {
    this.#http.closeAllConnections();
    this.#http.close();
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let text = "";
    for await (const part of req.setEncoding("utf8")) text += part;
    const body = JSON.parse(text) as Asked;
    const number = this.asked.push(body) - 1;
    if (this.status !== 200 && body.response_format) return void res.writeHead(this.status).end('{"error":{"message":"not yet"}}');
    this.most = Math.max(this.most, ++this.#open);
    let answer = "";
    for (let i = 0; i < body.max_tokens && !res.destroyed; i++) {
      const content = `a${number}.${i} `;
      answer += content;
      res.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.answers[number] = answer;
    this.#open--;
    const usage = { prompt_tokens: 100, completion_tokens: body.max_tokens, prompt_tokens_details: { cached_tokens: 90 } };
    res.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
  }
}
