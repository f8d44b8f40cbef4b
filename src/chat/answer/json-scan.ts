/**
 * Where a JSON value ends in a text that comes in pieces. It looks at brackets and strings only and takes what is not quite
 * JSON: that it is, the grammar has seen to or JSON.parse says. Called by scanner.ts. Pure.
 */

/** What stands between brackets and strings. */
const IN_JSON = /[\s\w+\-.,:]/;

export class JsonScan {
  readonly #brackets: string[] = [];
  #begun = false;
  #string = false;
  #escaped = false;

  /**
   * Looks at the text from `from` on, which goes on where the last one ended.
   * @returns the place behind the value; "open": it goes on; "none": it is no object, array or string, or none of JSON.
   */
  push(text: string, from: number): number | "open" | "none" {
    for (let at = from; at < text.length; at++) {
      const char = text[at]!;
      if (!this.#begun && !'{["'.includes(char)) return "none";
      this.#begun = true;
      if (!this.#step(char)) return "none";
      if (!this.#string && this.#brackets.length === 0) return at + 1;
    }
    return "open";
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
