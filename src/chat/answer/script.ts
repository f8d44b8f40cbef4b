/**
 * Readers of calls, written as if all of the text were there: a script is a generator that pauses where the text that has come ends.
 * Used by the files of formats/. Pure.
 */
import type { AnswerPiece, CallReader, CallStep, ReaderContext } from "./format.ts";

/** A part of a script: it pauses until more text has come, and answers in the end. */
export type Reading<T> = Generator<undefined, T, undefined>;

/** Reads a stretch of calls. False: it is no call, and no piece was told. */
export type Script = (text: Scanner) => Reading<boolean>;

export class ScriptReader implements CallReader {
  readonly #scanner = new Scanner();
  readonly #script: Reading<boolean>;

  /** `beginning`: text that the script reads before what comes: the trigger, where it is the beginning of the call itself. */
  constructor(script: Script, beginning = "") {
    this.#scanner.add(beginning);
    this.#script = script(this.#scanner);
  }

  push(text: string): CallStep {
    this.#scanner.add(text);
    const { done, value } = this.#script.next();
    const pieces = this.#scanner.takePieces();
    if (!done) return { pieces };
    return value ? { pieces, rest: this.#scanner.rest } : { pieces, failed: true };
  }

  end(): readonly AnswerPiece[] {
    return [];
  }
}

/** The text of a stretch as it comes, and the pieces that a script makes of it. */
export class Scanner {
  #text = "";
  #at = 0;
  #pieces: AnswerPiece[] = [];

  add(text: string): void {
    // What has been read is not kept.
    this.#text = this.#text.slice(this.#at) + text;
    this.#at = 0;
  }

  get rest(): string {
    return this.#text.slice(this.#at);
  }

  tell(piece: AnswerPiece): void {
    this.#pieces.push(piece);
  }

  takePieces(): readonly AnswerPiece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** The next character, which is not taken. */
  *peek(): Reading<string> {
    while (this.#at >= this.#text.length) yield;
    return this.#text[this.#at]!;
  }

  *space(): Reading<void> {
    while (/\s/.test(yield* this.peek())) this.#at++;
  }

  /** Takes this text if it is what follows. */
  *accept(expected: string): Reading<boolean> {
    while (this.#text.length - this.#at < expected.length && expected.startsWith(this.rest)) yield;
    if (!this.#text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  /** Everything before `end`, which is taken too. */
  *until(end: string): Reading<string> {
    let at = this.#text.indexOf(end, this.#at);
    while (at < 0) {
      yield;
      at = this.#text.indexOf(end, this.#at);
    }
    const text = this.#text.slice(this.#at, at);
    this.#at = at + end.length;
    return text;
  }

  /** A JSON string; undefined if none follows. */
  *string(): Reading<string | undefined> {
    if ((yield* this.peek()) !== '"') return undefined;
    let json = "";
    yield* this.json((text) => {
      json += text;
    });
    try {
      return String(JSON.parse(json));
    } catch {
      // It is no JSON, so it is no string; the text of it is not lost, the reader of the answer has it.
      return undefined;
    }
  }

  /** One JSON value, told as it comes; only its end is looked for. @returns whether one begins here. */
  *json(tell: (text: string) => void): Reading<boolean> {
    const first = yield* this.peek();
    if (!/[{["\w-]/.test(first)) return false;
    const scalar = /[\w-]/.test(first);
    for (let depth = 0, quoted = false, escaped = false; ; ) {
      let at = this.#at;
      for (let ended = false; at < this.#text.length && !ended; at++) {
        const character = this.#text[at]!;
        if (scalar && /[\s,\]}]/.test(character)) {
          tell(this.#take(at));
          return true;
        }
        if (escaped) escaped = false;
        else if (quoted) {
          if (character === "\\") escaped = true;
          else if (character === '"') quoted = false;
        } else if (character === '"') quoted = true;
        else if (character === "{" || character === "[") depth++;
        else if (character === "}" || character === "]") depth--;
        ended = !scalar && depth === 0 && !quoted;
        if (!ended) continue;
        tell(this.#take(at + 1));
        return true;
      }
      if (at > this.#at) tell(this.#take(at));
      yield;
    }
  }

  /** `json`, if an object follows, as the arguments of the call that was told last. */
  *arguments(): Reading<boolean> {
    if ((yield* this.peek()) !== "{") return false;
    return yield* this.json((text) => this.tell({ kind: "arguments", text }));
  }

  #take(end: number): string {
    const text = this.#text.slice(this.#at, end);
    this.#at = end;
    return text;
  }
}

/** How the members of a call are named. */
export interface CallNames {
  readonly name: string;
  readonly arguments: string;
}

/**
 * `{"name": …, "arguments": {…}}` with other members around them. The name comes first, as templates print it and grammars demand it: a
 * call is told before it is whole. @returns false, with nothing told, for anything else.
 */
export function* jsonCall(text: Scanner, names: CallNames, { tools, newId }: ReaderContext): Reading<boolean> {
  yield* text.space();
  if (!(yield* text.accept("{"))) return false;
  let name: string | undefined;
  let told = false;
  do {
    yield* text.space();
    const key = yield* text.string();
    if (key === undefined) return told;
    yield* text.space();
    if (!(yield* text.accept(":"))) return told;
    yield* text.space();
    if (key === names.name && name === undefined) {
      name = yield* text.string();
      if (!tools.some((tool) => tool.function.name === name)) return false;
    } else if (key === names.arguments && !told) {
      if (name === undefined || (yield* text.peek()) !== "{") return false;
      text.tell({ kind: "call", name, id: newId() });
      told = true;
      yield* text.arguments();
      text.tell({ kind: "end" });
    } else if (!(yield* text.json(() => undefined))) return told;
    yield* text.space();
  } while (yield* text.accept(","));
  const closed = yield* text.accept("}");
  if (told) return true;
  if (!closed || name === undefined) return false;
  tellWhole(text, name, "{}", newId());
  return true;
}

/** A call that is known as a whole. */
export function tellWhole(text: Scanner, name: string, json: string, id: string): void {
  text.tell({ kind: "call", name, id });
  text.tell({ kind: "arguments", text: json });
  text.tell({ kind: "end" });
}
