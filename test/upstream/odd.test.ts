/** Upstreams that are odd, and well or nearly so: what they say arrives, or is told in clear words, and they are asked again when they can be. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { ChatCompletion } from "openai/resources/chat/completions";
import { afterEach, describe, expect, test } from "vitest";
import { post, startServer, type TestServer, until } from "../support/server.ts";
import { QUESTION, readStream, type Stand, standIn, type Told, told } from "./support.ts";

const stops: Array<() => unknown> = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
}, 30_000);

async function gatewayOf(urls: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const args = [...urls.flatMap((url) => ["--upstream", url]), "--no-embedded-model"];
  const gateway = await startServer({ args, env });
  stops.push(() => gateway.stop());
  return gateway;
}

async function stand(answer: RequestListener, lists = false): Promise<Stand> {
  const server = await standIn(answer, lists);
  stops.push(() => server.stop());
  return server;
}

const chat = (gateway: TestServer, fields: object = {}) =>
  post(gateway, "/v1/chat/completions", { ...QUESTION, model: "tiny-stand", ...fields });
const contentOf = async (gateway: TestServer, fields: object = {}) =>
  (await told<ChatCompletion>(chat(gateway, fields))).choices[0]!.message.content;

const piece = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
const END = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n`;
const LIST = JSON.stringify({ object: "list", data: [{ id: "tiny-stand" }] });
const sse = (...frames: ReadonlyArray<string | Buffer>): RequestListener => {
  return (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const frame of frames) response.write(frame);
    response.end();
  };
};

describe("a stream", () => {
  test.each<[string, string, RequestListener]>([
    ["of comments and keep-alives", "Hi you", sse(": hello\n\n", piece("Hi"), ": ping\n\n:\n\n", piece(" you"), END)],
    ["with a mark of byte order", "Hi", sse(`\uFEFF${piece("Hi")}`, END)],
    ["with names, ids and CRLF", "Hi", sse(`event: message\r\nid: 7\r\nretry: 10\r\n${piece("Hi").replaceAll("\n", "\r\n")}`, END)],
    ["without an end mark and a last empty line", "Hi", sse(piece("Hi"), END.trimEnd())],
    [
      "cut at every byte",
      "Ü🦝 hé",
      (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        for (const byte of Buffer.from(piece("Ü🦝 hé") + END)) response.write(Buffer.of(byte));
        response.end();
      },
    ],
    ["of a large piece", "x".repeat(1_000_000), sse(piece("x".repeat(1_000_000)), END)],
    [
      "that is none: a whole answer",
      "Whole",
      (_, response) => {
        const message = { role: "assistant", content: "Whole" };
        response.writeHead(200, { "content-type": "application/json" });
        response.end(
          JSON.stringify({ choices: [{ index: 0, message, finish_reason: "stop" }], usage: { prompt_tokens: 3, completion_tokens: 1 } }),
        );
      },
    ],
  ])("%s arrives", async (_, expected, answer) => {
    const gateway = await gatewayOf([(await stand(answer)).url]);
    expect(await contentOf(gateway)).toBe(expected);
    expect(await readStream(await chat(gateway, { stream: true }))).toMatchObject({ text: expected, done: true });
  });

  test("cut anywhere says the same", async () => {
    let parts: readonly Buffer[] = [];
    const server = await stand(async (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const part of parts) {
        response.write(part);
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    const gateway = await gatewayOf([server.url]);
    const run = fc.asyncProperty(fc.array(fc.string({ unit: "grapheme" }), { maxLength: 6 }), fc.array(fc.nat()), async (texts, cuts) => {
      const bytes = Buffer.from(`: hello\r\n\r\n${texts.map(piece).join(": ping\n\n")}${END}data: [DONE]\n\n`);
      const at = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
      parts = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
      expect(await readStream(await chat(gateway, { stream: true }))).toMatchObject({ text: texts.join(""), done: true });
    });
    await fc.assert(run, { numRuns: 60 });
  });

  test("that is none: a whole answer of two calls", async () => {
    const call = (name: string) => ({ id: name, type: "function", function: { name, arguments: "{}" } });
    const message = { role: "assistant", content: null, tool_calls: [call("f"), call("g")] };
    const server = await stand((_, response) => {
      response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
      response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: "tool_calls" }] }));
    });
    const tools = ["f", "g"].map((name) => ({ type: "function", function: { name } }));
    const answer = await told<ChatCompletion>(chat(await gatewayOf([server.url]), { tools }));
    expect(answer.choices[0]).toMatchObject({ message: { tool_calls: [call("f"), call("g")] }, finish_reason: "tool_calls" });
  });
});

describe("an error", () => {
  test("with status 200 is told by its type, and the upstream is asked again", async () => {
    const error = { message: "no such field", type: "invalid_request_error" };
    const server = await stand((_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ error }));
    });
    const gateway = await gatewayOf([server.url]);
    for (let i = 0; i < 4; i++) {
      const response = await chat(gateway);
      expect([response.status, (await told(response)).error!.message]).toEqual([400, "no such field"]);
    }
  });

  test("of a compressed answer says so", async () => {
    const server = await stand((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" }).end(gzipSync(piece("Hi") + END));
    });
    const response = await chat(await gatewayOf([server.url]));
    expect([response.status, (await told(response)).error!.message]).toEqual([502, expect.stringMatching(/compressed/)]);
  });

  test("never tells our key, which an upstream may repeat: refused, in a stream, in the log", async () => {
    const said = "Bearer s3cret-key-1 is not good for s3cret-key-1";
    const answers: RequestListener[] = [
      (_, response) => response.writeHead(401).end(JSON.stringify({ error: { message: said } })),
      (_, response) => response.writeHead(400).end(JSON.stringify({ error: { message: said, param: "s3cret-key-1" } })),
      (_, response) => response.writeHead(500).end(JSON.stringify({ error: { message: said } })),
      sse(piece("Hi"), `data: ${JSON.stringify({ error: { message: said, type: "invalid_request_error" } })}\n\n`),
      sse(`data: ${JSON.stringify({ error: said })}\n\n`),
    ];
    let asked = 0;
    const server = await stand((request, response) => answers[asked++ % answers.length]!(request, response));
    const gateway = await gatewayOf([`${server.url},key=s3cret-key-1`], { SHIMMY_LOG_LEVEL: "debug" });
    const texts: string[] = [];
    for (const _ of answers) texts.push(await (await chat(gateway, { stream: true })).text());
    expect(texts.join("")).toMatch(/is not good for/);
    expect(texts[0]).toMatch(/does not take our key/);
    const health = await (await fetch(`${gateway.url}/health`)).text();
    expect([...texts, health, gateway.stderr()].join("")).not.toContain("s3cret");
  });

  test("of a redirect is told, and the key goes nowhere else", async () => {
    let elsewhere = 0;
    const other = await stand((_, response) => {
      elsewhere++;
      response.end();
    }, true);
    const server = await stand((_, response) => response.writeHead(307, { location: `${other.url}/v1/chat/completions` }).end());
    const response = await chat(await gatewayOf([`${server.url},key=abc`]));
    expect([response.status, elsewhere]).toEqual([502, 0]);
  });
});

describe("one that can take no work now", () => {
  test("and says for how long is asked last until then", async () => {
    let full = 0;
    const busy = await stand((_, response) => {
      full++;
      response.writeHead(429, { "retry-after": "30" }).end("{}");
    });
    const free = await stand(sse(piece("Hi"), END));
    const gateway = await gatewayOf([busy.url, free.url]);
    for (let i = 0; i < 12; i++) {
      const messages = [{ role: "user", content: `Question ${i}` }];
      expect(await contentOf(gateway, { messages })).toBe("Hi");
    }
    expect(full).toBe(1);
  });

  test("and says until when, as a date, tells its caller how long that is", async () => {
    const server = await stand((_, response) => {
      response.writeHead(429, { "retry-after": new Date(Date.now() + 90_000).toUTCString() }).end("{}");
    });
    const response = await chat(await gatewayOf([server.url]));
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(80);
  });

  test("because it loads its model is no broken one, and is asked again as soon as it can be", async () => {
    let isLoading = true;
    const server = await stand((request, response) => {
      if (isLoading) return response.writeHead(503).end(`{"error":{"message":"Loading model","type":"unavailable_error","code":503}}`);
      if (request.url === "/v1/models") return response.end(LIST);
      sse(piece("Hi"), END)(request, response);
    }, true);
    const gateway = await gatewayOf([server.url]);
    const response = await chat(gateway);
    expect(response.status).toBe(502);
    expect((await told(response)).error!.code).toBe("upstream_failed");
    // Longer than a breaker would rest at first.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await told(fetch(`${gateway.url}/health`))).not.toHaveProperty("degraded");
    isLoading = false;
    const since = performance.now();
    await until(async () => (await chat(gateway)).status === 200);
    expect(performance.now() - since).toBeLessThan(2000);
    expect(gateway.stderr()).toMatch(/an upstream is loading its model/);
  });

  test("because it is away before it has told its models is no reason to say that there is no such model", async () => {
    const gateway = await gatewayOf(["http://127.0.0.1:9", "http://name.invalid:80"]);
    const response = await chat(gateway);
    expect(response.status).toBe(502);
    expect((await told(response)).error).toMatchObject({ code: "upstream_failed", message: expect.stringMatching(/ECONNREFUSED/) });
    const { degraded } = await told<{ degraded: ReadonlyArray<{ reason: string }> }>(fetch(`${gateway.url}/health`));
    expect(degraded.map(({ reason }) => /\((.*)\)/.exec(reason)?.[1])).toEqual([
      "ECONNREFUSED",
      expect.stringMatching(/ENOTFOUND|EAI_AGAIN/),
    ]);
  });
});

describe("who looks on", () => {
  const counted = async (server: TestServer, model: string) => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return text.split("\n").filter((line) => line.includes(`model="${model}"`));
  };
  const namesOf = (lines: readonly string[]) => new Set(lines.map((line) => line.replace(/\{.*/, "").replace(/_(bucket|sum|count)$/, "")));

  test("finds requests of upstreams under the names of local ones, and no words of anybody in the log", async () => {
    const usage = { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } };
    const server = await stand(sse(piece("secret answer"), piece(" more"), END, `data: ${JSON.stringify({ choices: [], usage })}\n\n`));
    const gateway = await gatewayOf([server.url], { SHIMMY_LOG_LEVEL: "debug" });
    const local = await startServer();
    stops.push(() => local.stop());
    const question = { messages: [{ role: "user", content: "secret question" }], max_tokens: 3 };
    await (await chat(gateway, { ...question, stream: true })).text();
    await (await chat(local, { ...question, model: "shimmy-tiny", stream: true })).text();
    const here = await counted(gateway, "tiny-stand");
    // What only an engine in the house can tell is not there; nothing has a name of its own.
    const names = namesOf(await counted(local, "shimmy-tiny"));
    for (const name of namesOf(here)) expect(names).toContain(name);
    const told = (name: string) => here.filter((line) => line.startsWith(name)).join("\n");
    expect(told("shimmy_requests_total")).toMatch(/status="200".* 1$/m);
    expect(told("shimmy_prompt_tokens_total")).toMatch(/ 9$/);
    expect(told("shimmy_completion_tokens_total")).toMatch(/ 2$/);
    expect(told("shimmy_time_to_first_token_seconds_count")).toMatch(/ 1$/);
    expect(gateway.stderr()).toMatch(/asked of an upstream.*127\.0\.0\.1/);
    expect(gateway.stderr()).toMatch(/"promptTokens":9|promptTokens=9/);
    expect(gateway.stderr()).not.toMatch(/secret/);
  });
});

describe("a list of models", () => {
  test("that changes is seen, and what it lost is unknown", async () => {
    let id = "first";
    const server = await stand((request, response) => {
      if (request.url === "/v1/models") return void response.end(JSON.stringify({ data: [{ id }] }));
      sse(piece("Hi"), END)(request, response);
    }, true);
    const gateway = await gatewayOf([server.url], { SHIMMY_STRICT_MODELS: "true" });
    expect(await contentOf(gateway, { model: "first" })).toBe("Hi");
    id = "second";
    await until(async () => (await post(gateway, "/v1/chat/completions", { ...QUESTION, model: "second", max_tokens: 1 })).status === 200);
    const response = await post(gateway, "/v1/chat/completions", { ...QUESTION, model: "first" });
    expect([response.status, (await told(response)).error!.code]).toEqual([404, "model_not_found"]);
  });

  test("of 10,000 is whole, and its last is found at once", async () => {
    const ids = Array.from({ length: 10_000 }, (_, index) => `model-${index}`);
    const server = await stand((request, response) => {
      if (request.url === "/v1/models") return void response.end(JSON.stringify({ data: ids.map((id) => ({ id })) }));
      sse(piece("Hi"), END)(request, response);
    }, true);
    const gateway = await gatewayOf([server.url]);
    const { data } = await told(fetch(`${gateway.url}/v1/models`));
    expect(data).toHaveLength(10_000);
    const since = performance.now();
    for (let i = 0; i < 10; i++) expect(await contentOf(gateway, { model: "model-9999" })).toBe("Hi");
    expect((performance.now() - since) / 10).toBeLessThan(200);
  });
});

describe("an address", () => {
  test("of IPv6 is one", async () => {
    const server = createServer((request, response) =>
      request.url === "/v1/models" ? response.end(LIST) : sse(piece("Hi"), END)(request, response),
    );
    const listens = await new Promise<boolean>((resolve) =>
      server.once("error", () => resolve(false)).listen(0, "::1", () => resolve(true)),
    );
    if (!listens) return; // this machine has no IPv6
    stops.push(() => server.close());
    const gateway = await gatewayOf([`http://[::1]:${(server.address() as AddressInfo).port}`]);
    expect(await contentOf(gateway)).toBe("Hi");
  });

  test("with a certificate of its own is refused with what to do, and taken with that", async () => {
    const folder = mkdtempSync(join(tmpdir(), "shimmy-tls-"));
    stops.push(() => rmSync(folder, { recursive: true, force: true }));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")] as const;
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", cert, ...subject], {
      stdio: "ignore",
    });
    const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) =>
      request.url === "/v1/models" ? response.end(LIST) : sse(piece("Hi"), END)(request, response),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    stops.push(() => server.close());
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const wary = await gatewayOf([url]);
    expect((await told<Told>(chat(wary))).error!.message).toMatch(/certificate is not trusted.*NODE_EXTRA_CA_CERTS/);
    expect(await contentOf(await gatewayOf([url], { NODE_EXTRA_CA_CERTS: cert }))).toBe("Hi");
  });
});

test("what one kind of server cannot be asked for goes to one of another kind, and to this machine", async () => {
  const asked: string[] = [];
  const kind = (owner: string) =>
    stand((request, response) => {
      if (request.url === "/v1/models") return response.end(JSON.stringify({ data: [{ id: "tiny-stand", owned_by: owner }] }));
      asked.push(owner);
      return sse(piece("Hi"), END)(request, response);
    }, true);
  const servers = [await kind("somebody"), await kind("llamacpp")];
  const gateway = await gatewayOf(servers.map(({ url }) => url));
  const wish = (index: number) => ({ grammar: 'root ::= "Hi"', messages: [{ role: "user", content: `Say something, ${index}.` }] });
  for (let index = 0; index < 6; index++) expect(await contentOf(gateway, wish(index))).toBe("Hi");
  expect(new Set(asked)).toEqual(new Set(["llamacpp"]));
  const strange = await stand((request, response) => {
    if (request.url === "/v1/models") return response.end(JSON.stringify({ data: [{ id: "shimmy-tiny", owned_by: "somebody" }] }));
    return response.writeHead(500).end();
  }, true);
  const both = await startServer({ args: ["--upstream", strange.url] });
  stops.push(() => both.stop());
  const answer = await chat(both, { ...wish(0), model: "shimmy-tiny", max_tokens: 3 });
  expect(answer.status).toBe(200);
  const alone = await gatewayOf([servers[0]!.url]);
  expect([(await chat(alone, wish(0))).status, (await told<Told>(chat(alone, wish(0)))).error!.code]).toEqual([
    400,
    "upstream_unsupported",
  ]);
}, 30_000);
