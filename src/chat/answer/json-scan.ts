/**
 * Where a JSON value ends in a text that comes in pieces. It looks at brackets and strings only and takes what is not quite
 * JSON: that it is, the grammar has seen to or JSON.parse says. Called by scanner.ts. Pure.
 */

/** What stands between brackets and strings. */
const IN_JSON = /[\s\w+\-.,:]/;

/** "none": it is no object, array or string, or what stands at `end` cannot be in one. */
export interface ScannedTo {
  readonly end: number;
  readonly is: "whole" | "open" | "none";
}

export class JsonScan {
  readonly #brackets: string[] = [];
  #begun = false;
  #string = false;
  #escaped = false;

  /** Looks at the text from `from` on, which goes on where the last one ended. @returns how far it is the value's */
  push(text: string, from: number): ScannedTo {
    for (let at = from; at < text.length; at++) {
      const char = text[at]!;
      if (!this.#begun && !'{["'.includes(char)) return { end: at, is: "none" };
      this.#begun = true;
      if (!this.#step(char)) return { end: at, is: "none" };
      if (!this.#string && this.#brackets.length === 0) return { end: at + 1, is: "whole" };
    }
    return { end: text.length, is: "open" };
  }

  /** @returns false: this character cannot be here. */
  #step(char: string): boolean {
    if (this.#string) {
      if (this.#escaped) this.#escaped = false;
      else if (char === "\\") this.#escaped = true;
      else if (char === '"') this.#string = false;
      return char >= " ";
    }
    if (char === '"') this.#string = true;
    else if (char === "{") this.#brackets.push("}");
    else if (char === "[") this.#brackets.push("]");
    else if (char === "}" || char === "]") return this.#brackets.pop() === char;
    else return IN_JSON.test(char);
    return true;
  }
}
