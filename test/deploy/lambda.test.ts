/** The template lambda: its handler in a process of its own, between a stand-in of Lambda's runtime API and Shimmy Tiny. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bareEnvironment, finished, temporaryFolder } from "../support/command.ts";
import { functionUrlEvent, type Invoked, LambdaApi } from "../support/lambda-api.ts";
import { made } from "./made.ts";

const RUNTIME = resolve("test/deploy/lambda-runtime.mjs");
const KEY = "a-key-of-the-test";

function event(method: string, path: string, body?: object, headers: Record<string, string> = { "x-api-key": KEY }) {
  return functionUrlEvent(method, path, { ...(body && { body }), headers });
}

const textOf = ({ parts }: Invoked) => parts.map(({ text }) => text).join("");

describe("the handler", () => {
  const folder = temporaryFolder();
  const api = new LambdaApi();
  let address: string;
  let task: string;
  let runtime: ChildProcess;
  const started = (env: Readonly<Record<string, string>>, at = address) =>
    spawn(process.execPath, [RUNTIME], {
      cwd: task,
      env: { ...bareEnvironment(folder), AWS_LAMBDA_RUNTIME_API: at, LAMBDA_TASK_ROOT: task, _HANDLER: "lambda.handler", ...env },
    });

  beforeAll(async () => {
    task = await made(folder, "lambda");
    mkdirSync(join(task, "node_modules"));
    symlinkSync(resolve("."), join(task, "node_modules/shimmy"), "dir");
    address = await api.listen();
    runtime = started({ SHIMMY_API_KEY: KEY, SHIMMY_FILES: "false" });
    runtime.stderr?.resume();
    await api.polled;
  });
  afterAll(() => {
    runtime?.kill("SIGKILL");
    api.close();
  });

  const messages = [{ role: "user", content: "What is the capital of France?" }];
  const chat = (more: object = {}) => event("POST", "/v1/chat/completions", { messages, temperature: 0, ...more });

  test("answers whole, with status and headers, in the form of Lambda's HTTP integration", async () => {
    const answer = await api.invoke(chat());
    expect([answer.statusCode, answer.headers["content-type"]]).toEqual([200, expect.stringContaining("application/json")]);
    expect(JSON.parse(textOf(answer))).toMatchObject({ choices: [{ message: { content: "The capital of France is Paris." } }] });
    expect(answer.sent).toMatchObject({
      "lambda-runtime-function-response-mode": "streaming",
      "content-type": "application/vnd.awslambda.http-integration-response",
      "transfer-encoding": "chunked",
    });
    expect(answer.trailers).toEqual({});
  });

  test("streams: the answer comes in parts, and ends as OpenAI's does", async () => {
    // A long one: parts that come while this process has no processor are read as one, and a short answer may be one such part.
    const answer = await api.invoke(chat({ stream: true, max_tokens: 1500, ignore_eos: true }));
    expect(answer.headers["content-type"]).toMatch(/^text\/event-stream/);
    expect(answer.parts.length).toBeGreaterThan(3);
    expect(textOf(answer).trimEnd()).toMatch(/^data: .*data: \[DONE\]$/s);
  });

  test("an answer without a body keeps its status and headers", async () => {
    const answer = await api.invoke(event("HEAD", "/health"));
    expect([answer.statusCode, textOf(answer)]).toEqual([200, ""]);
    expect(answer.headers["content-type"]).toContain("application/json");
  });

  test("refuses whoever has no key, and tells what is unknown", async () => {
    expect((await api.invoke(event("GET", "/v1/models", undefined, {}))).statusCode).toBe(401);
    expect((await api.invoke(event("GET", "/v1/nowhere"))).statusCode).toBe(404);
  });

  test("a body that is no JSON is a 400, as text and in base64", async () => {
    for (const more of [{ body: "{" }, { body: Buffer.from("{").toString("base64"), isBase64Encoded: true }]) {
      const answer = await api.invoke({ ...event("POST", "/v1/chat/completions"), ...more });
      expect([answer.statusCode, textOf(answer)]).toEqual([400, expect.stringContaining("error")]);
    }
  });

  test("does not start without a key, since the URL is open to everybody, and tells Lambda why", async () => {
    const other = new LambdaApi();
    const { code, stderr } = await finished(started({}, await other.listen()));
    other.close();
    expect(code).not.toBe(0);
    expect(stderr).toContain("SHIMMY_API_KEY is not set");
    expect(other.initErrors).toMatchObject([{ type: "Error", body: { errorMessage: "SHIMMY_API_KEY is not set" } }]);
  });
});

/** Of a `shimmy` that answers as each path says, so that one can see what the handler makes of what ours never does. */
const ODD = `export const createShimmy = async () => ({
  fetch: async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/cookies") {
      const headers = new Headers({ "x-got": request.headers.get("cookie") });
      for (const cookie of ["a=1; Path=/", "b=2, 3"]) headers.append("set-cookie", cookie);
      return new Response("yes", { headers });
    }
    if (pathname === "/empty") return new Response(null, { status: 204, headers: { "x-some": "thing" } });
    const broken = new ReadableStream({
      start: (stream) => stream.enqueue(new TextEncoder().encode("half")),
      pull: () => Promise.reject(new RangeError("it broke")),
    });
    return new Response(broken);
  },
});
`;

describe("the handler, whatever it is given to send", () => {
  const folder = temporaryFolder();
  const api = new LambdaApi();
  let runtime: ChildProcess;
  beforeAll(async () => {
    const task = await made(folder, "lambda");
    mkdirSync(join(task, "node_modules/shimmy"), { recursive: true });
    writeFileSync(join(task, "node_modules/shimmy/package.json"), '{"type":"module","exports":"./index.js"}');
    writeFileSync(join(task, "node_modules/shimmy/index.js"), ODD);
    const env = { LAMBDA_TASK_ROOT: task, _HANDLER: "lambda.handler", SHIMMY_API_KEY: KEY, AWS_LAMBDA_RUNTIME_API: await api.listen() };
    runtime = spawn(process.execPath, [RUNTIME], { cwd: task, env: { ...bareEnvironment(folder), ...env } });
    runtime.stderr?.resume();
  });
  afterAll(() => {
    runtime?.kill("SIGKILL");
    api.close();
  });

  test("an empty body has its status; cookies go in and out as Lambda wants them: apart", async () => {
    expect(await api.invoke(event("GET", "/empty"))).toMatchObject({ statusCode: 204, headers: { "x-some": "thing" }, parts: [] });
    const cookies = await api.invoke({ ...event("GET", "/cookies"), cookies: ["x=1", "y=2"] });
    expect(cookies).toMatchObject({ headers: { "x-got": "x=1; y=2" }, cookies: ["a=1; Path=/", "b=2, 3"] });
    expect(cookies.headers).not.toHaveProperty("set-cookie");
  });

  test("what breaks half-way is told in the trailers, and the next event is answered", async () => {
    const broken = await api.invoke(event("GET", "/broken"));
    expect([broken.statusCode, textOf(broken)]).toEqual([200, "half"]);
    expect(broken.trailers).toMatchObject({ "lambda-runtime-function-error-type": "RangeError" });
    const told = Buffer.from(broken.trailers["lambda-runtime-function-error-body"] ?? "", "base64").toString();
    expect(JSON.parse(told)).toMatchObject({ errorType: "RangeError", errorMessage: "it broke" });
    expect((await api.invoke(event("GET", "/empty"))).statusCode).toBe(204);
  });
});
