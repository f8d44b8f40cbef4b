/**
 * Harmony, the format of gpt-oss (github.com/openai/harmony, docs/format.md): an answer is several messages, each on a channel. Thoughts go
 * to analysis, calls and what is said before them to commentary, the answer to final. The prompt ends with `<|start|>assistant`; `<|call|>`
 * and `<|return|>` end the generation. To whom a message goes stands in its role or in its channel:
 *
 *     <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…
 *     …<|start|>assistant<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}
 *     …<|start|>assistant to=functions.NAME<|channel|>commentary json<|message|>{…}
 */
import type { Tool } from "../../../contract/generation.ts";
import { choice, type Expression, optional, sequence, text } from "../../../grammar/expression.ts";
import type { AnswerFormat, CallGrammar, ReaderContext } from "../format.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { AnswerScript, tellCall } from "../script.ts";
import { anyTool } from "./parts.ts";

const START = "<|start|>";
const CHANNEL = "<|channel|>";
const MESSAGE = "<|message|>";
const CONSTRAIN = "<|constrain|>";
const END = "<|end|>";
/** What a message ends with; a model may forget `<|end|>`. */
const ENDS = [END, START, CHANNEL, "<|call|>", "<|return|>"];
const FUNCTIONS = " to=functions.";

/** Both ways to say that a message is JSON, or none. */
const JSON_TYPE = optional(choice(text(` ${CONSTRAIN}json`), text(" json")));

/** Behind `FUNCTIONS`; the channel comes here where it did not come before. */
function rest(grammar: CallGrammar, tools: readonly Tool[], channel: Expression): Expression {
  return anyTool(tools, (tool) => sequence(text(tool.function.name), channel, JSON_TYPE, text(MESSAGE), grammar.arguments(tool)));
}

interface Header {
  readonly kind: "call" | "reasoning" | "text";
  /** The tool that is called. */
  readonly tool: string;
}

function parseHeader(header: string, tools: readonly Tool[]): Header {
  const recipient = /\bto=([^\s<]+)/.exec(header)?.[1];
  const tool = tools.find(({ function: { name } }) => recipient === `functions.${name}`);
  if (tool) return { kind: "call", tool: tool.function.name };
  // Now and then one channel stands before another: the last one counts.
  const channel = header.match(/(?<=<\|channel\|>)\w+/g)?.at(-1);
  // A recipient that is no function is a tool that the model has learnt to think with.
  const own = recipient !== undefined && !recipient.startsWith("functions.");
  return { kind: channel === "analysis" || own ? "reasoning" : "text", tool: "" };
}

function* readAnswer(scan: Scanner, { tools, newId }: ReaderContext): Reading<void> {
  const begun = { reasoning: false, text: false };
  let mark: string | undefined = "";
  while (mark !== undefined) {
    const header = yield* readHeader(scan, mark);
    if (header === undefined) return;
    const { kind, tool } = parseHeader(header, tools);
    if (kind === "call") {
      yield* tellCall(scan, tool, newId());
      // Nothing is said behind the arguments.
      mark = yield* scan.stream(ENDS, () => undefined);
      continue;
    }
    let between = begun[kind] ? "\n\n" : "";
    mark = yield* scan.stream(ENDS, (part) => {
      scan.tell({ kind, text: between + part });
      between = "";
      begun[kind] = true;
    });
  }
}

/**
 * Reads what stands before a message.
 * @param mark what ended the last one, which may belong to this header
 * @returns undefined: it is cut short
 */
function* readHeader(scan: Scanner, mark: string): Reading<string | undefined> {
  const own = mark === START || mark === CHANNEL ? mark : "";
  if (own === "") {
    const { place } = scan;
    const next = yield* scan.next([START, CHANNEL, MESSAGE, FUNCTIONS.trim()]);
    scan.goTo(place);
    // A prompt that ends within a message, or a model that knows no channels.
    if (next === undefined) return "";
  }
  let header = own;
  const end = yield* scan.stream([MESSAGE], (part) => {
    header += part;
  });
  return end && header;
}

export const HARMONY: AnswerFormat = {
  name: "harmony",
  fits: (template) => template.includes(CHANNEL) && template.includes(MESSAGE) && template.includes("analysis"),
  markers: [...ENDS, MESSAGE, CONSTRAIN],
  thought: { open: `${CHANNEL}analysis${MESSAGE}`, close: END },
  calls: {
    triggers: () => [
      { text: `${CHANNEL}commentary${FUNCTIONS}` },
      { text: `${CHANNEL}analysis${FUNCTIONS}` },
      { text: `${START}assistant${FUNCTIONS}` },
      { text: FUNCTIONS.trim(), atStart: true },
    ],
    behind: (grammar, tools) => rest(grammar, tools, optional(text(`${CHANNEL}commentary`))),
    // `<|call|>` ends the generation, so there is never a second call.
    whole(grammar, tools) {
      const inChannel = sequence(text(`${CHANNEL}commentary${FUNCTIONS}`), rest(grammar, tools, text("")));
      return sequence(optional(text(`${START}assistant`)), inChannel);
    },
  },
  framed: (answer) => sequence(optional(text(`${START}assistant`)), text(`${CHANNEL}final`), JSON_TYPE, text(MESSAGE), answer),
  reader: (context) => new AnswerScript((scan) => readAnswer(scan, context)),
};
