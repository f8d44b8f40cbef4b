import { expect, test } from "vitest";
import type { ChatMessage, GenerationRequest, Prompt } from "../contract/generation.ts";
import { createLogger } from "../telemetry/log.ts";
import { engineMessage } from "./engine-message.ts";

/** The messages that the template is given. */
async function rendered(messages: readonly ChatMessage[], system?: string): Promise<readonly ChatMessage[]> {
  let seen: readonly ChatMessage[] = [];
  const template = {
    render: (prompt: Extract<Prompt, { kind: "chat" }>) => {
      seen = prompt.messages;
      return { segments: [], warnings: [], answer: { format: "generic", markers: [], thinks: false } };
    },
  };
  const request = { id: "r", prompt: { kind: "chat", messages }, choices: 1, stop: [] } as unknown as GenerationRequest;
  const info = system === undefined ? {} : { defaults: { system } };
  const ready = { contextPerSequence: 8 };
  await engineMessage({ template, info, ready }, request, createLogger({ level: "error", format: "json" }), false, async () => undefined);
  return seen;
}

const user = { role: "user", content: "hello" };
const own = { role: "system", content: "mine" };

test("a model's own system message holds where the conversation has none", async () => {
  expect(await rendered([user], "be brief")).toEqual([{ role: "system", content: "be brief" }, user]);
  expect(await rendered([own, user], "be brief")).toEqual([own, user]);
  expect(await rendered([user])).toEqual([user]);
});

test("more tokens than the context holds never go to the engine", async () => {
  const ask = (length: number) => {
    const request = { id: "r", prompt: { kind: "tokens", tokens: Array(length).fill(7) }, choices: 1, stop: [], sampling: {} };
    const model = { template: { render: () => expect.fail() }, info: {}, ready: { contextPerSequence: 8 } };
    const log = createLogger({ level: "error", format: "json" });
    return engineMessage(model, request as unknown as GenerationRequest, log, false, async () => undefined);
  };
  await expect(ask(9)).rejects.toMatchObject({ code: "context_length_exceeded", details: { n_prompt_tokens: 9, n_ctx: 8 } });
  await expect(ask(8)).resolves.toMatchObject({ message: { prompt: { tokens: { length: 8 } } } });
});
