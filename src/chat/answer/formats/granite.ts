/**
 * Granite 3 of IBM, as in its chat templates and model cards (ibm-granite/granite-3.3-8b-instruct on Hugging Face). Granite 4 writes calls
 * as Hermes does.
 *
 *     <|tool_call|>[{"name": "NAME", "arguments": {…}}]
 */
import type { AnswerFormat } from "../format.ts";
import { jsonList } from "./json-list.ts";

export const GRANITE: AnswerFormat = {
  name: "granite-3",
  fits: (template) => template.includes("<|tool_call|>") && template.includes("<|start_of_role|>"),
  markers: ["<|tool_call|>", "<think>", "</think>"],
  thought: { open: "<think>", close: "</think>" },
  calls: jsonList({ open: "<|tool_call|>", close: "", name: "name", arguments: "arguments" }),
};
