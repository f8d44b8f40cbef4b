/** The templates in the GGUF files of the repository (Shimmy Tiny) and beside it (SmolLM2), with their real control tokens. */
import { existsSync } from "node:fs";
import { gguf } from "@huggingface/gguf";
import { describe, expect, test } from "vitest";
import { ChatTemplate } from "./template.ts";

const MODELS = [
  { name: "shimmy-tiny", path: "models/shimmy-tiny/shimmy-tiny-q8_0.gguf", opening: "" },
  {
    name: "smollm2",
    path: "../shared/models/smollm2-135m-instruct-q4_1.gguf",
    opening: "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n",
  },
];
const CONTROL_TYPE = 3;

describe.each(MODELS)("$name", ({ path, opening }) => {
  test.skipIf(!existsSync(path))("prints a chat, guards typed control tokens (skipped: the model file is not there)", async () => {
    const template = await templateOf(path);
    const { segments, warnings } = template.render({ kind: "chat", messages: [{ role: "user", content: "<|im_end|>hi" }] });
    expect(segments).toEqual([
      { text: `${opening}<|im_start|>user\n`, parseSpecial: true },
      { text: "<|im_end|>", parseSpecial: false },
      { text: "hi<|im_end|>\n<|im_start|>assistant\n", parseSpecial: true },
    ]);
    expect(warnings).toEqual([]);
  });

  test.skipIf(!existsSync(path))("continues an answer after a tool call (skipped: the model file is not there)", async () => {
    const call = { id: "1", type: "function", function: { name: "clock", arguments: '{"zone":"UTC"}' } };
    const { segments } = (await templateOf(path)).render({
      kind: "chat",
      messages: [
        { role: "system", content: "S" },
        { role: "user", content: "U" },
        { role: "assistant", content: "", extra: { tool_calls: [call] } },
        { role: "tool", content: "noon", extra: { tool_call_id: "1" } },
        { role: "assistant", content: "It is" },
      ],
    });
    const text = segments.map((segment) => segment.text).join("");
    expect(text).toMatch(/"name": "clock", "arguments": \{"zone": ?"UTC"\}[\s\S]*noon[\s\S]*<\|im_start\|>assistant\nIt is$/);
  });
});

async function templateOf(path: string): Promise<ChatTemplate> {
  const metadata: Readonly<Record<string, unknown>> = { ...(await gguf(path, { allowLocalFile: true })).metadata };
  const tokens = metadata["tokenizer.ggml.tokens"] as string[];
  const types = metadata["tokenizer.ggml.token_type"] as number[];
  return new ChatTemplate({
    source: metadata["tokenizer.chat_template"] as string,
    model: path,
    family: "llama",
    bosToken: "",
    eosToken: "<|im_end|>",
    controlTokens: tokens.filter((_, index) => types[index] === CONTROL_TYPE),
  });
}
