/**
 * Families that write their calls as one list of JSON between marks, as in their chat templates on Hugging Face: Nemotron Nano v2
 * (nvidia/NVIDIA-Nemotron-Nano-9B-v2), Apriel (ServiceNow-AI/Apriel-1.5-15b-Thinker) and Firefunction (fireworks-ai/llama-3-firefunction-v2).
 *
 *     <TOOLCALL>[{"name": "NAME", "arguments": {…}}]</TOOLCALL>
 *     <tool_calls>[{"name": "NAME", "arguments": {…}, "id": "…"}]</tool_calls>
 *     functools[{"name": "NAME", "arguments": {…}}]
 */
import type { AnswerFormat } from "../format.ts";
import { jsonList } from "./json-list.ts";

const NAMES = { name: "name", arguments: "arguments" };

export const NEMOTRON_2: AnswerFormat = {
  name: "nemotron-2",
  fits: (template) => template.includes("<TOOLCALL>["),
  markers: ["<TOOLCALL>", "</TOOLCALL>"],
  calls: jsonList({ open: "<TOOLCALL>", close: "</TOOLCALL>", ...NAMES }),
};

export const APRIEL: AnswerFormat = {
  name: "apriel",
  fits: (template) => template.includes("<tool_calls>["),
  markers: ["<tool_calls>", "</tool_calls>"],
  calls: jsonList({ open: "<tool_calls>", close: "</tool_calls>", ...NAMES, id: "id" }),
};

export const FIREFUNCTION: AnswerFormat = {
  name: "firefunction",
  fits: (template) => template.includes("functools["),
  markers: [],
  calls: jsonList({ open: "functools", close: "", ...NAMES }),
};
