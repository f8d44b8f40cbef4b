/**
 * Phi-4-mini, as in its model card (microsoft/Phi-4-mini-instruct on Hugging Face).
 *
 *     <|tool_call|>[{"name": "NAME", "arguments": {…}}]<|/tool_call|>
 */
import type { AnswerFormat } from "../format.ts";
import { jsonList } from "./json-list.ts";

export const PHI_4_MINI: AnswerFormat = {
  name: "phi-4-mini",
  fits: (template) => template.includes("<|tool|>") && template.includes("<|/tool|>"),
  markers: ["<|tool_call|>", "<|/tool_call|>"],
  calls: jsonList({ open: "<|tool_call|>", close: "<|/tool_call|>", name: "name", arguments: "arguments" }),
};
