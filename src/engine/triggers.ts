/**
 * Finds the first of some texts in a text that comes in pieces: what begins a call of a tool. Immutable; used by answer-phases.ts. Texts
 * are binary strings, a character for each byte.
 */
import type { Trigger } from "../contract/answer.ts";

export class Triggers {
  readonly #anywhere: readonly string[];
  readonly #atStart: readonly string[];
  readonly #longest: number;
  /** The end of the text so far: as much as a trigger may have begun in. */
  readonly #tail: string;
  /** The text so far without white space in front; undefined once no trigger of the start can come of it. */
  readonly #lead: string | undefined;

  private constructor(anywhere: readonly string[], atStart: readonly string[], tail: string, lead: string | undefined) {
    this.#anywhere = anywhere;
    this.#atStart = atStart;
    this.#longest = Math.max(1, ...anywhere.map(({ length }) => length));
    this.#tail = tail;
    this.#lead = lead;
  }

  /** No empty ones. `behind`: the text is not the start of the answer. */
  static of(triggers: readonly Trigger[], { behind = false } = {}): Triggers {
    const texts = (atStart: boolean) =>
      triggers.filter((each) => (each.atStart === true) === atStart && each.text !== "").map(({ text }) => binary(text));
    const first = behind ? [] : texts(true);
    return new Triggers(texts(false), first, "", first.length > 0 ? "" : undefined);
  }

  /** Where in the next piece of text the first trigger ends; undefined: none does. */
  end(text: string): number | undefined {
    const known = this.#tail + text;
    let first = Number.POSITIVE_INFINITY;
    for (const trigger of this.#anywhere) {
      const at = known.indexOf(trigger);
      if (at >= 0) first = Math.min(first, at + trigger.length - this.#tail.length);
    }
    const lead = this.#leadWith(text);
    for (const trigger of this.#atStart) {
      if (lead?.startsWith(trigger)) first = Math.min(first, text.length - lead.length + trigger.length);
    }
    return first === Number.POSITIVE_INFINITY ? undefined : first;
  }

  /** Behind a text in which none ended. */
  behind(text: string): Triggers {
    const known = this.#tail + text;
    const lead = this.#leadWith(text);
    const possible = lead !== undefined && this.#atStart.some((trigger) => trigger.startsWith(lead));
    const tail = known.slice(Math.max(0, known.length - this.#longest + 1));
    return new Triggers(this.#anywhere, possible ? this.#atStart : [], tail, possible ? lead : undefined);
  }

  #leadWith(text: string): string | undefined {
    return this.#lead === undefined ? undefined : withoutWhite(this.#lead + text);
  }
}

/** A character for each byte of the text's UTF-8. */
export function binary(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** Without white space in front, as JSON and templates know it. */
export function withoutWhite(text: string): string {
  return text.slice(whiteAtStart(text));
}

export function whiteAtStart(text: string): number {
  return /^[ \t\r\n]*/.exec(text)![0].length;
}
