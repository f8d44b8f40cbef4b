/**
 * Finds the first of some texts in a text that comes in pieces: what begins a call of a tool. Immutable; used by answer-phases.ts. Texts
 * are binary strings, a character for each byte.
 */
import type { Trigger } from "../contract/answer.ts";

/** A trigger as it is looked for. */
interface Sought {
  readonly text: string;
  readonly written: string;
}

/** Where in the last piece of text a trigger ends, and what of the grammar is written with it. */
export interface Found {
  readonly end: number;
  readonly written: string;
}

/** Those that count everywhere. */
interface Anywhere {
  readonly triggers: readonly Sought[];
  /** What all of them begin with: hundreds of tools need not be looked for in text that does not hold it. */
  readonly head: string;
  readonly longest: number;
}

export class Triggers {
  readonly #anywhere: Anywhere;
  readonly #atStart: readonly Sought[];
  /** The end of the text so far: as much as a trigger may have begun in. */
  readonly #tail: string;
  /** The text so far without white space in front; undefined once no trigger of the start can come of it. */
  readonly #lead: string | undefined;

  private constructor(anywhere: Anywhere, atStart: readonly Sought[], tail: string, lead: string | undefined) {
    this.#anywhere = anywhere;
    this.#atStart = atStart;
    this.#tail = tail;
    this.#lead = lead;
  }

  /** No empty ones. `behind`: the text is not the start of the answer. */
  static of(triggers: readonly Trigger[], { behind = false } = {}): Triggers {
    const sought = (atStart: boolean) =>
      triggers
        .filter((each) => (each.atStart === true) === atStart && each.text !== "")
        .map(({ text, written = "" }) => ({ text: binary(text), written: binary(written) }));
    const [anywhere, first] = [sought(false), behind ? [] : sought(true)];
    const texts = anywhere.map(({ text }) => text);
    const shared = {
      triggers: anywhere,
      head: texts.reduce(sharedHead, texts[0] ?? ""),
      longest: Math.max(1, ...texts.map(({ length }) => length)),
    };
    return new Triggers(shared, first, "", first.length > 0 ? "" : undefined);
  }

  /** The trigger that ends first in the next piece of text; undefined: none does. */
  find(text: string): Found | undefined {
    const known = this.#tail + text;
    let first: Found | undefined;
    const from = known.indexOf(this.#anywhere.head);
    for (const { text: trigger, written } of from < 0 ? [] : this.#anywhere.triggers) {
      const at = known.indexOf(trigger, from);
      const end = at + trigger.length - this.#tail.length;
      if (at >= 0 && (!first || end < first.end)) first = { end, written };
    }
    const lead = this.#leadWith(text);
    for (const { text: trigger, written } of this.#atStart) {
      if (!lead?.startsWith(trigger)) continue;
      const end = text.length - lead.length + trigger.length;
      if (!first || end < first.end) first = { end, written };
    }
    return first;
  }

  /** Behind a text in which none ended. */
  behind(text: string): Triggers {
    const known = this.#tail + text;
    const lead = this.#leadWith(text);
    const possible = lead !== undefined && this.#atStart.some((trigger) => trigger.text.startsWith(lead));
    const tail = known.slice(Math.max(0, known.length - this.#anywhere.longest + 1));
    return new Triggers(this.#anywhere, possible ? this.#atStart : [], tail, possible ? lead : undefined);
  }

  #leadWith(text: string): string | undefined {
    return this.#lead === undefined ? undefined : withoutWhite(this.#lead + text);
  }
}

function sharedHead(a: string, b: string): string {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return a.slice(0, length);
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
