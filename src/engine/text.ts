/**
 * From the bytes of tokens to text that may leave: whole characters only, stop strings held back and never leaked.
 * Called by the loop for each sampled token; it must not know tokens or requests.
 */

/** The text that a push let go, and the stop string that ended it, if one did. */
export interface Released {
  readonly text: string;
  readonly stopSequence?: string;
}

export class TextStream {
  // ignoreBOM: a BOM that a model writes is text like any other. Invalid bytes become U+FFFD; a cut character is dropped.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #stops: readonly string[];
  /** Text that may be the beginning of a stop string. */
  #held = "";

  /** `stops`: no empty strings. */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** Characters (UTF-16 units) received so far but not released. */
  get heldLength(): number {
    return this.#held.length;
  }

  push(bytes: Uint8Array): Released {
    const text = this.#held + this.#decoder.decode(bytes, { stream: true });
    const stop = earliest(text, this.#stops);
    if (stop) {
      this.#held = "";
      return { text: text.slice(0, stop.at), stopSequence: stop.stop };
    }
    const keep = longestPartial(text, this.#stops);
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep) };
  }

  /** At the end of generation what was held is text after all; bytes of a character that was cut are dropped. */
  flush(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }
}

/** The stop string that occurs first; of two at the same place the longer one. */
function earliest(text: string, stops: readonly string[]): { at: number; stop: string } | undefined {
  let found: { at: number; stop: string } | undefined;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at < 0) continue;
    if (!found || at < found.at || (at === found.at && stop.length > found.stop.length)) found = { at, stop };
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
