/**
 * LFM2 of Liquid AI, as in its model cards (LiquidAI/LFM2-1.2B on Hugging Face): a list of calls in the form of Python, whose values may be
 * JSON as well.
 *
 *     <|tool_call_start|>[NAME(city="Paris", days=3)]<|tool_call_end|>
 */
import type { Tool } from "../../../contract/generation.ts";
import { type Expression, sequence, text } from "../../../grammar/expression.ts";
import { meant } from "../../meant.ts";
import type { AnswerFormat, CallGrammar, ReaderContext } from "../format.ts";
import { severalCalls } from "../json-calls.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { ScriptReader } from "../script.ts";
import { type PastCall, spacedJson } from "../written-calls.ts";
import { looseValue } from "./loose-value.ts";
import { anyTool, inOrderBetween } from "./parts.ts";

const OPEN = "<|tool_call_start|>";
const CLOSE = "<|tool_call_end|>";

function behind(grammar: CallGrammar, tools: readonly Tool[], parallel: boolean): Expression {
  const call = anyTool(tools, (tool) => {
    const each = inOrderBetween(grammar.properties(tool), text(", "), ({ name, json }) => sequence(text(`${name}=`), json), grammar);
    return sequence(text(`${tool.function.name}(`), each, text(")"));
  });
  return sequence(text("["), severalCalls(grammar, call, text(", "), parallel), text(`]${CLOSE}`));
}

function* read(scan: Scanner, context: ReaderContext): Reading<boolean> {
  let next = yield* scan.next(["["]);
  if (next === undefined) return false;
  while (next !== "]") {
    yield* scan.space();
    if (!(yield* readCall(scan, context))) return false;
    next = yield* scan.next([",", "]"]);
    if (next === undefined) return false;
  }
  return (yield* scan.next([CLOSE])) !== undefined;
}

function* readCall(scan: Scanner, { tools, newId }: ReaderContext): Reading<boolean> {
  const found = yield* scan.oneOf(tools.map((tool) => `${tool.function.name}(`));
  if (found === undefined) return false;
  scan.tell({ kind: "call", name: found.slice(0, -1), id: newId() });
  const tell = (part: string) => scan.tell({ kind: "arguments", text: part });
  tell("{");
  for (let next = yield* scan.next([")"]), first = true; next !== ")"; first = false) {
    const name = (yield* scan.before("=,()[]{}\"'")).trim();
    if (name === "" || !(yield* scan.accept("="))) return false;
    tell(`${first ? "" : ", "}${JSON.stringify(name)}: `);
    if (!(yield* looseValue(scan, undefined, tell))) return false;
    next = yield* scan.next([",", ")"]);
    if (next === undefined) return false;
  }
  tell("}");
  scan.tell({ kind: "end" });
  return true;
}

function written({ name, arguments: args }: PastCall): string {
  const named = typeof args === "object" && args !== null ? args : { arguments: args };
  return `${name}(${Object.entries(named)
    .map(([key, value]) => `${key}=${spacedJson(value)}`)
    .join(", ")})`;
}

export const LFM2: AnswerFormat = {
  name: "lfm2",
  // The first templates print no calls, and are known by how they print tools.
  fits: (template) => template.includes(OPEN) || template.includes("<|tool_list_start|>") || template.includes('"List of tools: ["'),
  markers: [OPEN, CLOSE, "<think>", "</think>"],
  thought: { open: "<think>", close: "</think>" },
  calls: {
    triggers: () => [{ text: OPEN }],
    behind,
    whole: (grammar, tools, parallel) => sequence(text(OPEN), behind(grammar, tools, parallel)),
    write: (calls) => `${meant(OPEN)}[${calls.map(written).join(", ")}]${meant(CLOSE)}`,
    reader: (_, context) => new ScriptReader((scan) => read(scan, context)),
  },
};
