/**
 * Gemma of Google: FunctionGemma (ai.google.dev/gemma/docs/functiongemma/formatting-and-best-practices) and Gemma 4 (its chat template on
 * Hugging Face, google/gemma-4-31B-it). Keys are bare, strings raw between marks; Gemma 3 and older have no form of their own.
 *
 *     FunctionGemma  <start_function_call>call:NAME{city:<escape>Paris<escape>,days:3}<end_function_call>
 *     Gemma 4        <|tool_call>call:NAME{city:<|"|>Paris<|"|>,days:3}<tool_call|>
 *
 * What holds several values (objects, arrays) is demanded as JSON, which the grammar of its schema can keep; a reader takes both.
 */
import type { Tool } from "../../../contract/generation.ts";
import { type Expression, sequence, text } from "../../../grammar/expression.ts";
import type { AnswerFormat, CallFormat, CallGrammar, ReaderContext } from "../format.ts";
import { severalCalls } from "../json-calls.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { ScriptReader } from "../script.ts";
import { looseKey, looseValue } from "./loose-value.ts";
import { anyTool, inOrderBetween, rawText } from "./parts.ts";

interface Notation {
  readonly open: string;
  readonly close: string;
  readonly quote: string;
}

function calls(notation: Notation): CallFormat {
  const { open, close } = notation;
  const one = (grammar: CallGrammar, tools: readonly Tool[]) => anyTool(tools, (tool) => callOf(tool, notation, grammar));
  return {
    triggers: () => [{ text: open }],
    behind: (grammar, tools) => sequence(text("call:"), one(grammar, tools)),
    whole: (grammar, tools, parallel) => severalCalls(grammar, sequence(text(`${open}call:`), one(grammar, tools)), text(""), parallel),
    reader: (_, context) => new ScriptReader((scan) => read(scan, { open, close, quote: notation.quote }, context)),
  };
}

function callOf(tool: Tool, { close, quote }: Notation, grammar: CallGrammar): Expression {
  const properties = grammar.properties(tool);
  const args = inOrderBetween(
    properties,
    text(","),
    (property) => {
      const value = property.raw ? sequence(text(quote), rawText(property, quote, grammar)) : property.json;
      return sequence(text(`${property.name}:`), value);
    },
    grammar,
  );
  return sequence(text(`${tool.function.name}{`), args, text(`}${close}`));
}

function* read(scan: Scanner, { close, quote }: Notation, { tools, newId }: ReaderContext): Reading<boolean> {
  if ((yield* scan.next(["call:"])) === undefined) return false;
  const found = yield* scan.oneOf(tools.map((tool) => `${tool.function.name}{`));
  if (found === undefined) return false;
  scan.tell({ kind: "call", name: found.slice(0, -1), id: newId() });
  const tell = (part: string) => scan.tell({ kind: "arguments", text: part });
  tell("{");
  for (let next = yield* scan.next(["}"]), first = true; next !== "}"; first = false) {
    const key = yield* looseKey(scan, quote);
    if (key === undefined) return false;
    tell(`${first ? "" : ", "}${key}: `);
    if (!(yield* looseValue(scan, quote, tell))) return false;
    next = yield* scan.next([",", "}"]);
    if (next === undefined) return false;
  }
  tell("}");
  scan.tell({ kind: "end" });
  return (yield* scan.next([close])) !== undefined;
}

const FUNCTION_NOTATION: Notation = { open: "<start_function_call>", close: "<end_function_call>", quote: "<escape>" };
const GEMMA_4_NOTATION: Notation = { open: "<|tool_call>", close: "<tool_call|>", quote: '<|"|>' };

export const FUNCTION_GEMMA: AnswerFormat = {
  name: "function-gemma",
  fits: (template) => template.includes(FUNCTION_NOTATION.open),
  markers: Object.values(FUNCTION_NOTATION),
  calls: calls(FUNCTION_NOTATION),
};

export const GEMMA_4: AnswerFormat = {
  name: "gemma-4",
  fits: (template) => template.includes(`${GEMMA_4_NOTATION.open}call:`) || template.includes(`${GEMMA_4_NOTATION.close}`),
  markers: [...Object.values(GEMMA_4_NOTATION), "<|channel>", "<channel|>"],
  thought: { open: "<|channel>thought", close: "<channel|>" },
  calls: calls(GEMMA_4_NOTATION),
};
