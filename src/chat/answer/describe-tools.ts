/**
 * Tells a model of tools where its template does not: in the system message, in the words of its authors (`CallFormat.describe`), else of
 * Qwen2.5's template, which most small models have seen; the answer is then read as formats/generic.ts says. Called by template.ts.
 */
import { ShimmyError } from "../../contract/errors.ts";
import type { ChatMessage, Tool } from "../../contract/generation.ts";
import { meant } from "../meant.ts";

/** The same conversation, whose system message describes the tools. @throws invalid_value for tools nested deeper than JSON.stringify goes */
export function withToolsDescribed(
  messages: readonly ChatMessage[],
  tools: readonly Tool[],
  describe = inHermesWords,
): readonly ChatMessage[] {
  tools.forEach(asJson);
  const description = describe(tools);
  const [first, ...rest] = messages;
  if (first?.role !== "system" && first?.role !== "developer") return [{ role: "system", content: description }, ...messages];
  return [{ ...first, content: [first.content, description].filter((text) => text !== "").join("\n\n") }, ...rest];
}

function inHermesWords(tools: readonly Tool[]): string {
  const [open, close] = [meant("<tool_call>"), meant("</tool_call>")];
  return [
    "# Tools",
    "",
    "You may call one or more functions to assist with the user query.",
    "",
    "You are provided with function signatures within <tools></tools> XML tags:",
    "<tools>",
    ...tools.map(asJson),
    "</tools>",
    "",
    `For each function call, return a json object with function name and arguments within ${open}${close} XML tags:`,
    open,
    '{"name": <function-name>, "arguments": <args-json-object>}',
    close,
  ].join("\n");
}

function asJson(tool: Tool, i: number): string {
  try {
    return JSON.stringify(tool);
  } catch (cause) {
    throw new ShimmyError("invalid_value", { param: `tools[${i}]`, reason: "it is nested too deep" }, { cause });
  }
}
