/**
 * What is to be made of an answer, known when its prompt is rendered: the marks of thoughts for the engine, what stands behind the prompt
 * so that the model does not think, and the reader. Called by template.ts. Pure.
 */
import { randomInt } from "node:crypto";
import type { ThoughtMarks } from "../../contract/answer.ts";
import type { ChatPrompt } from "../../contract/generation.ts";
import type { AnswerFormat, AnswerReader, Marks, ReaderContext } from "./format.ts";
import { callsOf } from "./formats/index.ts";
import { GeneralReader, type ThoughtOptions } from "./reader.ts";

export interface AnswerPlan {
  /** Name of the format, for the grammar. */
  readonly format: string;
  /** Absent: no thought is expected. */
  readonly thought?: ThoughtMarks;
  /** Its thoughts are told apart, and counted. */
  readonly thinks: boolean;
  /** Texts of control tokens that the reader must see. */
  readonly markers: readonly string[];
  /** A reader for one choice. Absent: all of the answer is text. */
  readonly reader?: () => AnswerReader;
}

/** A prompt as the template has rendered it. */
export interface RenderedTurn {
  readonly prompt: ChatPrompt;
  readonly text: string;
  /** It ends within an answer, which is to be continued. */
  readonly continued: boolean;
  /** The template was told whether to think. */
  readonly switched: boolean;
}

/** Marks of thoughts by the templates that print them, beside tags of the kind of `<seed:think>`; a model's own format may know others. */
const MARKS: readonly Marks[] = [
  { open: "<think>", close: "</think>" }, // DeepSeek R1, Qwen3 and most others
  { open: "[THINK]", close: "[/THINK]" }, // Magistral
  { open: "<|START_THINKING|>", close: "<|END_THINKING|>" }, // Command A, Command R7B
  { open: "<|inner_prefix|>", close: "<|inner_suffix|>", onRequest: true }, // Apertus
  { open: "<thought>", close: "</thought>" },
  { open: "<reasoning>", close: "</reasoning>" },
  { open: "<|begin_of_thought|>", close: "<|end_of_thought|>" }, // OpenThinker
  { open: "<think:opensource>", close: "</think:opensource>", known: "set HYTK = ':opensource'" }, // Hunyuan 3
  { open: "Here are my reasoning steps:", close: "[BEGIN FINAL RESPONSE]" }, // Apriel
];

/** Bounded, for a template is as long as its author likes, and may be made to be searched for ever. */
const CLOSING_TAG = /<\/([\w:-]{0,24}think[\w:-]{0,24})>/;

/** The marks around the thoughts of a template's models; undefined: they do not think. */
export function thoughtMarks(template: string, format: AnswerFormat): Marks | undefined {
  const known = format.thought ? [format.thought] : format.reader ? [] : MARKS;
  const found = known.find((marks) => template.includes(marks.known ?? marks.close));
  const [, tag] = found || format.reader ? [] : (CLOSING_TAG.exec(template) ?? []);
  return tag === undefined ? found : { open: `<${tag}>`, close: `</${tag}>` };
}

/** @returns the plan, and what must stand behind the prompt: a thought without content, where the model shall not think. */
export function planAnswer(
  format: AnswerFormat,
  marks: Marks | undefined,
  turn: RenderedTurn,
): { readonly plan: AnswerPlan; readonly appended: string } {
  const { reasoning = {}, tools = [] } = turn.prompt;
  const state = marks && !turn.continued ? { marks, ...stateOf(turn.text, marks) } : undefined;
  const off = reasoning.enabled === false && state !== undefined && !format.reader;
  const appended = off ? closedThought(turn, state) : "";
  const opened = state?.opened === true && !off;
  const expected = state !== undefined && !state.closed && !off;
  const inText = reasoning.inText === true;
  const options: ThoughtOptions | undefined = state && { ...state.marks, opened, inText };
  const readsAll = format.reader !== undefined && !(inText && tools.length === 0);
  const reads = readsAll || tools.length > 0 || (state !== undefined && !inText);
  const markers = [...(tools.length > 0 || format.reader ? format.markers : []), ...(state ? [state.marks.open, state.marks.close] : [])];
  const plan: AnswerPlan = {
    format: format.name,
    thinks: state !== undefined && !inText,
    markers: [...new Set(markers)],
    ...(expected && { thought: engineMarks(state.marks, opened, reasoning.budgetTokens) }),
    ...(reads && { reader: () => readerOf(format, options, { tools, newId }) }),
  };
  return { plan, appended };
}

function readerOf(format: AnswerFormat, thought: ThoughtOptions | undefined, context: ReaderContext): AnswerReader {
  if (format.reader) return format.reader(context);
  const calls = callsOf(format);
  return new GeneralReader({
    ...(thought && { thought }),
    triggers: context.tools.length > 0 ? calls.triggers(context.tools) : [],
    calls: (trigger) => calls.reader!(trigger, context),
  });
}

/** How a prompt ends: within a thought, behind one, or neither. What a caller has written is never its end, but for `continued`. */
function stateOf(text: string, { open, close }: Marks): { readonly opened: boolean; readonly closed: boolean } {
  const end = text.trimEnd();
  return { opened: end.endsWith(open), closed: end.endsWith(close) };
}

function closedThought(
  { switched }: RenderedTurn,
  { marks, opened, closed }: { readonly marks: Marks; readonly opened: boolean; readonly closed: boolean },
): string {
  if (closed) return "";
  const [space, line] = isTag(marks) ? ["\n\n", "\n"] : ["", ""];
  if (opened) return `${line}${marks.close}${space}`;
  return switched ? "" : `${marks.open}${space}${marks.close}${space}`;
}

function engineMarks(marks: Marks, opened: boolean, budgetTokens: number | undefined): ThoughtMarks {
  const closing = isTag(marks) ? `\n${marks.close}\n\n` : marks.close;
  return { open: marks.open, close: marks.close, opened, closing, ...(budgetTokens !== undefined && { budgetTokens }) };
}

/** Marks that stand on lines of their own. */
function isTag({ open }: Marks): boolean {
  return /^<\w/.test(open);
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** As OpenAI's. */
function newId(): string {
  return `call_${Array.from({ length: 24 }, () => LETTERS[randomInt(LETTERS.length)]).join("")}`;
}
