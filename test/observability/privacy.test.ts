/** What people write, and their keys, are in no line of the log: at no level, in no format, however a request ends. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/command.ts";
import { begin } from "../support/raw.ts";
import { type StartOptions, startServer, type TestServer, until } from "../support/server.ts";
import { standIn } from "../upstream/support.ts";

/** Each in a place of its own, so that a failure tells which one came through. */
const MARKS = {
  prompt: "mark-of-prompt",
  system: "mark-of-system",
  toolArguments: "mark-of-arguments",
  toolResult: "mark-of-result",
  description: "mark-of-description",
  file: "mark-of-file",
  key: "mark-of-key",
  wrongKey: "mark-of-wrong-key",
  json: "mark-of-json",
  value: "mark-of-value",
  schema: "mark-of-schema",
  query: "mark-of-query",
} as const;

const folder = temporaryFolder();
const servers: TestServer[] = [];
afterAll(async () => {
  for (const server of servers) await server.stop();
});

async function logged(options: StartOptions, format: string): Promise<TestServer> {
  const args = ["--log-level", "debug", "--log-format", format, "--api-key", MARKS.key, ...(options.args ?? [])];
  const server = await startServer({ ...options, args });
  servers.push(server);
  return server;
}

const told = (server: TestServer) => Object.values(MARKS).filter((mark) => server.stderr().includes(mark));

async function send(server: TestServer, path: string, body: unknown, key: string = MARKS.key): Promise<string> {
  const response = await fetch(server.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return `${response.status} ${await response.text()}`;
}

const user = { role: "user", content: MARKS.prompt };
const messages = [
  { role: "system", content: MARKS.system },
  user,
  {
    role: "assistant",
    tool_calls: [{ id: "c", type: "function", function: { name: "find", arguments: `{"q":"${MARKS.toolArguments}"}` } }],
  },
  { role: "tool", tool_call_id: "c", content: MARKS.toolResult },
];
const parameters = { type: "object", properties: { q: { type: "string", description: MARKS.schema, pattern: `(?<=${MARKS.schema})` } } };
const tools = [{ type: "function", function: { name: "find", description: MARKS.description, parameters } }];
const CHAT = "/v1/chat/completions";

const REQUESTS: ReadonlyArray<readonly [path: string, body: unknown]> = [
  ...[false, true].map((stream) => [CHAT, { messages, tools, stream, max_tokens: 4 }] as const),
  [CHAT, { messages: [user], max_tokens: 4, tool_choice: "required", tools }],
  [CHAT, `{"messages": "${MARKS.json}`],
  [CHAT, { messages: MARKS.value }],
  [CHAT, { messages: [user], temperature: MARKS.value }],
  [CHAT, { messages: [{ role: MARKS.value, content: MARKS.prompt }] }],
  [CHAT, { messages: [user], [MARKS.value]: MARKS.value }],
  [
    CHAT,
    {
      messages: [user],
      max_tokens: 4,
      response_format: { type: "json_schema", json_schema: { name: "a", schema: { pattern: `(${MARKS.schema}` } } },
    },
  ],
  [CHAT, { messages: [user], max_tokens: 4, grammar: `root ::= ${MARKS.schema}` }],
  [CHAT, { messages: [{ role: "user", content: MARKS.prompt.repeat(3000) }] }],
  [CHAT, { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${MARKS.value}` } }] }] }],
  ["/v1/completions", { prompt: MARKS.prompt, suffix: MARKS.value, max_tokens: 4, stop: [MARKS.value] }],
  ["/v1/responses", { input: MARKS.prompt, instructions: MARKS.system, max_output_tokens: 16 }],
  ["/v1/messages", { messages: [user], system: MARKS.system, max_tokens: 4 }],
  ["/v1/embeddings", { input: MARKS.prompt }],
  ["/v1/rerank", { query: MARKS.query, documents: [MARKS.prompt] }],
  ["/v1/moderations", { input: MARKS.prompt }],
  ["/api/generate", { model: "shimmy-tiny", prompt: MARKS.prompt, stream: false }],
  ["/api/chat", { model: "shimmy-tiny", messages: [user], stream: false }],
  ["/tokenize", { content: MARKS.prompt }],
  ["/apply-template", { messages }],
  [`/v1/nowhere/${MARKS.query}?key=${MARKS.query}`, { prompt: MARKS.prompt }],
];

/** One that renders nothing at all is not used, so it renders what is not the prompt of the test. */
const QUOTING = `{% for m in messages %}{% if 'mark' in m['content'] %}{{ raise_exception('no ' + m['content']) }}{% endif %}{{ m['content'] }}{% endfor %}`;

describe.each(["text", "json"])("a log of %s", (format) => {
  test("every door, well and badly asked, and batches", { timeout: 60_000 }, async () => {
    const server = await logged({}, format);
    const answers: string[] = [];
    for (const [path, body] of REQUESTS) answers.push(await send(server, path, body));
    expect(await send(server, CHAT, { messages }, MARKS.wrongKey)).toMatch(/^401/);
    const form = new FormData();
    const line = (content: unknown, id: string) =>
      JSON.stringify({ custom_id: id, method: "POST", url: CHAT, body: { model: "shimmy-tiny", messages: content, max_tokens: 4 } });
    form.set("purpose", "batch");
    form.set("file", new Blob([`${line([{ role: "user", content: MARKS.file }], "a")}\n${line(MARKS.file, "b")}\n`]), "in.jsonl");
    const headers = { authorization: `Bearer ${MARKS.key}` };
    const file = (await (await fetch(`${server.url}/v1/files`, { method: "POST", headers, body: form })).json()) as { id: string };
    const batch = JSON.parse(
      (await send(server, "/v1/batches", { input_file_id: file.id, endpoint: CHAT, completion_window: "24h" })).slice(4),
    );
    await until(async () =>
      /completed|failed/.test(
        JSON.stringify(((await (await fetch(`${server.url}/v1/batches/${batch.id}`, { headers })).json()) as { status: string }).status),
      ),
    );
    // The marks do reach the server, and errors do quote them to who asked.
    expect(answers.filter((answer) => answer.startsWith("200")).length).toBeGreaterThan(8);
    expect(answers.join()).toMatch(/mark-of/);
    expect(server.stderr().split("\n").length).toBeGreaterThan(REQUESTS.length);
    expect(told(server)).toEqual([]);
  });

  test("an engine that is killed while it answers", { timeout: 60_000 }, async () => {
    const server = await logged({ args: ["--ctx", "4096"] }, format);
    await send(server, CHAT, { messages: [user], max_tokens: 1 });
    const [engine] = await server.engines();
    const answer = send(server, CHAT, { messages: [user], max_tokens: 4000, ignore_eos: true });
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(engine!, "SIGKILL");
    expect(await answer).toMatch(/^503 .*"engine_gone"/);
    await until(() => /engine_gone/.test(server.stderr()));
    expect(told(server)).toEqual([]);
  });

  test("a template that quotes the messages in its error", { timeout: 60_000 }, async () => {
    writeFileSync(join(folder, "t.jinja"), QUOTING);
    const server = await logged({ args: ["--chat-template-file", join(folder, "t.jinja")] }, format);
    expect(await send(server, CHAT, { messages: [user] })).toMatch(/^400 .*no mark-of-prompt.*"template_error"/);
    expect(server.stderr()).toMatch(/template_error/);
    expect(told(server)).toEqual([]);
  });

  test.each([
    [500, (text: string) => JSON.stringify({ error: { message: `cannot answer ${text}` } })],
    [400, (text: string) => JSON.stringify({ error: { message: `wrong: ${text}` } })],
    [503, (text: string) => text],
    [200, (text: string) => `not json ${text}`],
  ])("an upstream that quotes the request with status %d", { timeout: 60_000 }, async (status, body) => {
    let quoted = false;
    const stand = await standIn(async (request, response) => {
      let text = "";
      for await (const piece of request) text += piece;
      quoted ||= text.includes(MARKS.prompt);
      response.writeHead(status, { "content-type": "application/json" }).end(body(text));
    });
    try {
      const server = await logged({ args: ["--upstream", stand.url] }, format);
      for (const stream of [false, true]) await send(server, CHAT, { model: "tiny-stand", messages, stream, max_tokens: 4 });
      expect(quoted).toBe(true);
      expect(told(server)).toEqual([]);
      // Until it is not asked any more, which is told to everybody who can reach the server.
      for (let i = 0; i < 10 && status === 500; i++) await send(server, CHAT, { model: "tiny-stand", messages, max_tokens: 4 });
      const health = await (await fetch(`${server.url}/health`)).text();
      if (status === 500) expect(JSON.parse(health).degraded).toMatchObject([{ upstream: 1, reason: expect.any(String) }]);
      const metrics = await (await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${MARKS.key}` } })).text();
      for (const mark of Object.values(MARKS)) expect(health + metrics).not.toContain(mark);
      expect(told(server)).toEqual([]);
    } finally {
      await stand.stop();
    }
  });
});

test("a connection that breaks off in the middle of its body", async () => {
  const server = await logged({}, "text");
  const connection = await begin(server, CHAT, { messages });
  connection.destroy();
  expect(told(server)).toEqual([]);
});
