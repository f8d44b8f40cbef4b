/**
 * DeepSeek, as in its chat templates and encoding/README.md of its models on Hugging Face. R1 and V3 name the kind of a call and fence its
 * arguments, V3.1 does neither, V3.2 and V4 mark arguments up one by one.
 */
import type { Tool } from "../../../contract/generation.ts";
import { type Expression, sequence, text } from "../../../grammar/expression.ts";
import { meant } from "../../meant.ts";
import type { AnswerFormat, CallFormat, CallGrammar, ReaderContext } from "../format.ts";
import { severalCalls } from "../json-calls.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { ScriptReader } from "../script.ts";
import { spacedJson } from "../written-calls.ts";
import { readCall } from "./json-list.ts";
import { markedUp } from "./marked-up.ts";
import { anyTool } from "./parts.ts";

const OPEN = "<｜tool▁calls▁begin｜>";
const CLOSE = "<｜tool▁calls▁end｜>";
const CALL = "<｜tool▁call▁begin｜>";
const SEPARATOR = "<｜tool▁sep｜>";
const CALL_END = "<｜tool▁call▁end｜>";

const COMMON = {
  markers: [OPEN, CLOSE, CALL, SEPARATOR, CALL_END, "<think>", "</think>"],
  thought: { open: "<think>", close: "</think>" },
};

/** What stands around the name and the arguments of a call. */
interface Fence {
  readonly beforeName: string;
  readonly afterName: string;
  readonly end: string;
  /** Between calls. */
  readonly between: string;
}

const FENCED: Fence = {
  beforeName: `${CALL}function${SEPARATOR}`,
  afterName: "\n```json\n",
  end: `\n\`\`\`${CALL_END}`,
  between: "\n",
};
const PLAIN: Fence = { beforeName: CALL, afterName: SEPARATOR, end: CALL_END, between: "" };

/** In the words of llama.cpp's template for R1, whose own says nothing of tools. */
function describeFenced(tools: readonly Tool[]): string {
  const call = `${meant(OPEN)}${meant(CALL)}function${meant(SEPARATOR)}example_function_name`;
  return [
    `You can call any of the following function tools to satisfy the user's requests: ${JSON.stringify(
      tools.map((tool) => tool.function),
      null,
      2,
    )}`,
    "",
    "Example function tool call syntax:",
    "",
    `${call}\n\`\`\`json\n{\n  "arg1": "some_value"\n  ...\n}\n\`\`\`\n${meant(CALL_END)}${meant(CLOSE)}`,
  ].join("\n");
}

/** As the model card of DeepSeek-V3.1 asks; its template says nothing of tools. */
function describePlain(tools: readonly Tool[]): string {
  return [
    "## Tools",
    "You have access to the following tools:",
    ...tools.map(
      ({ function: { name, description = "", parameters = {} } }) =>
        `\n### ${name}\nDescription: ${description}\n\nParameters: ${spacedJson(parameters)}`,
    ),
    "",
    "IMPORTANT: ALWAYS adhere to this exact format for tool use:",
    `${meant(OPEN)}${meant(CALL)}tool_call_name${meant(SEPARATOR)}tool_call_arguments${meant(CALL_END)}{additional_tool_calls}${meant(CLOSE)}`,
    "",
    "Where:",
    "- `tool_call_name` must be an exact match to one of the available tools",
    "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema",
    "- For multiple tool calls, chain them directly without separators or spaces",
  ].join("\n");
}

function calls(fence: Fence, describe: (tools: readonly Tool[]) => string): CallFormat {
  const behind = (grammar: CallGrammar, tools: readonly Tool[], parallel: boolean): Expression => {
    const call = anyTool(tools, (tool) =>
      sequence(text(fence.beforeName + tool.function.name + fence.afterName), grammar.arguments(tool), text(fence.end)),
    );
    return sequence(severalCalls(grammar, call, text(fence.between), parallel), text(CLOSE));
  };
  return {
    triggers: () => [{ text: OPEN }],
    behind,
    whole: (grammar, tools, parallel) => sequence(text(OPEN), behind(grammar, tools, parallel)),
    describe,
    reader: (_, context) => new ScriptReader((scan) => read(scan, fence, context)),
  };
}

function* read(scan: Scanner, fence: Fence, context: ReaderContext): Reading<boolean> {
  for (;;) {
    const mark = yield* scan.next([fence.beforeName, CLOSE]);
    if (mark !== fence.beforeName) return mark === CLOSE && scan.told;
    if (!(yield* readCall(scan, context, fence.afterName))) return false;
    if ((yield* scan.next([fence.end.trimStart()])) === undefined) return false;
    scan.settle();
  }
}

/** Also the distilled R1s. */
export const DEEPSEEK_R1: AnswerFormat = {
  name: "deepseek-r1",
  fits: (template) => template.includes(CALL),
  ...COMMON,
  calls: calls(FENCED, describeFenced),
};

export const DEEPSEEK_V3_1: AnswerFormat = {
  name: "deepseek-v3.1",
  fits: (template) => template.includes(CALL) && !template.includes("```json"),
  ...COMMON,
  calls: calls(PLAIN, describePlain),
};

/** @param block what the block of calls is called: V4 changed it and nothing else */
function dsml(name: string, block: string): AnswerFormat {
  return {
    name,
    // Templates put the marks together from a variable, which the word of the block follows.
    fits: (template) => template.includes("｜DSML｜") && new RegExp(`(?:｜DSML｜|dsml_token \\+ ')${block}>`).test(template),
    markers: ["｜DSML｜", "<think>", "</think>"],
    thought: COMMON.thought,
    calls: markedUp({
      open: `<｜DSML｜${block}>`,
      beforeName: '\n<｜DSML｜invoke name="',
      afterName: '">\n',
      argument: {
        before: '<｜DSML｜parameter name="',
        after: { string: '" string="true">', json: '" string="false">' },
        end: "</｜DSML｜parameter>",
        apart: "\n",
      },
      end: "</｜DSML｜invoke>",
      close: `\n</｜DSML｜${block}>`,
      together: true,
      apart: "\n",
    }),
  };
}

export const DEEPSEEK_V3_2 = dsml("deepseek-v3.2", "function_calls");
export const DEEPSEEK_V4 = dsml("deepseek-v4", "tool_calls");
