/** Faults from outside: bytes that are no request, or one that is too large, too deep, too slow. The server goes on, and /health answers. */
import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ask, askJson, begin, type Connection, load, open } from "../support/raw.ts";
import { post, startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS, longPrompt, WIDE } from "../support/work.ts";

let server: TestServer;
let engine: number;
const CHAT = "/v1/chat/completions";
const JSON_TYPE = { "content-type": "application/json" };

beforeAll(async () => {
  server = await startServer({ args: [...WIDE, "--max-body-size", "40MB"] });
  await post(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Once", max_tokens: 1 });
  [engine] = (await server.engines()) as [number];
});
afterAll(() => server.stop());

/** After each of these tests: the same gateway, the same engine, and it works. */
afterEach(async () => {
  expect(server.process.exitCode).toBeNull();
  expect(await server.engines()).toEqual([engine]);
  const { status } = await askJson(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Once", max_tokens: 1 });
  expect(status).toBe(200);
});

/** What the server says to these bytes until it closes the connection or has answered. */
async function reply(...pieces: Array<string | Uint8Array>): Promise<string> {
  const connection = await open(server);
  for (const piece of pieces) connection.write(piece);
  await Promise.race([connection.closed, until(() => /\r\n\r\n/.test(connection.received()))]);
  connection.destroy();
  return connection.received();
}

test("random bytes are answered with 400 or nothing, and the connection is closed", async () => {
  for (let i = 0; i < 30; i++) {
    const connection = await open(server);
    connection.write(Buffer.concat([randomBytes(1 + i * 40), Buffer.from("\r\n\r\n")]));
    await connection.closed;
    expect(connection.received()).toMatch(/^(HTTP\/1.1 400 |$)/);
  }
});

test("a TLS hello on the plain port is refused", async () => {
  expect(await reply(Buffer.from("16030100a5010000a10303", "hex"))).toMatch(/^HTTP\/1.1 400 /);
});

test("half requests that break off at any byte do no harm", async () => {
  const bytes = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{"messages":`;
  for (let length = 1; length <= bytes.length; length += 7) {
    const connection = await open(server);
    connection.write(bytes.slice(0, length));
    connection.destroy();
    await connection.closed;
  }
});

test("headers of 64 KB are a 431", async () => {
  expect(await reply(`GET /health HTTP/1.1\r\nHost: localhost\r\nX-Large: ${"x".repeat(64_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
});

test("a request without a Host header is a 400, one with a broken Host or path an error", async () => {
  expect(await reply("GET /health HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /);
  expect(await reply("GET /v1/models HTTP/1.1\r\nHost: local host:x:y/\r\n\r\n")).toMatch(/^HTTP\/1.1 40[03] /);
  expect(await reply("GET //[:: HTTP/1.1\r\nHost: localhost\r\n\r\n")).toMatch(/^HTTP\/1.1 40[04] /);
  expect(await reply("GET /v1/models/%ff%zz HTTP/1.1\r\nHost: localhost\r\n\r\n")).toMatch(/^HTTP\/1.1 40[04] /);
});

test("two lengths, or a length that is none, are a 400", async () => {
  const start = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  expect(await reply(`${start}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
  expect(await reply(`${start}Content-Length: -1\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
  expect(await reply(`${start}Transfer-Encoding: chunked\r\n\r\nzz\r\n`)).toMatch(/^HTTP\/1.1 400 /);
});

test.each(["DELETE", "PUT", "PATCH", "HEAD", "GET"])("%s on a route that generates is a 405 that says POST", async (method) => {
  const { status, headers, text } = await ask(server, CHAT, { method });
  expect([status, headers.allow]).toEqual([405, "POST"]);
  if (method !== "HEAD") expect(JSON.parse(text).error.code).toBe("method_not_allowed");
});

test("methods nobody knows, CONNECT and an upgrade that is not offered do no harm", async () => {
  expect(await reply("BREW /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")).toMatch(/^HTTP\/1.1 4\d\d /);
  expect(await reply("TRACE /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")).toMatch(/^HTTP\/1.1 4\d\d /);
  expect(await reply("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")).not.toMatch(/^HTTP\/1.1 2/);
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n";
  expect(await reply(`GET /v1/models HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n`)).not.toMatch(/^HTTP\/1.1 (101|5)/);
});

test("a body beyond the limit is a 413 in OpenAI's shape, declared or chunked", async () => {
  const declared = await reply(
    `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n{"messages":`,
  );
  expect(declared).toMatch(/^HTTP\/1.1 413 .*"code":"body_too_large"/s);

  const chunked = await open(server);
  chunked.write(`POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`);
  const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(0x100000, " "), Buffer.from("\r\n")]);
  for (let i = 0; i < 42; i++) chunked.write(chunk);
  await until(() => chunked.received().includes("}}"));
  expect(chunked.received()).toMatch(/^HTTP\/1.1 413 .*"code":"body_too_large"/s);
  chunked.destroy();
});

test("a body of 32 MB is read, and its prompt is too long", async () => {
  const body = { model: "shimmy-tiny", messages: [{ role: "user", content: "fox ".repeat(8_000_000) }] };
  const { status, json } = await askJson(server, CHAT, body);
  expect([status, json.error.code]).toEqual([400, "context_length_exceeded"]);
}, 60_000);

const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

test.each([
  ["as the body", deep(100_000)],
  ["as the messages", `{"messages":${deep(100_000)}}`],
  ["as a content", `{"messages":[{"role":"user","content":${deep(100_000)}}]}`],
  ["in a message", `{"messages":[{"role":"user","content":"hi","extra":${deep(100_000)}}]}`],
  ["as tools", `{"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":${deep(100_000)}}]}`],
  ["for the template", `{"messages":[{"role":"user","content":"hi"}],"chat_template_kwargs":{"a":${deep(100_000)}}}`],
  [
    "in objects",
    `{"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","x":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}]}`,
  ],
  ["as a field nobody knows", `{"max_tokens":1,"messages":[{"role":"user","content":"hi"}],"unknown":${deep(100_000)}}`],
])("JSON nested a hundred thousand deep %s is answered", async (_, body) => {
  const { status, text } = await ask(server, CHAT, { body, headers: JSON_TYPE });
  expect([200, 400]).toContain(status);
  if (status === 400) expect(JSON.parse(text).error.type).toBe("invalid_request_error");
});

test("JSON that is cut off, none or of another kind is a 400", async () => {
  for (const body of ['{"messages":[', "", "null", "42", '"text"', "[]", "{'a':1}", "\ufeff\ufeff{}", "NaN", "{}{}"]) {
    const { status, text } = await ask(server, CHAT, { body, headers: JSON_TYPE, method: "POST" });
    expect([body, status]).toEqual([body, 400]);
    expect(JSON.parse(text).error).toMatchObject({ type: "invalid_request_error", message: expect.any(String) });
  }
});

test("invalid UTF-8 and NUL bytes in a body are answered", async () => {
  const [before, after] = ['{"model":"shimmy-tiny","max_tokens":3,"messages":[{"role":"user","content":"a', 'b"}]}'].map((text) =>
    Buffer.from(text),
  );
  for (const bytes of [[0xff, 0xfe], [0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f]]) {
    const { status } = await ask(server, CHAT, { body: Buffer.concat([before!, Buffer.from(bytes), after!]), headers: JSON_TYPE });
    expect([200, 400]).toContain(status);
  }
  const raw = await ask(server, CHAT, { body: Buffer.concat([before!, Buffer.from([0]), after!]), headers: JSON_TYPE });
  expect(raw.status).toBe(400); // JSON allows no control characters in strings
  for (const content of ["a\u0000b", "\u0000", "\ud800", "\udfff\ud800"]) {
    const { status, json } = await askJson(server, CHAT, { model: "shimmy-tiny", messages: [{ role: "user", content }], max_tokens: 3 });
    expect([status, json.choices?.length]).toEqual([200, 1]);
  }
});

test("__proto__ in a body changes nothing", async () => {
  const body =
    '{"__proto__":{"stream":true},"constructor":{"prototype":{"x":1}},"model":"shimmy-tiny","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}';
  const { status, headers } = await ask(server, CHAT, { body, headers: JSON_TYPE });
  expect([status, headers["content-type"]]).toEqual([200, "application/json"]);
});

test("many sockets that send a byte now and then do not stop others", async () => {
  const slow: Connection[] = [];
  for (let i = 0; i < 50; i++) slow.push(await open(server));
  for (const byte of "POST /v1") for (const connection of slow) connection.write(byte);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  for (const connection of slow) connection.destroy();
});

test("/health answers while the engine computes a long prompt and others stream", async () => {
  const busy: Connection[] = [];
  for (const body of [ENDLESS, ENDLESS, longPrompt(14_000)]) {
    busy.push(await begin(server, "/v1/completions", { ...body, stream: true }));
    await until(async () => (await load(server)).running === busy.length);
  }
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const from = performance.now();
    expect((await ask(server, "/health")).status).toBe(200);
    times.push(performance.now() - from);
  }
  expect(times.sort((a, b) => a - b)[10]).toBeLessThan(100);
  expect(times.at(-1)).toBeLessThan(1000);
  for (const connection of busy) connection.destroy();
  await until(async () => (await load(server)).running === 0);
});
