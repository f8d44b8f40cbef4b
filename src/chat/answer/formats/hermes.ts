/**
 * Calls as JSON in marks, after NousResearch/Hermes-Function-Calling: Hermes, Qwen2.5, Qwen3, SmolLM3, Shimmy Tiny and many others.
 *
 *     <tool_call>
 *     {"name": "weather", "arguments": {"city": "Paris"}}
 *     </tool_call>
 */
import { type Expression, optional, sequence, text } from "../../../grammar/expression.ts";
import type { AnswerFormat, CallFormat } from "../format.ts";
import { jsonCallGrammar, severalCalls } from "../json-calls.ts";
import { jsonCall, ScriptReader } from "../script.ts";

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";
const NAMES = { name: "name", arguments: "arguments" };
/** Templates print a line break within the marks, some models leave it out. */
const BREAK = optional(text("\n"));

/** Other families write something else within the same marks: Qwen3-Coder, GLM. */
const OTHERS = ["<function=", "<arg_key>"];

export const hermesCalls: CallFormat = {
  triggers: () => [{ text: OPEN }],
  behind: (grammar, tools) => sequence(BREAK, jsonCallGrammar(grammar, tools, NAMES), BREAK, text(CLOSE)),
  whole(grammar, tools, parallel): Expression {
    const call = sequence(text(OPEN), this.behind(grammar, tools, false));
    return severalCalls(grammar, call, BREAK, parallel);
  },
  reader: (_, context) =>
    new ScriptReader(function* (scanner) {
      if (!(yield* jsonCall(scanner, NAMES, context))) return false;
      yield* scanner.space();
      yield* scanner.accept(CLOSE);
      return true;
    }),
};

export const hermes: AnswerFormat = {
  name: "hermes",
  fits: (template) => template.includes(OPEN) && !OTHERS.some((mark) => template.includes(mark)),
  markers: [OPEN, CLOSE],
  calls: hermesCalls,
};
