/**
 * Reads the text of one answer: a thought, then text and stretches of tool calls in any order. Made by plan.ts for the format of a model.
 * It must not know how calls are written: a `CallReader` of the format reads each stretch.
 *
 *     start ──open mark──▶ thought ──close mark──▶ text ──trigger──▶ call ──its end──▶ text …
 *
 * White space at the edges is no part of what it separates: around a thought, between text and calls, behind the last call. All else is
 * passed on as it is, and what a call's reader cannot read is text.
 */
import type { Trigger } from "../../contract/answer.ts";
import type { AnswerPiece, AnswerReader, CallReader, Marks } from "./format.ts";

export interface ReaderOptions {
  /** Absent: nothing is a thought. */
  readonly thought?: ThoughtOptions;
  /** What begins a call; none: nothing is a call. */
  readonly triggers: readonly Trigger[];
  calls(trigger: string): CallReader;
}

export interface ThoughtOptions extends Marks {
  /** The prompt ends within a thought. */
  readonly opened: boolean;
  /** The thought is passed on as text, with its marks. */
  readonly inText: boolean;
}

type Phase = "start" | "thought" | "text" | "call";

export class GeneralReader implements AnswerReader {
  readonly #options: ReaderOptions;
  #phase: Phase;
  /** Text of this phase that cannot be judged yet. */
  #held = "";
  /** White space that belongs to a text or thought only if more of it follows. It only grows, and nobody looks into it: answers may be white for long. */
  #space = "";
  #textBegun = false;
  #thoughtBegun = false;
  #reopened = false;
  /** A thought or a call came last: white space behind it is none of the text's. */
  #behindOther = false;
  #call: CallReader | undefined;
  #trigger = "";
  /** All of the stretch while nothing was told of it; undefined afterwards. */
  #raw: string | undefined;
  #pieces: AnswerPiece[] = [];

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#phase = !options.thought ? "text" : options.thought.opened ? "thought" : "start";
  }

  push(text: string): readonly AnswerPiece[] {
    this.#held += text;
    // Each step that finds the end of its phase goes on with the next one.
    while (this.#step());
    return this.#taken();
  }

  end(): readonly AnswerPiece[] {
    if (this.#phase === "start") this.#phase = "text";
    if (this.#phase === "thought") this.#tellThought(this.#space + this.#held);
    else this.#endAnswer();
    this.#held = "";
    return this.#taken();
  }

  #endAnswer(): void {
    for (;;) {
      while (this.#step());
      if (this.#phase === "text") break;
      this.#tellCall(this.#call!.end());
      if (this.#raw === undefined) return;
      // What it leaves may hold another call.
      this.#failCall();
    }
    this.#endText();
  }

  #taken(): readonly AnswerPiece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** @returns whether the phase has changed. */
  #step(): boolean {
    switch (this.#phase) {
      case "start":
        return this.#start(this.#options.thought!);
      case "thought":
        return this.#thought(this.#options.thought!);
      case "text":
        return this.#text();
      case "call":
        return this.#callStep();
    }
  }

  #start({ open, close, inText }: ThoughtOptions): boolean {
    const rest = trimStart(this.#held);
    this.#space += this.#held.slice(0, this.#held.length - rest.length);
    this.#held = rest;
    if (rest.startsWith(open)) {
      this.#pieces.push(inText ? { kind: "text", text: this.#space + open } : { kind: "reasoning", text: "" });
      this.#space = "";
      this.#held = rest.slice(open.length);
      this.#phase = "thought";
      return true;
    }
    if (!inText && rest.startsWith(close)) {
      // It closes what the prompt has closed already.
      this.#leaveThought(rest.slice(close.length));
      return true;
    }
    if (open.startsWith(rest) || (!inText && close.startsWith(rest))) return false;
    this.#phase = "text";
    return true;
  }

  #thought({ open, close, opened, inText }: ThoughtOptions): boolean {
    // Some models open it once more, behind a template that has.
    if (opened && !inText && !this.#thoughtBegun && !this.#reopened) {
      const rest = trimStart(this.#held);
      this.#reopened = rest.startsWith(open);
      if (this.#reopened) {
        this.#space = "";
        this.#held = rest.slice(open.length);
      } else if (rest !== "" && open.startsWith(rest)) return false;
    }
    const at = this.#held.indexOf(close);
    if (at >= 0) {
      const rest = this.#held.slice(at + close.length);
      this.#goOnThinking(this.#held.slice(0, inText ? at + close.length : at));
      this.#leaveThought(rest);
      return true;
    }
    const sure = this.#held.length - partialLength(this.#held, [close]);
    this.#goOnThinking(this.#held.slice(0, sure));
    this.#held = this.#held.slice(sure);
    return false;
  }

  /** White space waits for what follows it, unless the thought is text. */
  #goOnThinking(given: string): void {
    const body = this.#options.thought!.inText ? given : trimEnd(given);
    if (body !== "") this.#tellThought(this.#takeSpace() + body);
    this.#space += given.slice(body.length);
  }

  #takeSpace(): string {
    const space = this.#space;
    this.#space = "";
    return space;
  }

  #tellThought(thought: string): void {
    const { inText } = this.#options.thought!;
    const text = this.#thoughtBegun || inText ? thought : trimStart(thought);
    if (text === "") return;
    this.#thoughtBegun = true;
    this.#pieces.push({ kind: inText ? "text" : "reasoning", text });
  }

  #leaveThought(rest: string): void {
    this.#phase = "text";
    this.#held = rest;
    this.#space = "";
    this.#behindOther = !this.#options.thought!.inText;
  }

  #text(): boolean {
    const triggers = this.#triggers();
    const found = firstComplete(this.#held, triggers);
    if (found) {
      this.#tellText(this.#held.slice(0, found.at));
      this.#call = this.#options.calls(found.text);
      this.#trigger = found.text;
      this.#raw = found.text;
      this.#held = this.#held.slice(found.at + found.text.length);
      this.#phase = "call";
      return true;
    }
    const sure = this.#held.length - partialLength(this.#held, triggers);
    this.#tellText(this.#held.slice(0, sure));
    this.#held = this.#held.slice(sure);
    return false;
  }

  /** Those that count here. */
  #triggers(): string[] {
    const atStart = !this.#textBegun && !this.#call;
    const leading = trimStart(this.#held);
    const mayStart = (text: string) => atStart && (leading.startsWith(text) || text.startsWith(leading));
    return this.#options.triggers.filter((trigger) => !trigger.atStart || mayStart(trigger.text)).map(({ text }) => text);
  }

  /** White space waits for what follows it, where that may be a call. */
  #tellText(given: string): void {
    const waits = this.#options.triggers.length > 0 || !this.#textBegun;
    const end = waits ? trimEnd(given) : given;
    const body = end === "" && waits ? "" : this.#takeSpace() + end;
    this.#space += given.slice(end.length);
    if (body === "") return;
    const told = !this.#textBegun && this.#behindOther ? trimStart(body) : body;
    this.#textBegun = true;
    this.#behindOther = false;
    this.#pieces.push({ kind: "text", text: told });
  }

  #endText(): void {
    this.#tellText(this.#held);
    if (this.#space !== "" && !this.#behindOther) this.#pieces.push({ kind: "text", text: this.#space });
    this.#space = "";
  }

  #callStep(): boolean {
    const text = this.#held;
    this.#held = "";
    const { pieces, rest, failed } = this.#call!.push(text);
    if (this.#raw !== undefined) this.#raw += text;
    if (failed && this.#raw !== undefined) {
      this.#failCall();
      return true;
    }
    this.#tellCall(pieces);
    if (rest === undefined) return false;
    this.#phase = "text";
    this.#behindOther = true;
    this.#raw = undefined;
    this.#held = rest;
    return true;
  }

  #tellCall(pieces: readonly AnswerPiece[]): void {
    if (pieces.length === 0) return;
    this.#raw = undefined;
    for (const piece of pieces) this.#pieces.push(piece);
  }

  /** The trigger is text; what stands behind it is looked at again. */
  #failCall(): void {
    this.#held = this.#raw!.slice(this.#trigger.length);
    this.#raw = undefined;
    this.#phase = "text";
    this.#tellText(this.#trigger);
  }
}

/** The white space of JSON and templates, no more: the engine looks for triggers and marks behind no other either (triggers.ts). */
const WHITE = " \t\r\n";

function trimStart(text: string): string {
  let at = 0;
  while (at < text.length && WHITE.includes(text[at]!)) at++;
  return text.slice(at);
}

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && WHITE.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** The one that is complete first, as if the text came one character at a time: so it does not matter how it was cut. */
function firstComplete(text: string, searched: readonly string[]): { readonly at: number; readonly text: string } | undefined {
  let found: { at: number; text: string } | undefined;
  for (const each of searched) {
    const at = text.indexOf(each);
    if (at < 0) continue;
    const later = found ? at + each.length - (found.at + found.text.length) : -1;
    if (later < 0 || (later === 0 && at < found!.at)) found = { at, text: each };
  }
  return found;
}

/** How much of the end of `text` may be the beginning of one of them. */
function partialLength(text: string, searched: readonly string[]): number {
  let longest = 0;
  for (const each of searched)
    for (let length = Math.min(each.length - 1, text.length); length > longest; length--)
      if (text.endsWith(each.slice(0, length))) longest = length;
  return longest;
}
