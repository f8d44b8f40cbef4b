/** T35: `chat_template_kwargs` reach the template, and nothing else does. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestServer } from "../support/server.ts";
import { type Asker, CHATML, user, withTemplate } from "./asker.ts";

let server: TestServer;
let model: Asker;
beforeAll(async () => {
  ({ server, model } = await withTemplate(`{%- if enable_thinking is false %}{{- '/no_think' }}{% endif %}{{- extra or '' }}${CHATML}`));
});
afterAll(() => server.stop());

const base = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
test.each([
  [undefined, base],
  [{}, base],
  [null, base],
  [{ enable_thinking: false }, `/no_think${base}`],
  [{ enable_thinking: true }, base],
  [{ enable_thinking: false, extra: "some more words " }, `/no_thinksome more words ${base}`],
  // What the server itself gives the template cannot be taken over.
  [{ messages: [], add_generation_prompt: false, bos_token: "xyz" }, base],
])("T35 %o reach the template", async (kwargs, text) => {
  expect(await model.count([user("Hi")], { chat_template_kwargs: kwargs })).toBe(await model.countText(text));
});

test("T35 of the wrong type they are a 400 that names the field", async () => {
  for (const kwargs of ["text", 3, []]) {
    const { status, json } = await model.ask([user("Hi")], { chat_template_kwargs: kwargs });
    expect([status, json.error.param]).toEqual([400, "chat_template_kwargs"]);
  }
});
