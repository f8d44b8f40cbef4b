/** T34: a template that refuses, cannot be read or is none. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { type Asker, asker, user, withTemplate } from "./asker.ts";

let server: TestServer;
let model: Asker;
beforeAll(async () => {
  ({ server, model } = await withTemplate(
    [
      "{%- for message in messages %}",
      "{%- if message.content == 'forbidden' %}",
      "{{- raise_exception('this word is not allowed') }}",
      "{%- endif %}",
      "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}",
      "{%- endfor %}",
      "{{- '<|im_start|>assistant\\n' }}",
    ].join("\n"),
  ));
});
afterAll(() => server.stop());

test.each([false, true])(
  "T34 a refusal is a 400 template_error with its line and reason (stream: %s), and the server goes on",
  async (stream) => {
    const { status, json, headers } = await model.ask([user("Hi"), { role: "assistant", content: "Hello!" }, user("forbidden")], {
      stream,
    });
    expect([status, headers["content-type"]]).toEqual([400, "application/json"]);
    expect(json.error).toMatchObject({ type: "invalid_request_error", code: "template_error", param: "messages" });
    expect(json.error.message).toContain("line 3");
    expect(json.error.message).toContain("this word is not allowed");
    expect(json.error.message).not.toContain(tmpdir());
    expect((await model.ask([user("Hi")], { max_tokens: 1 })).status).toBe(200);
  },
);

test("T34 a template that cannot be read fails the model, not the server", async () => {
  const other = await startServer({ args: ["--chat-template-file", join(tmpdir(), "no-such-file.jinja")] });
  const { status, json, text } = await asker(other).ask([user("Hi")], { max_tokens: 1 });
  expect([status, json.error.code]).toEqual([503, "model_load_failed"]);
  expect(text).not.toContain(tmpdir());
  expect((await ask(other, "/health")).status).toBe(200);
  await other.stop();
});

test("T34 a template that is no Jinja is replaced by a built-in format", async () => {
  const broken = await withTemplate("{% for message in messages %}{{ message.content }");
  expect((await broken.model.ask([user("Hi")], { max_tokens: 1 })).status).toBe(200);
  await broken.server.stop();
});
