/**
 * Qwen3-Coder, and those that write calls as it does: Qwen3.5, Nemotron 3 Nano, Step 3.5 Flash. As in the chat templates of Qwen on
 * Hugging Face (Qwen/Qwen3-Coder-30B-A3B-Instruct, Qwen/Qwen3.5-4B).
 *
 *     <tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n</function>\n</tool_call>
 */
import type { AnswerFormat } from "../format.ts";
import { type MarkUp, markedUp } from "./marked-up.ts";

const MARKS: MarkUp = {
  open: "<tool_call>",
  beforeName: "\n<function=",
  afterName: ">\n",
  argument: { before: "<parameter=", after: ">\n", end: "\n</parameter>\n", apart: "" },
  end: "</function>",
  close: "\n</tool_call>",
  apart: "\n",
};

function fits(template: string): boolean {
  return ["<tool_call>", "<function=", "<parameter="].every((mark) => template.includes(mark));
}

/** With thoughts. */
export const QWEN3_5: AnswerFormat = {
  name: "qwen3.5",
  fits: (template) => fits(template) && template.includes("<think>"),
  markers: ["<tool_call>", "</tool_call>", "<think>", "</think>"],
  thought: { open: "<think>", close: "</think>" },
  calls: markedUp(MARKS),
};

/** It now and then forgets `<tool_call>`, as llama.cpp has seen too (common/chat.cpp). */
export const QWEN3_CODER: AnswerFormat = {
  name: "qwen3-coder",
  fits,
  markers: ["<tool_call>", "</tool_call>"],
  calls: markedUp({ ...MARKS, openOptional: true }),
};
