/**
 * Llama 3.1, 3.2, 3.3 (llama.com, "Prompt template", tool calling): a call is the whole answer, bare JSON or behind the python tag; its
 * arguments are called parameters. Meta's own tools are called in the form of Python.
 *
 *     {"name": "weather", "parameters": {"city": "Paris"}}
 *     <|python_tag|>{"name": "weather", "parameters": {"city": "Paris"}}
 *     <|python_tag|>brave_search.call(query="weather in Paris")
 */
import type { Trigger } from "../../../contract/answer.ts";
import type { Tool } from "../../../contract/generation.ts";
import { choice, type Expression, sequence, text } from "../../../grammar/expression.ts";
import type { AnswerFormat, CallFormat, CallGrammar, CallReader, ReaderContext } from "../format.ts";
import { jsonCallGrammar } from "../json-calls.ts";
import { jsonCall, type Script, ScriptReader, tellWhole } from "../script.ts";

const TAG = "<|python_tag|>";
const NAMES = { name: "name", arguments: "parameters" };
/** A trigger is the beginning of a call itself: a bare brace begins other answers too. */
const HEADS = ['{"name":', '{"type": "function", "name":'];
const BUILT_IN = ["brave_search", "wolfram_alpha"];
const builtInHead = (name: string) => `${TAG}${name}.call(`;

const calls: CallFormat = {
  triggers: (tools): Trigger[] => [
    ...HEADS.map((text) => ({ text, atStart: true })),
    ...HEADS.map((head) => ({ text: TAG + head })),
    ...builtIns(tools).map(({ function: { name } }) => ({ text: builtInHead(name) })),
  ],
  behind(grammar, tools): Expression {
    const rest = tools.map((tool) =>
      sequence(text(` ${JSON.stringify(tool.function.name)}, "parameters": `), grammar.arguments(tool), text("}")),
    );
    // No call goes on with this behind the head of another form.
    return choice(...rest, ...(builtIns(tools).length > 0 ? [builtInRest(grammar)] : []));
  },
  // Its templates print one call a turn and refuse more.
  whole: (grammar, tools) => jsonCallGrammar(grammar, tools, NAMES),
  reader(trigger, context): CallReader {
    const head = HEADS.find((each) => trigger.endsWith(each));
    if (head === undefined) return new ScriptReader(builtInCall(trigger, context));
    return new ScriptReader((scanner) => jsonCalls(scanner, context), head);
  },
};

export const llama3: AnswerFormat = {
  name: "llama3",
  fits: (template) => template.includes(TAG) || (template.includes("<|start_header_id|>") && template.includes('"parameters": ')),
  markers: [TAG],
  calls,
};

function builtIns(tools: readonly Tool[]): Tool[] {
  return tools.filter(({ function: { name } }) => BUILT_IN.includes(name));
}

function builtInRest(grammar: CallGrammar): Expression {
  return sequence(text('query="'), grammar.until('")'));
}

/** Several are separated by semicolons where a model writes several all the same. */
function* jsonCalls(scanner: Parameters<Script>[0], context: ReaderContext): ReturnType<Script> {
  if (!(yield* jsonCall(scanner, NAMES, context))) return false;
  for (;;) {
    yield* scanner.space();
    if (!(yield* scanner.accept(";"))) return true;
    if (!(yield* jsonCall(scanner, NAMES, context))) return true;
  }
}

function builtInCall(trigger: string, { newId }: ReaderContext): Script {
  const name = BUILT_IN.find((each) => trigger === builtInHead(each))!;
  return function* (scanner) {
    if (!(yield* scanner.accept('query="'))) return false;
    const query = yield* scanner.until('")');
    tellWhole(scanner, name, JSON.stringify({ query }), newId());
    return true;
  };
}
