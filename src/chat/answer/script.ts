/** Readers made of scripts, and scripts for what several formats write alike. Used by the files of formats/. Pure. */
import type { AnswerPiece, AnswerReader, CallReader, CallStep, ReaderContext } from "./format.ts";
import { type Reading, Scanner } from "./scanner.ts";

/** Reads a stretch of calls. True: behind the last one. False: it is no call, or no further one. */
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
    if (value) return { pieces, rest: this.#scanner.rest };
    return this.#scanner.told ? { pieces, rest: this.#scanner.untold } : { pieces, failed: true };
  }

  /** What is held back of a call may be a part of a mark: that is nobody's text. */
  end(): readonly AnswerPiece[] {
    return [];
  }
}

/** Reads whole answers: its script goes on to the end of the text. */
export class AnswerScript implements AnswerReader {
  readonly #scanner = new Scanner();
  readonly #script: Reading<void>;

  constructor(script: (text: Scanner) => Reading<void>) {
    this.#script = script(this.#scanner);
  }

  push(text: string): readonly AnswerPiece[] {
    this.#scanner.add(text);
    return this.#step();
  }

  end(): readonly AnswerPiece[] {
    this.#scanner.finish();
    return this.#step();
  }

  #step(): readonly AnswerPiece[] {
    this.#script.next();
    return this.#scanner.takePieces();
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
      if (!(yield* text.arguments())) return true;
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

/** Tells a call whose arguments are the object that follows, behind white space. @returns false: none follows, or it is cut short */
export function* tellCall(text: Scanner, name: string, id: string): Reading<boolean> {
  yield* text.space();
  if ((yield* text.peek()) !== "{") return false;
  text.tell({ kind: "call", name, id });
  const whole = yield* text.arguments();
  if (whole) text.tell({ kind: "end" });
  return whole;
}
