/** T33: a last message of the assistant is an answer that was begun. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { type Asker, asker, CHATML, user, withTemplate } from "./asker.ts";

let server: TestServer;
let model: Asker;
beforeAll(async () => {
  server = await startServer();
  model = asker(server);
});
afterAll(() => server.stop());

const question = user("What is the capital of France?");

test("T33 an answer that was begun is continued, not answered", async () => {
  const messages = [question, { role: "assistant", content: "The capital of France" }];
  expect(await model.answer(messages)).toBe(" is Paris.");
  expect(await model.count(messages)).toBe(
    await model.countText("<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\nThe capital of France"),
  );
});

test("T33 an empty one at the end is as if it were not there", async () => {
  for (const content of ["", null, "  ", []]) {
    const messages = [question, { role: "assistant", content }];
    expect(await model.count(messages)).toBe(await model.count([question]));
    expect(await model.answer(messages)).toBe("The capital of France is Paris.");
  }
});

test("T33 with a template that opens a thought: the answer is continued outside of it, else it begins inside", async () => {
  const thinking = await withTemplate(CHATML.replace("assistant\\n' }}", "assistant\\n<think>\\n' }}"));
  const opened = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n";
  expect(await thinking.model.count([user("Hi")])).toBe(await thinking.model.countText(opened));
  const { status, json } = await thinking.model.ask([question, { role: "assistant", content: "The capital of France" }], {
    max_tokens: 8,
  });
  expect([status, json.choices[0].message.content]).toEqual([200, " is Paris."]);
  await thinking.server.stop();
});
