/** The template lambda: its handler in a process of its own, between a stand-in of Lambda's runtime API and Shimmy Tiny. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bareEnvironment, finished, temporaryFolder } from "../support/command.ts";
import { made } from "./made.ts";

const RUNTIME = resolve("test/deploy/lambda-runtime.mjs");
const KEY = "a-key-of-the-test";

interface Invoked {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  /** As they came. */
  readonly parts: readonly string[];
}

/** One instance of a function: events are handed out one by one, as Lambda does. */
class RuntimeApi {
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));
  readonly #events = new Map<string, { event: object; done: (invoked: Invoked) => void }>();
  readonly #queue: string[] = [];
  #waiting: ServerResponse | undefined;

  async listen(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  invoke(event: object): Promise<Invoked> {
    return new Promise((done) => {
      const id = `${this.#events.size + 1}`;
      this.#events.set(id, { event, done });
      this.#queue.push(id);
      this.#handOut();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [, id] = /\/invocation\/(\d+)\/response$/.exec(request.url ?? "") ?? [];
    if (id !== undefined) return void this.#take(id, request, response);
    this.#waiting = response;
    this.#handOut();
  }

  #handOut(): void {
    if (this.#waiting === undefined) return;
    const id = this.#queue.shift();
    if (id === undefined) return;
    this.#waiting.writeHead(200, { "lambda-runtime-aws-request-id": id }).end(JSON.stringify(this.#events.get(id)?.event));
    this.#waiting = undefined;
  }

  async #take(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    expect(request.headers).toMatchObject({
      "lambda-runtime-function-response-mode": "streaming",
      "content-type": "application/vnd.awslambda.http-integration-response",
    });
    const parts: string[] = [];
    for await (const chunk of request) parts.push(String(chunk));
    response.writeHead(202).end();
    const [prelude, body] = parts.join("").split("\0".repeat(8)) as [string, string];
    const rest = parts.filter((part) => body !== "" && body.includes(part));
    this.#events.get(id)?.done({ ...JSON.parse(prelude), parts: rest });
  }
}

/** As a Function URL makes it (payload format 2.0). */
function event(method: string, path: string, body?: object, headers: Record<string, string> = { "x-api-key": KEY }) {
  return {
    version: "2.0",
    rawPath: path,
    rawQueryString: "",
    headers: { host: "abc.lambda-url.eu-central-1.on.aws", "content-type": "application/json", ...headers },
    requestContext: { http: { method, path } },
    ...(body && { body: Buffer.from(JSON.stringify(body)).toString("base64"), isBase64Encoded: true }),
  };
}

describe("the handler", () => {
  const folder = temporaryFolder();
  const api = new RuntimeApi();
  let task: string;
  let runtime: ChildProcess;
  let coldMs: number;
  const started = (env: Readonly<Record<string, string>>, address = "") =>
    spawn(process.execPath, [RUNTIME], {
      cwd: task,
      env: { ...bareEnvironment(folder), AWS_LAMBDA_RUNTIME_API: address, LAMBDA_TASK_ROOT: task, _HANDLER: "lambda.handler", ...env },
    });

  beforeAll(async () => {
    task = await made(folder, "lambda");
    mkdirSync(join(task, "node_modules"));
    symlinkSync(resolve("."), join(task, "node_modules/shimmy"), "dir");
    const address = await api.listen();
    const begun = performance.now();
    runtime = started({ SHIMMY_API_KEY: KEY, SHIMMY_FILES: "false" }, address);
    runtime.stderr?.resume();
    await api.invoke(event("GET", "/health"));
    coldMs = performance.now() - begun;
  });
  afterAll(() => {
    runtime?.kill("SIGKILL");
    api.close();
  });

  const messages = [{ role: "user", content: "What is the capital of France?" }];
  const chat = (more: object = {}) => event("POST", "/v1/chat/completions", { messages, temperature: 0, ...more });

  test("its cold start is measured", () => {
    expect(coldMs).toBeGreaterThan(0);
  });

  test("answers whole, with status and headers", async () => {
    const { statusCode, headers, parts } = await api.invoke(chat());
    expect([statusCode, headers["content-type"]]).toEqual([200, expect.stringContaining("application/json")]);
    expect(JSON.parse(parts.join(""))).toMatchObject({ choices: [{ message: { content: "The capital of France is Paris." } }] });
  });

  test("streams: the answer comes in parts, and ends as OpenAI's does", async () => {
    const { headers, parts } = await api.invoke(chat({ stream: true }));
    expect(headers["content-type"]).toMatch(/^text\/event-stream/);
    expect(parts.length).toBeGreaterThan(3);
    expect(parts.join("").trimEnd()).toMatch(/^data: .*data: \[DONE\]$/s);
  });

  test("refuses whoever has no key, and tells what is unknown", async () => {
    expect((await api.invoke(event("GET", "/v1/models", undefined, {}))).statusCode).toBe(401);
    expect((await api.invoke(event("GET", "/v1/nowhere"))).statusCode).toBe(404);
  });

  test("does not start without a key: the URL is open to everybody", async () => {
    const { code, stderr } = await finished(started({}));
    expect(code).not.toBe(0);
    expect(stderr).toContain("SHIMMY_API_KEY is not set");
  });
});
