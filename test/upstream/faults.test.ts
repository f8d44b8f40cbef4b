/** Upstreams that die, drain or misbehave while they are asked: what had not begun is answered by another one, and the gateway goes on. */
import type { ChatCompletion } from "openai/resources/chat/completions";
import { afterEach, describe, expect, test } from "vitest";
import { metric } from "../support/raw.ts";
import { post, startServer, type TestServer, until } from "../support/server.ts";
import { gatewayBefore, QUESTION, type Read, rawStandIn, readStream, type Stand, standIn, told } from "./support.ts";

const stops: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
}, 30_000);

async function shimmy(port?: number): Promise<TestServer> {
  const server = await startServer({ args: port === undefined ? [] : ["--bind", `127.0.0.1:${port}`] });
  stops.push(() => server.stop());
  return server;
}

async function gatewayOf(urls: readonly string[], args: readonly string[] = []): Promise<TestServer> {
  const gateway = await gatewayBefore(urls, args);
  stops.push(() => gateway.stop());
  return gateway;
}

async function stand(made: Promise<Stand>): Promise<Stand> {
  const server = await made;
  stops.push(() => server.stop());
  return server;
}

const chat = (gateway: TestServer, fields: object = {}) => post(gateway, "/v1/chat/completions", { ...QUESTION, ...fields });

/** Streams of different conversations, a few at once, until `enough` have ended. */
async function load(gateway: TestServer, enough: number, onAnswer: (answers: number) => void): Promise<Read[]> {
  const reads: Read[] = [];
  let asked = 0;
  const client = async () => {
    while (asked < enough) {
      const content = `Question ${asked++}`;
      const response = await chat(gateway, { messages: [{ role: "user", content }], max_tokens: 24, stream: true, temperature: 1 });
      reads.push(await readStream(response));
      onAnswer(reads.length);
    }
  };
  await Promise.all(Array.from({ length: 6 }, client));
  return reads;
}

describe("under load", () => {
  test("an upstream that is killed costs only streams that had begun, and none of them is begun again", async () => {
    const behind = await Promise.all([shimmy(), shimmy(), shimmy()]);
    const gateway = await gatewayOf(behind.map(({ url }) => url));
    await load(gateway, 12, () => undefined);
    const victim = behind[1]!;
    let killed = false;
    const reads = await load(gateway, 48, (answers) => {
      if (answers < 12 || killed) return;
      killed = true;
      victim.process.kill("SIGKILL");
    });
    expect(reads).toHaveLength(48);
    const lost = reads.filter(({ done }) => !done);
    // What was lost had been read from: nobody could take it back.
    for (const read of lost) {
      expect(read.pieces).toBeGreaterThan(0);
      expect(read.error).toMatchObject({ code: "upstream_failed" });
    }
    expect(lost.length).toBeLessThanOrEqual(6);
    for (const { status } of reads) expect(status).toBe(200);
    const { degraded } = await told(fetch(`${gateway.url}/health`));
    expect(degraded).toMatchObject([{ upstream: 2, reason: expect.any(String), retry_after: expect.any(Number) }]);
  }, 60_000);

  test("an upstream that drains loses nothing", async () => {
    const behind = await Promise.all([shimmy(), shimmy(), shimmy()]);
    const gateway = await gatewayOf(behind.map(({ url }) => url));
    await load(gateway, 6, () => undefined);
    let signalled = false;
    const reads = await load(gateway, 48, (answers) => {
      if (answers < 12 || signalled) return;
      signalled = true;
      behind[2]!.process.kill("SIGTERM");
    });
    expect(reads.filter(({ done, status }) => done && status === 200)).toHaveLength(48);
    // It has ended as it was told to: that is no failure, and it is asked again when it is back.
    const { port, process: drained } = behind[2]!;
    const count = (name: string, more = "") => metric(gateway, name, `{upstream="127.0.0.1:${port}"${more}`);
    expect(await told(fetch(`${gateway.url}/health`))).not.toHaveProperty("degraded");
    expect(await count("shimmy_upstream_breaker_opens_total")).toBe(0);
    expect(await count("shimmy_upstream_requests_total", `,end="failed"`)).toBe(0);
    const answered = await count("shimmy_upstream_requests_total", `,end="answered"`);
    await until(() => drained.exitCode !== null);
    await shimmy(port);
    await until(() => gateway.stderr().includes("an upstream is back"));
    await load(gateway, 36, () => undefined);
    expect(await count("shimmy_upstream_requests_total", `,end="answered"`)).toBeGreaterThan(answered);
  }, 60_000);
});

test("an upstream that comes back is asked again: its breaker opens and closes", async () => {
  const first = await startServer();
  const gateway = await gatewayOf([first.url]);
  expect((await chat(gateway, { max_tokens: 1 })).status).toBe(200);
  await first.stop();
  const refused = await chat(gateway, { max_tokens: 1 });
  expect(refused.status).toBe(502);
  expect((await told(refused)).error?.code).toBe("upstream_failed");
  const state = async () => /^shimmy_upstream_breaker_state\{.*\} (\d)$/m.exec(await (await fetch(`${gateway.url}/metrics`)).text())?.[1];
  expect(await state()).toBe("2");
  await shimmy(first.port);
  await until(async () => (await chat(gateway, { max_tokens: 1 })).status === 200);
  expect(await state()).toBe("0");
  expect(await told(fetch(`${gateway.url}/health`))).not.toHaveProperty("degraded");
}, 30_000);

test("the same model here answers when no upstream does, and is listed once", async () => {
  const first = await startServer();
  const gateway = await startServer({ args: ["--upstream", first.url] });
  stops.push(() => gateway.stop());
  const { data } = await told(fetch(`${gateway.url}/v1/models`));
  expect(data).toHaveLength(1);
  expect((await chat(gateway, { max_tokens: 3 })).status).toBe(200);
  expect(await gateway.engines()).toEqual([]);
  await first.stop();
  expect((await chat(gateway, { max_tokens: 3 })).status).toBe(200);
  expect(await gateway.engines()).toHaveLength(1);
}, 30_000);

describe("an upstream that misbehaves is an error, and the gateway goes on", () => {
  const sse = (...frames: readonly string[]) =>
    standIn((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(frames.join(""));
    });
  const text = `data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n`;

  test.each<[string, () => Promise<Stand>]>([
    ["no JSON in its events", () => sse("data: {nonsense\n\n")],
    ["JSON of another kind", () => sse(`data: {"foo":1}\n\n`, `data: [1]\n\n`)],
    ["no events at all", () => sse("")],
    ["another choice than there are", () => sse(`data: {"choices":[{"index":7,"delta":{"content":"x"}}]}\n\n`)],
    ["a line without end", () => sse("data: ", "x".repeat(9_000_000))],
    ["a whole answer", () => standIn((_, response) => response.writeHead(200).end(`{"choices":[]}`))],
    ["a status without sense", () => standIn((_, response) => response.writeHead(302, { location: "/" }).end())],
    ["our key refused", () => standIn((_, response) => response.writeHead(401).end(`{"error":"no"}`))],
    ["a broken body of an error", () => standIn((_, response) => response.writeHead(500).end("\u0000{".repeat(1000)))],
  ])("%s", async (_, made) => {
    const bad = await stand(made());
    const gateway = await gatewayOf([bad.url]);
    const response = await chat(gateway, { model: "tiny-stand" });
    expect(response.status).toBe(502);
    expect((await told(response)).error).toMatchObject({ code: "upstream_failed", message: expect.stringMatching(/tiny-stand/) });
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
  });

  test("headers without end", async () => {
    const list = `{"data":[{"id":"tiny-stand"}]}`;
    const bad = await stand(
      rawStandIn((socket, request) => {
        if (request.startsWith("GET")) socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${list.length}\r\nconnection: close\r\n\r\n${list}`);
        else socket.write(`HTTP/1.1 200 OK\r\n${"x-more: and more\r\n".repeat(5000)}`);
      }),
    );
    const gateway = await gatewayOf([bad.url]);
    expect((await chat(gateway, { model: "tiny-stand" })).status).toBe(502);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
  });

  test("an end in mid-stream, after a piece was told, is told and asked of nobody else", async () => {
    let asked = 0;
    const bad = () =>
      stand(
        standIn((_, response) => {
          asked++;
          response.writeHead(200, { "content-type": "text/event-stream" });
          response.write(text, () => response.destroy());
        }),
      );
    const gateway = await gatewayOf([(await bad()).url, (await bad()).url]);
    const read = await readStream(await chat(gateway, { model: "tiny-stand", stream: true }));
    expect([asked, read.text, read.done]).toEqual([1, "Hi", false]);
    expect(read.error).toMatchObject({ code: "upstream_failed" });
  });

  test("an end in the middle of an answer that is not streamed is followed by another: its client has read nothing", async () => {
    const end = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n`;
    let asked = 0;
    const made = () =>
      stand(
        standIn((_, response) => {
          response.writeHead(200, { "content-type": "text/event-stream" });
          if (asked++ === 0) response.write(text, () => response.destroy());
          else response.end(text + end);
        }),
      );
    const gateway = await gatewayOf([(await made()).url, (await made()).url]);
    const answer = await told<ChatCompletion>(chat(gateway, { model: "tiny-stand" }));
    expect([asked, answer.choices[0]!.message.content]).toEqual([2, "Hi"]);
  });

  test("one that opens a stream and dies before its first piece is followed by another", async () => {
    const role = `data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n`;
    const end = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n`;
    let asked = 0;
    const made = () =>
      stand(
        standIn((_, response) => {
          response.writeHead(200, { "content-type": "text/event-stream" });
          if (asked++ === 0) response.write(role, () => response.destroy());
          else response.end(role + text + end);
        }),
      );
    const gateway = await gatewayOf([(await made()).url, (await made()).url]);
    const read = await readStream(await chat(gateway, { model: "tiny-stand", stream: true }));
    expect([asked, read.text, read.done]).toEqual([2, "Hi", true]);
  });

  test("a full queue is a full queue here, with the time of its Retry-After", async () => {
    const full = await stand(standIn((_, response) => response.writeHead(429, { "retry-after": "7" }).end("{}")));
    const gateway = await gatewayOf([full.url]);
    const response = await chat(gateway, { model: "tiny-stand" });
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "7"]);
    expect((await told(response)).error?.code).toBe("queue_full");
  });

  test("a caller who leaves ends the work there at once, and it counts as no failure", async () => {
    let ended: (() => void) | undefined;
    const over = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const good = await stand(
      standIn((_, response) => {
        response.writeHead(200).write(text);
        response.once("close", () => ended?.());
      }),
    );
    const gateway = await gatewayOf([good.url]);
    const leave = new AbortController();
    const body = { ...QUESTION, model: "tiny-stand", stream: true };
    const response = await post(gateway, "/v1/chat/completions", body, { signal: leave.signal });
    await response.body!.getReader().read();
    leave.abort();
    await over;
    const metrics = async () => (await fetch(`${gateway.url}/metrics`)).text();
    await until(async () => /^shimmy_upstream_requests_total\{.*end="left"\} 1$/m.test(await metrics()));
    expect(await metrics()).toMatch(/^shimmy_upstream_in_flight\{.*\} 0$/m);
    expect(await metrics()).toMatch(/^shimmy_upstream_breaker_state\{.*\} 0$/m);
  });

  test("that a batch may wait is told to a Shimmy, and to nobody whose place in the queue is the usual one", async () => {
    const seen: unknown[] = [];
    const good = await stand(
      standIn((request, response) => {
        seen.push(request.headers["x-shimmy-priority"]);
        response.writeHead(200).end(`${text}data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n`);
      }),
    );
    const gateway = await gatewayOf([good.url]);
    for (const said of ["3", "-3", "soon", undefined]) {
      const headers = said === undefined ? undefined : { "x-shimmy-priority": said };
      await post(gateway, "/v1/chat/completions", { ...QUESTION, model: "tiny-stand" }, { ...(headers && { headers }) });
    }
    expect(seen).toEqual(["3", undefined, undefined, undefined]);
  });

  test("key, trace and request id are passed on", async () => {
    let seen: Record<string, unknown> = {};
    const good = await stand(
      standIn((request, response) => {
        seen = request.headers;
        response.writeHead(200).end(`${text}data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n`);
      }),
    );
    const gateway = await gatewayOf([`one=${good.url}/v1,key=secret-key,weight=2`]);
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const response = await post(gateway, "/v1/chat/completions", { ...QUESTION, model: "tiny-stand" }, { headers: { traceparent } });
    expect(response.status).toBe(200);
    expect(seen).toMatchObject({ authorization: "Bearer secret-key", traceparent, "x-request-id": response.headers.get("x-request-id") });
    expect(gateway.stderr()).not.toContain("secret-key");
  });
});
