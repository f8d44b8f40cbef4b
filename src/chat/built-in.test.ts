/** Which built-in format a model gets, and that each takes every conversation. */
import { describe, expect, test } from "vitest";
import { builtInTemplate } from "./built-in.ts";
import { ChatTemplate } from "./template.ts";

const FORMATS = [
  ["chatml", "qwen2", ["<|im_start|>", "<|im_end|>"], "<|im_start|>assistant\n"],
  ["chatml", "unheard-of", ["<|im_start|>", "<|im_end|>"], "<|im_start|>assistant\n"],
  ["llama3", "llama", ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], "<|start_header_id|>assistant<|end_header_id|>\n\n"],
  ["gemma", "gemma3", ["<start_of_turn>", "<end_of_turn>"], "<start_of_turn>model\n"],
  ["phi3", "phi3", ["<|end|>", "<|assistant|>", "<|user|>"], "<|assistant|>\n"],
  ["phi4", "phi", ["<|im_start|>", "<|im_end|>", "<|im_sep|>"], "<|im_start|>assistant<|im_sep|>"],
  ["granite", "granite", ["<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"], "<|start_of_role|>assistant<|end_of_role|>"],
  ["seed", "seed_oss", ["<seed:bos>", "<seed:eos>"], "<seed:bos>assistant\n"],
  ["mistral", "mistral", [], "[/INST]"],
  ["zephyr", "tinyllama", [], "<|assistant|>\n"],
  ["transcript", "unheard-of", [], "\nassistant:"],
] as const;

describe.each(FORMATS)("%s for family %s", (name, family, tokens, end) => {
  test("is chosen, and ends where the answer begins", () => {
    expect(builtInTemplate(family, new Set(tokens)).name).toBe(name);
    const { segments, warnings } = render([{ role: "user", content: "hello" }]);
    const text = segments.map((segment) => segment.text).join("");
    expect(text).toContain("hello");
    expect(text.endsWith(end)).toBe(true);
    expect(warnings).toEqual([`m has no chat template; the built-in '${name}' is used`]);
  });

  test("prints every kind of message", () => {
    const call = { id: "1", type: "function", function: { name: "f", arguments: "{}" } };
    const { segments } = render([
      { role: "system", content: "SYS" },
      { role: "user", content: "ONE" },
      { role: "user", content: "TWO" },
      { role: "assistant", content: "", extra: { tool_calls: [call] } },
      { role: "tool", content: "RESULT", extra: { tool_call_id: "1" } },
      { role: "system", content: "MID" },
      { role: "assistant", content: "BEGINNING" },
    ]);
    const text = segments.map((segment) => segment.text).join("");
    for (const part of ["SYS", "ONE", "TWO", '"f"', "RESULT", "MID"]) expect(text).toContain(part);
    expect(text.endsWith("BEGINNING")).toBe(true);
  });

  function render(messages: Parameters<ChatTemplate["render"]>[0]["messages"]) {
    const options = { model: "m", family, bosToken: "<s>", eosToken: "</s>", controlTokens: [...tokens] };
    return new ChatTemplate(options).render({ kind: "chat", messages });
  }
});
