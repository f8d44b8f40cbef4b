/** T31 with a template that takes only user, assistant, user, as those of Gemma 2 and Mistral 7B do. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestServer } from "../support/server.ts";
import { type Asker, user, withTemplate } from "./asker.ts";

let server: TestServer;
let model: Asker;
beforeAll(async () => {
  ({ server, model } = await withTemplate(
    [
      "{%- for message in messages %}",
      "{%- if message.role == 'system' or (message.role == 'user') != (loop.index0 % 2 == 0) %}",
      "{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}",
      "{%- endif %}",
      "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}",
      "{%- endfor %}",
      "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}",
    ].join("\n"),
  ));
});
afterAll(() => server.stop());

const pirate = "Speak like a pirate, with many words.";
test.each([
  ["system first", [{ role: "system", content: pirate }, user("Hi")]],
  ["developer first", [{ role: "developer", content: pirate }, user("Hi")]],
  ["system in the middle", [user("Hi"), { role: "assistant", content: "Hello!" }, { role: "system", content: pirate }, user("Go on")]],
  ["two users", [user("Hi"), user(pirate)]],
  ["assistant first", [{ role: "assistant", content: pirate }, user("Hi")]],
  ["a tool result", [user("Hi"), { role: "assistant", content: "I look." }, { role: "tool", tool_call_id: "x", content: pirate }]],
])("T31 %s: answered, and nothing is left out", async (_, messages) => {
  const shorter = messages.map((message) => ({ ...message, content: message.content === pirate ? "x" : message.content }));
  expect(await model.count(messages)).toBeGreaterThanOrEqual((await model.count(shorter)) + 6);
});
