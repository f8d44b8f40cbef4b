/**
 * A stand-in of AWS Lambda's runtime API for one instance of a function: events are handed out one by one, answers are taken as they
 * stream in. Used by the lambda suites and bench/lambda.ts. The wire: docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Invoked {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
  /** The body as it came, with the milliseconds from the hand-out of the event to each part. */
  readonly parts: ReadonlyArray<{ readonly text: string; readonly atMs: number }>;
  /** To status and headers, and to the end. */
  readonly headersMs: number;
  readonly endMs: number;
  /** Of the request to the runtime API. */
  readonly sent: IncomingMessage["headers"];
  readonly trailers: IncomingMessage["trailers"];
}

interface Waiting {
  readonly event: object;
  readonly resolve: (invoked: Invoked) => void;
  readonly reject: (error: Error) => void;
}

/** What ends the prelude. */
const DELIMITER = Buffer.alloc(8);
const TIMEOUT_MS = 900_000;

export class LambdaApi {
  /** When the runtime asked for its first event, by performance.now(): the end of Lambda's init phase. */
  readonly polled: Promise<number>;
  /** What was told to /init/error. */
  readonly initErrors: Array<{ readonly type: string | undefined; readonly body: { readonly errorMessage: string } }> = [];
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response));
  readonly #events = new Map<string, Waiting & { handedOut?: number }>();
  readonly #queue: string[] = [];
  #waiting: ServerResponse | undefined;
  #noticePoll: (at: number) => void = () => undefined;

  constructor() {
    this.polled = new Promise((resolve) => {
      this.#noticePoll = resolve;
    });
  }

  /** @returns AWS_LAMBDA_RUNTIME_API */
  async listen(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  invoke(event: object): Promise<Invoked> {
    return new Promise((resolve, reject) => {
      const id = `request-${this.#events.size + 1}`;
      this.#events.set(id, { event, resolve, reject });
      this.#queue.push(id);
      this.#handOut();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, id] = /^\/2018-06-01\/runtime\/invocation\/([^/]+)\/response$/.exec(request.url ?? "") ?? [];
    if (id !== undefined) return this.#take(id, request, response);
    if (request.url === "/2018-06-01/runtime/init/error") {
      const type = request.headers["lambda-runtime-function-error-type"] as string | undefined;
      this.initErrors.push({ type, body: JSON.parse(Buffer.concat(await request.toArray()).toString()) });
      return void response.writeHead(202).end();
    }
    this.#noticePoll(performance.now());
    this.#waiting = response;
    this.#handOut();
  }

  #handOut(): void {
    if (this.#waiting === undefined) return;
    const id = this.#queue.shift();
    const waiting = id === undefined ? undefined : this.#events.get(id);
    if (id === undefined || waiting === undefined) return;
    waiting.handedOut = performance.now();
    const headers = {
      "lambda-runtime-aws-request-id": id,
      "lambda-runtime-deadline-ms": `${Date.now() + TIMEOUT_MS}`,
      "lambda-runtime-invoked-function-arn": "arn:aws:lambda:eu-central-1:123456789012:function:shimmy",
    };
    this.#waiting.writeHead(200, headers).end(JSON.stringify(waiting.event));
    this.#waiting = undefined;
  }

  async #take(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { handedOut = 0, resolve, reject } = this.#events.get(id) as Waiting & { handedOut?: number };
    const since = () => performance.now() - handedOut;
    let head = Buffer.alloc(0);
    let prelude: Pick<Invoked, "statusCode" | "headers"> | undefined;
    let headersMs = 0;
    const parts: Array<Invoked["parts"][number]> = [];
    try {
      for await (const chunk of request) {
        let rest = chunk as Buffer;
        if (prelude === undefined) {
          head = Buffer.concat([head, rest]);
          const end = head.indexOf(DELIMITER);
          if (end < 0) continue;
          prelude = JSON.parse(head.subarray(0, end).toString()) as Pick<Invoked, "statusCode" | "headers">;
          headersMs = since();
          rest = head.subarray(end + DELIMITER.length);
        }
        if (rest.length > 0) parts.push({ text: rest.toString(), atMs: since() });
      }
      response.writeHead(202).end();
      const { headers: sent, trailers } = request;
      if (prelude === undefined) throw new Error(`no prelude came: ${JSON.stringify({ head: head.toString(), trailers })}`);
      resolve({ ...prelude, parts, headersMs, endMs: since(), sent, trailers });
    } catch (error) {
      reject(error as Error);
    }
  }
}

/** As a Function URL makes it (payload format 2.0). */
export function functionUrlEvent(
  method: string,
  path: string,
  { body, headers = {} }: { body?: object; headers?: Readonly<Record<string, string>> } = {},
) {
  return {
    version: "2.0",
    rawPath: path,
    rawQueryString: "",
    headers: { host: "abc.lambda-url.eu-central-1.on.aws", "content-type": "application/json", ...headers },
    requestContext: { http: { method, path } },
    ...(body && { body: Buffer.from(JSON.stringify(body)).toString("base64"), isBase64Encoded: true }),
  };
}
