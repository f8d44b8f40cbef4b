/**
 * GLM 4.5 and later, as in the chat templates of zai-org on Hugging Face; 4.7 leaves out the line breaks.
 *
 *     <tool_call>NAME\n<arg_key>KEY</arg_key>\n<arg_value>VALUE</arg_value>\n</tool_call>
 */
import type { AnswerFormat } from "../format.ts";
import { type MarkUp, markedUp } from "./marked-up.ts";

const LINES: MarkUp = {
  open: "<tool_call>",
  beforeName: "",
  afterName: "\n",
  argument: { before: "<arg_key>", after: "</arg_key>\n<arg_value>", end: "</arg_value>", apart: "\n" },
  end: "</tool_call>",
  close: "",
  apart: "\n",
};

const ONE_LINE: MarkUp = {
  ...LINES,
  afterName: "",
  argument: { before: "<arg_key>", after: "</arg_key><arg_value>", end: "</arg_value>", apart: "" },
  apart: "",
};

function fits(template: string): boolean {
  return template.includes("<arg_key>") && template.includes("<arg_value>") && template.includes("<tool_call>");
}

const COMMON = {
  markers: ["<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "<think>", "</think>"],
  thought: { open: "<think>", close: "</think>" },
};

export const GLM_4_5: AnswerFormat = { name: "glm-4.5", fits, ...COMMON, calls: markedUp(LINES) };

export const GLM_4_7: AnswerFormat = {
  name: "glm-4.7",
  fits: (template) => fits(template) && template.includes("</arg_key><arg_value>"),
  ...COMMON,
  calls: markedUp(ONE_LINE),
};
