/**
 * How the models of one family write an answer: the marks of thoughts and tool calls, the grammar of a call, and how its text is read
 * back. One file of formats/ for each; formats/index.ts chooses one by the text of the model's chat template. Pure; no format may know
 * an engine, a vocabulary or a protocol.
 *
 * A call is written under a lazy grammar: the model's text is free until a trigger, then `CallFormat.behind` holds, to the end of the
 * calls. So a reader never has to repair anything; what it cannot read (a model without the grammar, a cut answer) it gives back as text.
 *
 *     text ──trigger──▶ behind (grammar, CallReader) ──▶ text …          required: `whole` holds from the start, behind the thought
 */
import type { Trigger } from "../../contract/answer.ts";
import type { Tool } from "../../contract/generation.ts";
import type { Expression } from "../../grammar/expression.ts";
import type { WriteCalls } from "./written-calls.ts";

export interface Marks {
  readonly open: string;
  readonly close: string;
  /** What a template that puts the marks together has instead of `close`. */
  readonly known?: string;
  /** Its models think only if they are asked to. */
  readonly onRequest?: true;
}

export interface AnswerFormat {
  /** Names it in logs and tests. */
  readonly name: string;
  /** Whether a model with this template answers in this format. The first format of the list that says yes is taken. */
  fits(template: string): boolean;
  /** Texts of control tokens that its readers must see; the engine leaves all others out of the text. */
  readonly markers: readonly string[];
  /** Around thoughts; absent: the format's models do not think, or `reader` sees to it. */
  readonly thought?: Marks;
  /** Absent: its models call no tools. */
  readonly calls?: CallFormat;
  /** A constrained text with what must stand before it (harmony's final channel). Absent: nothing. */
  framed?(text: Expression): Expression;
  /** Where an answer is more than one thought, then text and calls (harmony): reads it all. Absent: reader.ts does. */
  reader?(context: ReaderContext): AnswerReader;
}

/** How calls of tools are written. */
export interface CallFormat {
  /** What begins a call. A trigger that is a control token is in `markers`. */
  triggers(tools: readonly Tool[]): readonly Trigger[];
  /**
   * What may follow a trigger, up to the end of the calls that it begins: one call, or, in formats that list several behind one trigger,
   * all of them. Only one where `parallel` is false. It begins with what its triggers have `written`.
   */
  behind(grammar: CallGrammar, tools: readonly Tool[], parallel: boolean): Expression;
  /** A whole answer of one call or (with `parallel`) several, triggers included: for `tool_choice` "required". */
  whole(grammar: CallGrammar, tools: readonly Tool[], parallel: boolean): Expression;
  /** Calls of the past, for templates that print none; absent: as Hermes writes them. */
  readonly write?: WriteCalls;
  /** Tells the model of tools, for templates that print none; absent: in Hermes' words, and the answer is read so. */
  describe?(tools: readonly Tool[]): string;
  /** Reads what follows a trigger. One for each stretch. Absent: the format's own `reader` reads calls too. */
  reader?(trigger: string, context: ReaderContext): CallReader;
}

/** Grammars of arguments, as parts of the grammar of a call. Given by grammar.ts. */
export interface CallGrammar {
  /** The arguments of this tool as a JSON object; `{}` for a tool without parameters. */
  arguments(tool: Tool): Expression;
  /** The properties of the arguments one by one, for formats that are no JSON, in the order of the schema. */
  properties(tool: Tool): readonly PropertyGrammar[];
  /** Everything up to and with `end`, where `end` comes first: raw strings of XML formats. */
  until(end: string): Expression;
  /** Any JSON value. */
  anyValue(): Expression;
  /** A rule of its own for what stands in several places. */
  share(expression: Expression): Expression;
}

export interface PropertyGrammar {
  readonly name: string;
  readonly required: boolean;
  /** Its value as JSON. */
  readonly json: Expression;
  /** The value is a string and nothing else: such formats print it raw. `choices`: of these only (`enum`, `const`). */
  readonly raw?: { readonly choices?: readonly string[] };
}

export interface ReaderContext {
  readonly tools: readonly Tool[];
  /** A new id for a call: `call_` and 24 letters and digits. */
  newId(): string;
}

/** Pieces of an answer, in order. `call` opens a call, its `arguments` follow in fragments of JSON text, `end` says that it is whole. */
export type AnswerPiece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string }
  | { readonly kind: "call"; readonly name: string; readonly id: string }
  | { readonly kind: "arguments"; readonly text: string }
  | { readonly kind: "end" };

/** Reads the text of one choice. */
export interface AnswerReader {
  push(text: string): readonly AnswerPiece[];
  /** The text is over: what was held back. A call without `end` was cut short. */
  end(): readonly AnswerPiece[];
}

/** Reads the text behind one trigger. */
export interface CallReader {
  push(text: string): CallStep;
  /** The text is over. @returns what was held back, of the calls. */
  end(): readonly AnswerPiece[];
}

export interface CallStep {
  readonly pieces: readonly AnswerPiece[];
  /** The calls are over; this text behind them is not theirs. */
  readonly rest?: string;
  /** It is no call: nothing was told of it yet, and the trigger and all text behind it are text. */
  readonly failed?: true;
}
