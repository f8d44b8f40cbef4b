/**
 * Command R7B, Command A and later of Cohere, as in their chat templates (CohereLabs/c4ai-command-r7b-12-2024 on Hugging Face). The marks
 * around a plain answer (`<|START_RESPONSE|>` or `<|START_TEXT|>`) are control tokens and no part of the text.
 *
 *     <|START_THINKING|>…<|END_THINKING|><|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "NAME", "parameters": {…}}\n]<|END_ACTION|>
 */
import type { AnswerFormat } from "../format.ts";
import { jsonList } from "./json-list.ts";

export const COMMAND: AnswerFormat = {
  name: "command-r7b",
  fits: (template) => template.includes("<|START_ACTION|>") && template.includes('"tool_name"'),
  markers: ["<|START_ACTION|>", "<|END_ACTION|>", "<|START_THINKING|>", "<|END_THINKING|>"],
  thought: { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
  calls: jsonList({
    open: "<|START_ACTION|>",
    close: "<|END_ACTION|>",
    name: "tool_name",
    arguments: "parameters",
    number: "tool_call_id",
  }),
};
