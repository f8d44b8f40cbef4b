/** Faults: an engine that dies fails its own requests, is replaced, and takes nobody with it. */

import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, { APIError, InternalServerError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isGone, maps } from "../support/process.ts";
import { askJson, begin, load, metric } from "../support/raw.ts";
import { startServer, type TestServer, TINY, until } from "../support/server.ts";
import { ENDLESS, WIDE } from "../support/work.ts";

let folder: string;
let server: TestServer;
let client: OpenAI;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-death-"));
  copyFileSync(TINY, join(folder, "other.gguf"));
  server = await startServer({ args: [...WIDE, "--model-dirs", folder] });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const short = (model: string) => askJson(server, "/v1/completions", { model, prompt: "Once upon a time", max_tokens: 3, temperature: 0 });

/** The engine that serves a model: started for it if need be. */
async function engineOf(model: string): Promise<number> {
  await until(async () => (await short(model)).status === 200);
  const pids = await server.engines();
  const file = model === "shimmy-tiny" ? "shimmy-tiny-q8_0.gguf" : `${model}.gguf`;
  return pids.find((pid) => maps(pid, file))!;
}

const running = async (model: string) => (await load(server, model)).running;

describe.each(["SIGKILL", "SIGABRT", "SIGSEGV"] as const)("an engine that ends by %s", (signal) => {
  test("in a stream: an error frame in OpenAI's shape, then the end", async () => {
    const pid = await engineOf("shimmy-tiny");
    const stream = await begin(server, "/v1/chat/completions", {
      ...ENDLESS,
      prompt: undefined,
      messages: [{ role: "user", content: "Hi" }],
      stream: true,
    });
    await until(() => stream.received().split("data: ").length > 3);
    process.kill(pid, signal);
    await until(() => stream.received().endsWith("0\r\n\r\n"));
    const last = stream.received().split("data: ").at(-1)!;
    expect(JSON.parse(last.slice(0, last.indexOf("\n")))).toEqual({
      error: {
        message: expect.stringContaining(`killed by ${signal}`),
        type: "server_error",
        param: null,
        code: "engine_gone",
        hint: expect.any(String),
      },
    });
    expect(stream.received()).not.toContain("[DONE]");
    stream.destroy();
  });

  test("in a whole answer: 503 engine_gone", async () => {
    const pid = await engineOf("shimmy-tiny");
    const answer = askJson(server, "/v1/completions", ENDLESS);
    await until(async () => (await running("shimmy-tiny")) === 1);
    process.kill(pid, signal);
    const { status, json } = await answer;
    expect([status, json.error.code]).toEqual([503, "engine_gone"]);
  });

  test("all of its requests hear of it, the streams of another model do not", async () => {
    const pid = await engineOf("shimmy-tiny");
    await engineOf("other");
    const untouched = await begin(server, "/v1/completions", { ...ENDLESS, model: "other", max_tokens: 400, stream: true });
    await until(() => untouched.received().includes("data: "));
    const failing = Array.from({ length: 6 }, () => askJson(server, "/v1/completions", ENDLESS));
    await until(async () => (await running("shimmy-tiny")) === 6);
    process.kill(pid, signal);
    expect((await Promise.all(failing)).map(({ status }) => status)).toEqual(Array(6).fill(503));
    await until(() => untouched.received().includes("[DONE]"));
    expect(untouched.received()).toContain('"finish_reason":"length"');
    untouched.destroy();
  });

  test("it is replaced, the next request is answered, and the gateway is the same process", async () => {
    const pid = await engineOf("shimmy-tiny");
    const before = await metric(server, "shimmy_engine_restarts_total", '{model="shimmy-tiny"}');
    process.kill(pid, signal);
    await until(async () => (await metric(server, "shimmy_engine_restarts_total", '{model="shimmy-tiny"}')) === before + 1);
    expect((await short("shimmy-tiny")).status).toBe(200);
    expect(await engineOf("shimmy-tiny")).not.toBe(pid);
    expect(server.process.exitCode).toBeNull();
    expect(await load(server)).toEqual({ running: 0, queued: 0 });
  });
});

test("the official client sees a dead engine as an error of the server, in a stream and in a whole answer", async () => {
  let pid = await engineOf("shimmy-tiny");
  const stream = await client.completions.create({ ...ENDLESS, stream: true });
  const reading = (async () => {
    for await (const chunk of stream) if (chunk.choices[0]?.text === undefined) throw new Error("not a chunk");
  })();
  await until(async () => (await running("shimmy-tiny")) === 1);
  process.kill(pid, "SIGKILL");
  await expect(reading).rejects.toSatisfy((error) => error instanceof APIError && error.code === "engine_gone");

  pid = await engineOf("shimmy-tiny");
  const whole = client.completions.create(ENDLESS).catch((error: unknown) => error);
  await until(async () => (await running("shimmy-tiny")) === 1);
  process.kill(pid, "SIGKILL");
  expect(await whole).toBeInstanceOf(InternalServerError);
});

test("an engine that is killed while it loads fails those who wait, and after a rest a request loads it again", async () => {
  copyFileSync(TINY, join(folder, "fresh.gguf"));
  await until(async () => (await fetch(`${server.url}/v1/models/fresh`)).ok);
  const before = new Set(await server.engines());
  const waiting = short("fresh");
  let pid: number | undefined;
  await until(async () => {
    pid = (await server.engines()).find((each) => !before.has(each));
    return pid !== undefined;
  });
  process.kill(pid!, "SIGKILL");
  const { status, json } = await waiting;
  expect([status, json.error.code]).toEqual([503, "model_load_failed"]);
  await until(async () => (await short("fresh")).status === 200);
});

test("a gateway that is killed takes its engines with it", async () => {
  const doomed = await startServer({ args: [...WIDE] });
  const stream = await begin(doomed, "/v1/completions", { ...ENDLESS, stream: true });
  await until(() => stream.received().includes("data: "));
  const [engine] = await doomed.engines();
  doomed.process.kill("SIGKILL");
  await stream.closed;
  await until(() => isGone(engine!));
});
