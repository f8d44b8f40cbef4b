/** The Responses API by OpenAI's own client against the real server with Shimmy Tiny: answers, streams, and what is kept (T69–T71). */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, { APIError, BadRequestError, NotFoundError } from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import type { Response, ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { post, startServer, type TestServer, until } from "../support/server.ts";
import { JSON_TYPE, raw } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-responses-"));
const kept = () => readdirSync(join(folder, "shimmy", "responses"));
let server: TestServer;
let client: OpenAI;

async function start(...args: string[]): Promise<void> {
  server = await startServer({ args: ["--threads", "1", ...args], env: { XDG_DATA_HOME: folder } });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
}
beforeAll(() => start());
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const model = "shimmy-tiny";
const story = { model, input: "Tell me a short story about a fox.", temperature: 0, max_output_tokens: 12 };
const ENDLESS = {
  type: "json_schema" as const,
  name: "endless",
  schema: { type: "array", items: { type: "string", minLength: 200 }, minItems: 200 },
};
/** It goes on until its context is full. */
const long = { model, input: "Tell me everything.", text: { format: ENDLESS } };

/** What a wait ends with. */
async function rejected(promise: Promise<unknown>): Promise<APIError> {
  const error = await promise.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(APIError);
  return error as APIError;
}

describe("answers", () => {
  test("a text, whole", async () => {
    const answer = await client.responses.create(story);
    expect(answer).toMatchObject({ object: "response", model, status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
    expect(answer.output_text.length).toBeGreaterThan(10);
    expect(answer.usage).toMatchObject({ output_tokens: 12, total_tokens: answer.usage!.input_tokens + 12 });
  });

  test("T69 the same, streamed: the client's own accumulation is the whole answer", async () => {
    const whole = await client.responses.create(story);
    const stream = client.responses.stream(story);
    const events: ResponseStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    const final = await stream.finalResponse();
    expect(final.output_text).toBe(whole.output_text);
    expect(final.status).toBe("incomplete");
    expect(final.usage!.output_tokens).toBe(12);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.slice(0, 4).map(({ type }) => type)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
    ]);
    expect(events.at(-1)!.type).toBe("response.incomplete");
  });

  test("T2, T69 the bytes of a stream: a name, one line of data, no end mark", async () => {
    const { status, headers, text } = await raw(server, "/v1/responses", {
      method: "POST",
      headers: JSON_TYPE,
      body: JSON.stringify({ ...story, stream: true }),
    });
    expect(status).toBe(200);
    expect(headers["content-type"]).toMatch(/^text\/event-stream/);
    for (const frame of text.trimEnd().split("\n\n")) expect(frame).toMatch(/^event: response\.[a-z_.]+\ndata: \{.*\}$/);
    expect(text).not.toContain("[DONE]");
  });

  test("T49 text.format holds, and the client parses it", async () => {
    const schema = {
      type: "object",
      properties: { name: { type: "string", maxLength: 8 }, age: { type: "integer", minimum: 1, maximum: 9 } },
      required: ["name", "age"],
      additionalProperties: false,
    };
    const body = {
      model,
      input: "Who are you?",
      temperature: 0,
      text: { format: { type: "json_schema" as const, name: "person", strict: true, schema } },
    };
    expect(JSON.parse((await client.responses.create(body)).output_text)).toEqual({ name: expect.any(String), age: expect.any(Number) });
    const person = z.object({ name: z.string().max(8), age: z.int().min(1).max(9) });
    const parsed = await client.responses.stream({ ...body, text: { format: zodTextFormat(person, "person") } }).finalResponse();
    expect(parsed.output_parsed).toEqual({ name: expect.any(String), age: expect.any(Number) });
    expect(
      (await rejected(client.responses.create({ ...body, text: { format: { ...body.text.format, schema: { type: "nonsense" } } } }))).param,
    ).toMatch(/^text\.format/);
  });

  test("T27 logprobs", async () => {
    const answer = await client.responses.create({ ...story, include: ["message.output_text.logprobs"], top_logprobs: 2 });
    const message = answer.output[0];
    const part = message?.type === "message" ? message.content[0] : undefined;
    if (part?.type !== "output_text") throw new Error("no text");
    expect(part.logprobs).toHaveLength(12);
    expect(part.logprobs![0]!.top_logprobs).toHaveLength(2);
    expect(part.logprobs!.map(({ token }) => token).join("")).toBe(part.text);
  });

  test("T71 a request as Codex sends it is streamed to its end, and what was skipped is told", async () => {
    const body = JSON.parse(readFileSync("test/fixtures/codex-request.json", "utf8"));
    const response = await post(server, "/v1/responses", { ...body, max_output_tokens: 8 });
    expect(response.status).toBe(200);
    expect(response.headers.get("x-shimmy-warning")).toMatch(/web_search/);
    expect(await response.text()).toMatch(/event: response\.(completed|incomplete)\n.*\n\n$/);
    expect(server.stderr()).toMatch(/local_shell/);
  });

  test("T71 an empty input is answered", async () => {
    expect((await client.responses.create({ model, input: [], max_output_tokens: 2 })).object).toBe("response");
  });

  test("T7 errors before the first token have their status and the shape of OpenAI", async () => {
    const error = await rejected(client.responses.create({ ...story, stream: true, temperature: 9 }));
    expect(error).toMatchObject({ status: 400, param: "temperature", code: "invalid_value" });
    const tooLong = await rejected(client.responses.create({ model, input: "fox ".repeat(20_000) }));
    expect(tooLong).toMatchObject({ status: 400, code: "context_length_exceeded" });
  });

  test("the prompt can be counted", async () => {
    const { input_tokens } = await client.responses.inputTokens.count({ model, input: story.input });
    expect(input_tokens).toBe((await client.responses.create(story)).usage!.input_tokens);
    const more = await client.responses.inputTokens.count({ model, input: story.input, instructions: "Be brief." });
    expect(more.input_tokens).toBeGreaterThan(input_tokens);
  });

  test("a conversation can be compacted, and goes on", async () => {
    const compacted = await client.responses.compact({ model, input: story.input });
    expect(compacted).toMatchObject({ object: "response.compaction", output: [{ type: "compaction" }] });
    const input = [...compacted.output, { role: "user" as const, content: "Go on." }] as OpenAI.Responses.ResponseInput;
    const answer = await client.responses.create({ ...story, input });
    expect(answer.usage!.input_tokens).toBeGreaterThan(10);
  });
});

describe("what is kept", () => {
  test("T70 can be retrieved, gone on with, listed and deleted", async () => {
    const first = await client.responses.create({ ...story, metadata: { a: "b" } });
    const stored = await client.responses.retrieve(first.id);
    expect(stored).toEqual(first);

    const next = await client.responses.create({ ...story, input: "And then?", previous_response_id: first.id, instructions: "Be brief." });
    expect(next.previous_response_id).toBe(first.id);
    expect(next.usage!.input_tokens).toBeGreaterThan(first.usage!.input_tokens + 12);

    const items = await client.responses.inputItems.list(next.id, { order: "asc" });
    expect(items.data.map((item) => [item.type, "role" in item ? item.role : ""])).toEqual([
      ["message", "user"],
      ["message", "assistant"],
      ["message", "user"],
    ]);
    const page = await client.responses.inputItems.list(next.id, { limit: 2 });
    expect(page.data.map(({ id }) => id)).toEqual(
      items.data
        .map(({ id }) => id)
        .reverse()
        .slice(0, 2),
    );
    const all: unknown[] = [];
    for await (const item of client.responses.inputItems.list(next.id, { limit: 1 })) all.push(item);
    expect(all).toHaveLength(3);

    await client.responses.delete(first.id);
    expect(await rejected(client.responses.retrieve(first.id))).toBeInstanceOf(NotFoundError);
    expect(await rejected(client.responses.delete(first.id))).toMatchObject({ status: 404, code: "response_not_found" });
    // The conversation that went on is whole without it.
    expect((await client.responses.create({ ...story, previous_response_id: next.id })).status).toBe("incomplete");
  });

  test("T70 an unknown one is a typed 404", async () => {
    for (const id of [`resp_${"0".repeat(32)}`, "resp_x", "../../etc/passwd"]) {
      const error = await rejected(client.responses.create({ ...story, previous_response_id: id }));
      expect(error).toMatchObject({ status: 404, code: "previous_response_not_found", param: "previous_response_id" });
    }
  });

  test("items are referred to by their ids", async () => {
    const first = await client.responses.create(story);
    const reference = { type: "item_reference" as const, id: first.output[0]!.id! };
    const input = [{ role: "user" as const, content: story.input }, reference, { role: "user" as const, content: "And then?" }];
    const answer = await client.responses.create({ ...story, input });
    expect(answer.usage!.input_tokens).toBe(
      (await client.responses.create({ ...story, input: "And then?", previous_response_id: first.id })).usage!.input_tokens,
    );
    expect(await rejected(client.responses.create({ ...story, input: [{ type: "item_reference", id: "msg_none" }] }))).toMatchObject({
      status: 404,
      code: "item_not_found",
    });
  });

  test("store: false keeps nothing; streams are kept as whole answers are", async () => {
    const gone = await client.responses.create({ ...story, store: false });
    expect(gone).toMatchObject({ store: false });
    expect(await rejected(client.responses.retrieve(gone.id))).toBeInstanceOf(NotFoundError);
    const streamed = await client.responses.stream(story).finalResponse();
    expect((await client.responses.retrieve(streamed.id)).output_text).toBe(streamed.output_text);
  });

  test("a kept answer can be streamed once more, from any event on", async () => {
    const first = await client.responses.create(story);
    const again = await client.responses.stream({ response_id: first.id }).finalResponse();
    expect(again).toMatchObject({ id: first.id, output_text: first.output_text, status: "incomplete" });
    const events: ResponseStreamEvent[] = [];
    for await (const event of await client.responses.retrieve(first.id, { stream: true, starting_after: 3 })) events.push(event);
    expect(events[0]!.sequence_number).toBe(4);
  });

  test("its files are private and bounded", async () => {
    await client.responses.create(story);
    await until(() => kept().some((name) => name.endsWith(".json")));
    const file = kept().find((name) => name.endsWith(".json"))!;
    if (process.platform !== "win32") expect(statSync(join(folder, "shimmy", "responses", file)).mode & 0o777).toBe(0o600);
  });
});

describe("in the background", () => {
  const ended = async (id: string): Promise<Response> => {
    let response = await client.responses.retrieve(id);
    await until(async () => {
      response = await client.responses.retrieve(id);
      return response.status !== "queued" && response.status !== "in_progress";
    });
    return response;
  };

  test("an answer is made while nobody waits", async () => {
    const queued = await client.responses.create({ ...story, background: true });
    expect(queued).toMatchObject({ status: "queued", background: true, output: [] });
    const response = await ended(queued.id);
    expect(response).toMatchObject({ id: queued.id, status: "incomplete", background: true });
    expect(response.output_text).toBe((await client.responses.create(story)).output_text);
  });

  test("it can be called off, and keeps what it has", async () => {
    const { id } = await client.responses.create({ ...long, background: true });
    expect((await client.responses.retrieve(id)).status).toMatch(/queued|in_progress/);
    await until(async () => (await client.responses.retrieve(id)).output_text.length > 5);
    expect((await client.responses.cancel(id)).status).toBe("cancelled");
    expect(await ended(id)).toMatchObject({ status: "cancelled", output: [{ status: "incomplete" }] });
    expect((await client.responses.cancel(id)).status).toBe("cancelled");
  });

  test("so can a stream; one that has ended cannot", async () => {
    const stream = client.responses.stream(long);
    let id = "";
    for await (const event of stream) {
      if (event.type === "response.created") id = event.response.id;
      if (event.type === "response.output_text.delta") {
        expect((await client.responses.cancel(id)).status).toBe("cancelled");
        break;
      }
    }
    const done = await client.responses.create(story);
    expect(await rejected(client.responses.cancel(done.id))).toBeInstanceOf(BadRequestError);
    expect(await rejected(client.responses.cancel("resp_none"))).toBeInstanceOf(NotFoundError);
  });

  test("a wrong one is refused at once, and one that fails says so when it is looked at", async () => {
    expect(await rejected(client.responses.create({ ...story, background: true, temperature: 9 }))).toBeInstanceOf(BadRequestError);
    const { id } = await client.responses.create({ model, input: "fox ".repeat(20_000), background: true });
    expect(await ended(id)).toMatchObject({ status: "failed", error: { code: "invalid_prompt" } });
  });
});

test("T70 what is kept survives a restart", async () => {
  const first = await client.responses.create(story);
  const streamed = await client.responses.stream(story).finalResponse();
  const running = await client.responses.create({ ...long, background: true });
  expect(await server.stop()).toBe(0);
  await start();
  // It could finish: nobody is told that an answer was lost because the server was told to end.
  expect(await client.responses.retrieve(running.id)).toMatchObject({ status: "incomplete", usage: { output_tokens: expect.any(Number) } });
  const lost = await client.responses.create({ ...long, background: true });
  await until(() => kept().includes(`${lost.id.slice("resp_".length)}.json`));
  const killed = new Promise((resolve) => server.process.once("close", resolve));
  server.process.kill("SIGKILL");
  await killed;
  await start();
  expect((await client.responses.retrieve(first.id)).output_text).toBe(first.output_text);
  expect((await client.responses.retrieve(streamed.id)).output_text).toBe(streamed.output_text);
  expect((await client.responses.retrieve(lost.id)).status).toBe("failed");
  const next = await client.responses.create({ ...story, input: "And then?", previous_response_id: first.id });
  expect(next.usage!.input_tokens).toBeGreaterThan(first.usage!.input_tokens);
});

test("whose key asked, and nobody else, finds an answer", async () => {
  await server.stop();
  await start("--api-key", "a", "--api-key", "b");
  const [a, b] = ["a", "b"].map((apiKey) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 }));
  const mine = await a!.responses.create(story);
  expect((await a!.responses.retrieve(mine.id)).id).toBe(mine.id);
  const running = await a!.responses.create({ ...long, background: true });
  for (const id of [mine.id, running.id]) {
    expect(await rejected(b!.responses.retrieve(id))).toBeInstanceOf(NotFoundError);
    expect(await rejected(b!.responses.cancel(id))).toBeInstanceOf(NotFoundError);
    expect(await rejected(b!.responses.delete(id))).toBeInstanceOf(NotFoundError);
    expect(await rejected(b!.responses.inputItems.list(id))).toBeInstanceOf(NotFoundError);
  }
  expect(await rejected(b!.responses.create({ ...story, previous_response_id: mine.id }))).toBeInstanceOf(NotFoundError);
  await a!.responses.delete(running.id);
  expect(await rejected(a!.responses.retrieve(running.id))).toBeInstanceOf(NotFoundError);
});
