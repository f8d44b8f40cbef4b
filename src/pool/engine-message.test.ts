import { expect, test } from "vitest";
import type { ChatMessage, GenerationRequest, Prompt } from "../contract/generation.ts";
import { createLogger } from "../telemetry/log.ts";
import { engineMessage } from "./engine-message.ts";

/** The messages that the template is given. */
function rendered(messages: readonly ChatMessage[], system?: string): readonly ChatMessage[] {
  let seen: readonly ChatMessage[] = [];
  const template = {
    render: (prompt: Extract<Prompt, { kind: "chat" }>) => {
      seen = prompt.messages;
      return { segments: [], warnings: [] };
    },
  };
  const request = { id: "r", prompt: { kind: "chat", messages }, choices: 1, stop: [] } as unknown as GenerationRequest;
  const info = system === undefined ? {} : { defaults: { system } };
  engineMessage({ template, info }, request, createLogger({ level: "error", format: "json" }), false, undefined);
  return seen;
}

const user = { role: "user", content: "hello" };
const own = { role: "system", content: "mine" };

test("a model's own system message holds where the conversation has none", () => {
  expect(rendered([user], "be brief")).toEqual([{ role: "system", content: "be brief" }, user]);
  expect(rendered([own, user], "be brief")).toEqual([own, user]);
  expect(rendered([user])).toEqual([user]);
});
