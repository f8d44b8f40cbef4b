/** T6 and T7: what a request that cannot be answered gets, before and after the headers. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startServer, type TestServer, until } from "../support/server.ts";
import { ask, CHAT, COMPLETIONS, eventPayloads, JSON_TYPE, raw, SHIMMY_TINY, vocabulary, wholeChat } from "./support.ts";

let server: TestServer;
let guarded: TestServer;
let words: Awaited<ReturnType<typeof vocabulary>>;
beforeAll(async () => {
  words = await vocabulary(SHIMMY_TINY.path);
  [server, guarded] = await Promise.all([
    startServer(),
    startServer({ args: ["--api-key", "secret", "--max-body-size", "2KB", "--strict-models"] }),
  ]);
});
afterAll(() => Promise.all([server.stop(), guarded.stop()]));

const key = { authorization: "Bearer secret" };

async function refused(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
  const body = (await response.json()) as { error: Record<string, unknown> };
  // The four fields of OpenAI's error, always there.
  expect(body).toEqual({
    error: expect.objectContaining({ message: expect.any(String), type: expect.any(String), code: expect.any(String) }),
  });
  expect(body.error.param === null || typeof body.error.param === "string").toBe(true);
  expect(JSON.stringify(body)).not.toContain("/src/");
  return { ...body.error, status: response.status };
}

describe.each([CHAT, COMPLETIONS])("%s", (path) => {
  const valid = path === CHAT ? { messages: ask("hi") } : { prompt: "hi" };
  const required = path === CHAT ? "messages" : "prompt";

  test.each([
    ["", "invalid_json"],
    ["{", "invalid_json"],
    ['{"messages":[],}', "invalid_json"],
    ["\u0000", "invalid_json"],
    ["[".repeat(500), "invalid_json"],
    ["[".repeat(100_000), "invalid_value"],
    ["[]", "invalid_value"],
    ["null", "invalid_value"],
    ['"text"', "invalid_value"],
    ["7", "invalid_value"],
    ["{}", "invalid_value"],
  ])("T6 the body %j is a 400", async (body, code) => {
    expect(await refused(await post(server, path, body))).toMatchObject({ status: 400, type: "invalid_request_error", code });
  });

  test("T6 bytes that are no UTF-8 do no harm", async () => {
    const body = Buffer.concat([Buffer.from('{"model":"'), Buffer.of(0xff, 0xfe), Buffer.from('"}')]);
    const { status } = await raw(server, path, { method: "POST", headers: JSON_TYPE, body });
    expect(status).toBe(400);
  });

  test.each([
    [required, {}],
    [required, { [required]: 7 }],
    ["temperature", { ...valid, temperature: "hot" }],
    ["temperature", { ...valid, temperature: -1 }],
    ["max_tokens", { ...valid, max_tokens: 1.5 }],
    ["n", { ...valid, n: 0 }],
    ["stop", { ...valid, stop: { a: 1 } }],
    ["stop[1]", { ...valid, stop: ["a", 2] }],
    ["stream", { ...valid, stream: "yes" }],
    ["stream_options.include_usage", { ...valid, stream: true, stream_options: { include_usage: 1 } }],
    ["logit_bias", { ...valid, logit_bias: { word: 1 } }],
    ["logit_bias", { ...valid, logit_bias: { "999999": 1 } }],
    ["model", { ...valid, model: 5 }],
  ])("T6 a wrong value names its field: %s", async (param, body) => {
    expect(await refused(await post(server, path, body))).toMatchObject({ status: 400, param, code: "invalid_value" });
  });

  test.each(["text/plain", "multipart/form-data; boundary=x", "application/xml"])("T6 content type %s is a 415", async (type) => {
    const response = await post(server, path, valid, { headers: { "content-type": type } });
    expect(await refused(response)).toMatchObject({ status: 415, code: "unsupported_content_type" });
  });

  test.each(["GET", "PUT", "DELETE", "PATCH"])("T6 %s is a 405 that names the method to use", async (method) => {
    const response = await fetch(server.url + path, { method });
    expect(response.headers.get("allow")).toBe("POST");
    expect(await refused(response)).toMatchObject({ status: 405, code: "method_not_allowed" });
  });

  test("T6 too large a body is a 413, whether its size is told or not", async () => {
    const body = JSON.stringify({ ...valid, user: "x".repeat(5000) });
    expect(await refused(await post(guarded, path, body, { headers: key }))).toMatchObject({ status: 413, code: "body_too_large" });
    const stream = new Blob([body]).stream();
    const init = { method: "POST", headers: { ...JSON_TYPE, ...key }, body: stream, duplex: "half" } as const;
    expect(await refused(await fetch(guarded.url + path, init))).toMatchObject({ status: 413, code: "body_too_large" });
  });

  test("T6 without a key, or with a wrong one, the answer is a 401", async () => {
    const answers = [{}, { authorization: "Bearer wrong" }, { "x-api-key": "wrong" }].map((headers) =>
      post(guarded, path, valid, { headers }),
    );
    for (const answer of await Promise.all(answers)) {
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      expect(await refused(answer)).toMatchObject({ status: 401, type: "authentication_error", code: expect.stringMatching(/_api_key$/) });
    }
    expect((await post(guarded, path, { ...valid, max_tokens: 1 }, { headers: { "x-api-key": "secret" } })).status).toBe(200);
  });

  test.each([true, false])("T7 an error before the first token has its true status (stream: %s)", async (stream) => {
    const unknown = await post(guarded, path, { ...valid, model: "no-such-model", stream }, { headers: key });
    expect(await refused(unknown)).toMatchObject({ status: 404, code: "model_not_found", param: "model" });
    const tooLong = path === CHAT ? { messages: ask("word ".repeat(3000)) } : { prompt: "word ".repeat(3000) };
    const overflow = await refused(await post(server, path, { ...tooLong, stream }));
    expect(overflow).toMatchObject({ status: 400, code: "context_length_exceeded", n_ctx: 1024, n_prompt_tokens: expect.any(Number) });
    expect(overflow.n_prompt_tokens).toBeGreaterThan(3000);
  });

  test("T7 an error after the first token is the last event of the stream, with no [DONE]", async () => {
    let engine: number | undefined;
    const endings = Object.fromEntries(["<|im_end|>", "<|endoftext|>"].map((token) => [words.id(token), -100]));
    const answer = raw(server, path, {
      method: "POST",
      headers: JSON_TYPE,
      // Ends only with the context: the end of the text is banned.
      body: JSON.stringify({ ...valid, stream: true, temperature: 1.5, logit_bias: endings }),
      onData: async (chunk) => {
        // The first chunk of a chat is its role, before any token.
        if (engine !== undefined || !/"(content|text)":"[^"]/.test(chunk)) return;
        engine = 0;
        [engine] = await server.engines();
        process.kill(engine!, "SIGKILL");
      },
    });
    const payloads = eventPayloads((await answer).text).map((payload) => JSON.parse(payload));
    expect(payloads.at(-1)).toEqual({
      error: expect.objectContaining({ type: "server_error", code: "engine_gone", message: expect.any(String) }),
    });
    expect(payloads.slice(0, -1).every((payload) => payload.choices && !payload.error)).toBe(true);
    // Nobody else is harmed: the next request finds a new engine.
    await until(async () => (await server.engines()).some((pid) => pid !== engine));
    expect((await wholeChat(server, { messages: ask("hello") })).choices[0]!.message.content).not.toBe("");
  });
});

test("T6 unknown routes are a 404 with a body, whatever the method", async () => {
  for (const method of ["GET", "POST", "DELETE"])
    for (const path of ["/v1/nothing", "/v2/models", "/v1/chat", "/v1/chat/completions/x", "/%ff"])
      expect(await refused(await fetch(server.url + path, { method }))).toMatchObject({ status: 404, code: "unknown_route" });
});

test("T6 an unknown model of the list is a 404", async () => {
  expect(await refused(await fetch(`${server.url}/v1/models/none`))).toMatchObject({
    status: 404,
    code: "model_not_found",
    param: "model",
  });
});

test("T6 after all this the server still answers", async () => {
  expect((await wholeChat(server, { messages: ask("hello"), temperature: 0 })).choices[0]!.finish_reason).toBe("stop");
});
