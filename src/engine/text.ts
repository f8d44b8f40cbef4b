/**
 * From the bytes of tokens to text that may leave: whole characters only, stop strings held back and never leaked.
 * Called by the loop for each sampled token; it must not know tokens or requests.
 */

/** How stop strings are looked for in a piece of text: in it, not in it (they begin anew behind it), or when what follows tells. */
export type StopSearch = "now" | "not" | "later";

/** A part of a token's text. */
export interface TextPart {
  readonly bytes: Uint8Array;
  readonly search: StopSearch;
}

/** The text that a push let go, and the stop string that ended it, if one did. */
export interface Released {
  readonly text: string;
  readonly stopSequence?: string;
}

export class TextStream {
  // ignoreBOM: a BOM that a model writes is text like any other. Invalid bytes become U+FFFD; a cut character is dropped.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #stops: readonly string[];
  /** Text that may be the beginning of a stop string, or of which nobody knows yet whether one counts in it. */
  #held = "";
  #undecided = false;
  #received = 0;
  #released = 0;

  /** `stops`: no empty strings. One with half a surrogate pair occurs in no text and could only cut a character in two. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => !/\p{Surrogate}/u.test(stop));
  }

  /** Characters (UTF-16 units) received so far but not released. */
  get heldLength(): number {
    return this.#held.length;
  }

  /** Characters received so far: where the text of the next token begins. */
  get received(): number {
    return this.#received;
  }

  /** Those of them that were let go. */
  get released(): number {
    return this.#released;
  }

  /** `search`: whether stop strings are looked for in these bytes. */
  push(bytes: Uint8Array, search: StopSearch = "now"): Released {
    const decoded = this.#decoder.decode(bytes, { stream: true });
    this.#received += decoded.length;
    const text = this.#held + decoded;
    this.#undecided = search === "later";
    if (search !== "now") {
      this.#held = this.#undecided ? text : "";
      return { text: this.#undecided ? "" : this.#release(text) };
    }
    const stop = firstComplete(text, this.#stops);
    if (stop) {
      this.#held = "";
      return { text: this.#release(text.slice(0, stop.at)), stopSequence: stop.stop };
    }
    const keep = longestPartial(text, this.#stops);
    this.#held = text.slice(text.length - keep);
    return { text: this.#release(text.slice(0, text.length - keep)) };
  }

  /** At the end of generation what was held is text after all; bytes of a character that was cut are dropped. */
  flush(): Released {
    const { text, stopSequence } = this.#undecided ? this.push(new Uint8Array()) : { text: "" };
    if (stopSequence !== undefined) return { text, stopSequence };
    const rest = this.#held;
    this.#held = "";
    return { text: text + this.#release(rest) };
  }

  #release(text: string): string {
    this.#released += text.length;
    return text;
  }
}

/**
 * The stop string that is complete first, as if the text came one character at a time: so the same text ends at the same
 * place however it was cut into tokens. Of two that are complete at the same character the longer one.
 */
function firstComplete(text: string, stops: readonly string[]): { at: number; stop: string } | undefined {
  let found: { at: number; stop: string } | undefined;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at < 0) continue;
    const sooner = found ? found.at + found.stop.length - (at + stop.length) : 1;
    if (sooner > 0 || (sooner === 0 && stop.length > found!.stop.length)) found = { at, stop };
  }
  return found;
}

/** Length of the longest end of `text` with which some stop string begins. */
function longestPartial(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
