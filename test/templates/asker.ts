/** Chat questions of which only the status and the length of the prompt matter, for the suites of templates. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askJson } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";

export interface Asker {
  ask(messages: readonly object[], more?: object): ReturnType<typeof askJson>;
  /** Tokens of the rendered prompt. @throws when it was not answered */
  count(messages: readonly object[], more?: object): Promise<number>;
  /** The answer at temperature 0. @throws when it was not answered */
  answer(messages: readonly object[], more?: object): Promise<string>;
  /** Tokens of a text as it stands, control tokens meant. */
  countText(prompt: string): Promise<number>;
}

export function asker(server: TestServer, model = "shimmy-tiny"): Asker {
  const ask = (messages: readonly object[], more: object = {}) =>
    askJson(server, "/v1/chat/completions", { model, messages, temperature: 0, ...more });
  const answered = async (messages: readonly object[], more: object) => {
    const { status, json, text } = await ask(messages, more);
    if (status !== 200) throw new Error(`${status}: ${text}`);
    return json;
  };
  return {
    ask,
    count: async (messages, more) => (await answered(messages, { max_tokens: 0, ...more })).usage.prompt_tokens,
    answer: async (messages, more) => (await answered(messages, { max_tokens: 32, ...more })).choices[0].message.content,
    countText: async (prompt) => (await askJson(server, "/v1/completions", { model, prompt, max_tokens: 0 })).json.usage.prompt_tokens,
  };
}

/** The plainest format, which Shimmy Tiny was trained on. */
export const CHATML = [
  "{%- for message in messages %}",
  "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}",
  "{%- endfor %}",
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}",
].join("\n");

/** A server whose models use this template; its folder goes with the machine's other temporary files. */
export async function withTemplate(
  template: string,
  args: readonly string[] = [],
  name?: string,
): Promise<{ server: TestServer; model: Asker }> {
  const file = join(mkdtempSync(join(tmpdir(), "shimmy-template-")), "template.jinja");
  writeFileSync(file, template);
  const server = await startServer({ args: ["--chat-template-file", file, ...args] });
  return { server, model: asker(server, name) };
}

export const user = (content: string) => ({ role: "user", content });

export function call(name: string, args: unknown) {
  return { id: "call_1", type: "function", function: { name, arguments: args } };
}

export function toolDefinition(name: string) {
  const number = { type: "number" };
  const parameters = { type: "object", properties: { a: number, b: number }, required: ["a", "b"] };
  return { type: "function", function: { name, description: "does something with two numbers", parameters } };
}
