/**
 * Reading of a text that comes in pieces, written as if it were there already: a script asks for what must come next and pauses (`yield`)
 * where the text does not say yet. Called by the formats; it knows what a piece of an answer is, and no format.
 */
import type { AnswerPiece, AnswerReader, CallReader, CallStep } from "./format.ts";
import { JsonScan } from "./json-scan.ts";

/** Part of a script: it pauses for more text, and gives a result in the end. */
export type Script<Result> = Generator<void, Result, void>;

export class Scan {
  /** From the first character that may still have to be given back. */
  #text = "";
  #at = 0;
  #over = false;
  #pieces: AnswerPiece[] = [];
  /** All before it was told. */
  #settled = 0;
  #told = false;

  /** More text has come. */
  feed(text: string): void {
    this.#text = this.#text.slice(this.#settled) + text;
    this.#at -= this.#settled;
    this.#settled = 0;
  }

  /** No more text comes. */
  finish(): void {
    this.#over = true;
  }

  /** Pieces that were told since it was last asked. */
  take(): readonly AnswerPiece[] {
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

  /** All text behind the last piece. */
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

  /** Where reading is, to come back to as long as nothing is told. */
  get place(): number {
    return this.#at - this.#settled;
  }

  goTo(place: number): void {
    this.#at = this.#settled + place;
  }

  /** @returns whether there is any text that was not there before; false: it is over. */
  *more(): Script<boolean> {
    const before = this.#text.length - this.#at;
    while (this.#text.length - this.#at === before) {
      if (this.#over) return false;
      yield;
    }
    return true;
  }

  /** The next character, without reading it; undefined: the text is over. */
  *peek(): Script<string | undefined> {
    while (this.#at === this.#text.length) if (!(yield* this.more())) return undefined;
    return this.#text[this.#at];
  }

  /** Reads this text if it comes next. */
  *literal(text: string): Script<boolean> {
    return (yield* this.oneOf([text])) !== undefined;
  }

  /** Reads the longest of these texts that comes next. */
  *oneOf(texts: readonly string[]): Script<string | undefined> {
    for (;;) {
      const rest = this.#text.slice(this.#at, this.#at + longest(texts));
      const undecided = texts.some((text) => text.length > rest.length && text.startsWith(rest));
      if (!undecided || !(yield* this.more())) {
        const found = texts.filter((text) => rest.startsWith(text)).sort((a, b) => b.length - a.length)[0];
        this.#at += found?.length ?? 0;
        return found;
      }
    }
  }

  *spaces(): Script<void> {
    for (let char = yield* this.peek(); char !== undefined && /\s/.test(char); char = yield* this.peek()) this.#at++;
  }

  /** Reads characters up to one of these, which is not read. */
  *before(ends: string): Script<string> {
    let text = "";
    for (let char = yield* this.peek(); char !== undefined && !ends.includes(char); char = yield* this.peek()) {
      text += char;
      this.#at++;
    }
    return text;
  }

  /** One of these texts, behind white space. */
  *next(texts: readonly string[]): Script<string | undefined> {
    yield* this.spaces();
    return yield* this.oneOf(texts);
  }

  /**
   * Reads up to and with the first of these marks; the text before it goes to `sink` as it comes.
   * @returns the mark; undefined: the text is over, and all of it went to `sink`.
   */
  *until(marks: readonly string[], sink: (text: string) => void): Script<string | undefined> {
    for (;;) {
      const found = firstOf(this.#text, marks, this.#at);
      const end = found?.at ?? this.#text.length - heldBack(this.#text, marks, this.#at);
      this.#pass(end, sink);
      if (found) {
        this.#at += found.mark.length;
        return found.mark;
      }
      if (yield* this.more()) continue;
      this.#pass(this.#text.length, sink);
      return undefined;
    }
  }

  /**
   * Reads a JSON object, array or string; its text goes to `sink` as it comes.
   * @returns false: it is none, or the text is over before its end.
   */
  *json(sink: (text: string) => void): Script<boolean> {
    const scan = new JsonScan();
    if ((yield* this.peek()) === undefined) return false;
    for (;;) {
      const end = scan.push(this.#text, this.#at);
      if (end === "none") return false;
      this.#pass(end === "open" ? this.#text.length : end, sink);
      if (end !== "open") return true;
      if (!(yield* this.more())) return false;
    }
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

/**
 * A reader of calls from a script. The script gives true behind the last call, and false where the text is no call; what follows the last
 * piece is then text again.
 */
export function callReader(script: (scan: Scan) => Script<boolean>): CallReader {
  const scan = new Scan();
  const running = script(scan);
  const step = (): CallStep => {
    const { done, value } = running.next();
    const pieces = scan.take();
    if (!done) return { pieces };
    if (value) return { pieces, rest: scan.rest };
    return scan.told ? { pieces, rest: scan.untold } : { pieces, failed: true };
  };
  return {
    push(text) {
      scan.feed(text);
      return step();
    },
    // What was held back of a call may be a part of a mark: that is nobody's text.
    end: () => [],
  };
}

/** A reader of whole answers from a script that reads to the end. */
export function answerReader(script: (scan: Scan) => Script<unknown>): AnswerReader {
  const scan = new Scan();
  const running = script(scan);
  const step = (): readonly AnswerPiece[] => {
    running.next();
    return scan.take();
  };
  return {
    push(text) {
      scan.feed(text);
      return step();
    },
    end() {
      scan.finish();
      return step();
    },
  };
}
