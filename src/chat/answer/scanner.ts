/**
 * A text that comes in pieces, for readers that are written as if all of it were there: a script asks for what must come next, and pauses
 * (`yield`) where the text that has come does not say yet. Used by script.ts and the formats. It knows no format.
 */
import type { AnswerPiece } from "./format.ts";
import { JsonScan } from "./json-scan.ts";
import { isJson } from "./values.ts";

/** A part of a script: it pauses until more text has come, and answers in the end. */
export type Reading<T> = Generator<undefined, T, undefined>;

export class Scanner {
  /** From the first character that may still have to be given back. */
  #text = "";
  #at = 0;
  #over = false;
  #pieces: AnswerPiece[] = [];
  /** All before it was told. */
  #settled = 0;
  #told = false;

  /** More text has come. */
  add(text: string): void {
    this.#text = this.#text.slice(this.#settled) + text;
    this.#at -= this.#settled;
    this.#settled = 0;
  }

  /** No more text comes. */
  finish(): void {
    this.#over = true;
  }

  /** Pieces that were told since it was last asked. */
  takePieces(): readonly AnswerPiece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** Whether any piece was told. */
  get told(): boolean {
    return this.#told;
  }

  /** The text that was not read. */
  get rest(): string {
    return this.#text.slice(this.#at);
  }

  /** All text behind the last piece, and behind marks that are settled. */
  get untold(): string {
    return this.#text.slice(this.#settled);
  }

  tell(piece: AnswerPiece): void {
    this.#told = true;
    this.#settled = this.#at;
    const last = this.#pieces.at(-1);
    if (last && "text" in last && last.kind === piece.kind)
      this.#pieces[this.#pieces.length - 1] = { kind: last.kind, text: last.text + piece.text };
    else this.#pieces.push(piece);
  }

  /** What was read is a mark, and never given back. */
  settle(): void {
    this.#settled = this.#at;
  }

  /** Where reading is, to come back to as long as nothing is told. */
  get place(): number {
    return this.#at - this.#settled;
  }

  goTo(place: number): void {
    this.#at = this.#settled + place;
  }

  /** @returns whether there is any text that was not there before; false: it is over. */
  *#more(): Reading<boolean> {
    const before = this.#text.length - this.#at;
    while (this.#text.length - this.#at === before) {
      if (this.#over) return false;
      yield;
    }
    return true;
  }

  /** The next character, which is not read; "" where the text is over. */
  *peek(): Reading<string> {
    while (this.#at === this.#text.length) if (!(yield* this.#more())) return "";
    return this.#text[this.#at]!;
  }

  /** Reads this text if it comes next. */
  *accept(text: string): Reading<boolean> {
    return (yield* this.oneOf([text])) !== undefined;
  }

  /** Reads the longest of these texts that comes next. */
  *oneOf(texts: readonly string[]): Reading<string | undefined> {
    for (;;) {
      const rest = this.#text.slice(this.#at, this.#at + longest(texts));
      const undecided = texts.some((text) => text.length > rest.length && text.startsWith(rest));
      if (!undecided || !(yield* this.#more())) {
        const found = texts.filter((text) => rest.startsWith(text)).sort((a, b) => b.length - a.length)[0];
        this.#at += found?.length ?? 0;
        return found;
      }
    }
  }

  *space(): Reading<void> {
    while (/\s/.test(yield* this.peek())) this.#at++;
  }

  /** Reads characters up to one of these, which is not read. */
  *before(ends: string): Reading<string> {
    let text = "";
    for (let char = yield* this.peek(); char !== "" && !ends.includes(char); char = yield* this.peek()) {
      text += char;
      this.#at++;
    }
    return text;
  }

  /** One of these texts, behind white space. */
  *next(texts: readonly string[]): Reading<string | undefined> {
    yield* this.space();
    return yield* this.oneOf(texts);
  }

  /**
   * Reads up to and with the first of these marks; the text before it goes to `sink` as it comes.
   * @returns the mark; undefined: the text is over, and all of it went to `sink`.
   */
  *stream(marks: readonly string[], sink: (text: string) => void): Reading<string | undefined> {
    for (;;) {
      const found = firstOf(this.#text, marks, this.#at);
      const end = found?.at ?? this.#text.length - heldBack(this.#text, marks, this.#at);
      this.#pass(end, sink);
      if (found) {
        this.#at += found.mark.length;
        return found.mark;
      }
      if (yield* this.#more()) continue;
      this.#pass(this.#text.length, sink);
      return undefined;
    }
  }

  /** Reads up to and with this mark. @returns the text before it; undefined: the text is over */
  *until(mark: string): Reading<string | undefined> {
    let before = "";
    const found = yield* this.stream([mark], (text) => {
      before += text;
    });
    return found && before;
  }

  /**
   * Reads a JSON value; its text goes to `sink` as it comes.
   * @returns false: it is none, or the text is over before its end
   */
  *json(sink: (text: string) => void): Reading<boolean> {
    if (/[\w-]/.test(yield* this.peek())) {
      sink(yield* this.before(",]} \t\r\n"));
      return true;
    }
    const scan = new JsonScan();
    while ((yield* this.peek()) !== "") {
      const { end, is } = scan.push(this.#text, this.#at);
      // Also of what turns out to be none: it does not matter how the text was cut.
      this.#pass(end, sink);
      if (is !== "open") return is === "whole";
    }
    return false;
  }

  /** Reads a JSON string. @returns undefined: it is none */
  *string(): Reading<string | undefined> {
    if ((yield* this.peek()) !== '"') return undefined;
    let json = "";
    const whole = yield* this.json((text) => {
      json += text;
    });
    return whole && isJson(json) ? JSON.parse(json) : undefined;
  }

  /** Reads an object as the arguments of the call that was told last. @returns false: there is none, or it is cut short */
  *arguments(): Reading<boolean> {
    if ((yield* this.peek()) !== "{") return false;
    return yield* this.json((text) => this.tell({ kind: "arguments", text }));
  }

  #pass(to: number, sink: (text: string) => void): void {
    const text = this.#text.slice(this.#at, to);
    this.#at = to;
    if (text !== "") sink(text);
  }
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}

function firstOf(text: string, marks: readonly string[], from: number): { readonly at: number; readonly mark: string } | undefined {
  let first: { readonly at: number; readonly mark: string } | undefined;
  for (const mark of marks) {
    const at = text.indexOf(mark, from);
    if (at >= 0 && (!first || at < first.at || (at === first.at && mark.length > first.mark.length))) first = { at, mark };
  }
  return first;
}

/** How many characters at the end may be the beginning of a mark. */
function heldBack(text: string, marks: readonly string[], from: number): number {
  for (let length = Math.min(longest(marks) - 1, text.length - from); length > 0; length--) {
    const end = text.slice(text.length - length);
    if (marks.some((mark) => mark.startsWith(end))) return length;
  }
  return 0;
}
