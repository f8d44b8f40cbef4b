/**
 * Arguments that stand one by one and raw, told as a JSON object while they come. Used by the readers of formats that are no JSON; the
 * marks around an argument are theirs.
 */
import type { Tool } from "../../../contract/generation.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { isJson, stringProperties } from "../values.ts";
import { bareValue } from "./loose-value.ts";

export class RawArguments {
  readonly #scan: Scanner;
  readonly #names = new Set<string>();
  readonly #strings: ReadonlySet<string>;

  constructor(scan: Scanner, tool: Tool) {
    this.#scan = scan;
    this.#strings = stringProperties(tool);
  }

  /**
   * Reads a value up to and with `end`.
   * @param isString absent: as the schema has it
   * @returns false: the text is over, or this argument is there already
   */
  *read(name: string, end: string, isString = this.#strings.has(name)): Reading<boolean> {
    if (this.#names.has(name)) return false;
    if (isString) return yield* this.#string(name, end);
    const value = (yield* this.#json(end)) ?? (yield* this.#plain(end));
    if (value === undefined) return false;
    this.#open(name);
    this.#scan.tell({ kind: "arguments", text: value });
    return true;
  }

  close(): void {
    this.#scan.tell({ kind: "arguments", text: this.#names.size === 0 ? "{}" : "}" });
    this.#scan.tell({ kind: "end" });
  }

  #open(name: string): void {
    this.#scan.tell({ kind: "arguments", text: `${this.#names.size === 0 ? "{" : ", "}${JSON.stringify(name)}: ` });
    this.#names.add(name);
  }

  *#string(name: string, end: string): Reading<boolean> {
    this.#open(name);
    const tell = (text: string) => this.#scan.tell({ kind: "arguments", text });
    tell('"');
    const mark = yield* this.#scan.stream([end], (text) => tell(JSON.stringify(text).slice(1, -1)));
    if (mark === undefined) return false;
    tell('"');
    return true;
  }

  /** An object, array or string of JSON, in which the end mark may stand. @returns undefined: it is none, and nothing was read */
  *#json(end: string): Reading<string | undefined> {
    const { place } = this.#scan;
    let value = "";
    const sink = (text: string) => {
      value += text;
    };
    yield* this.#scan.space();
    const opens = ["{", "[", '"'].includes(yield* this.#scan.peek());
    if (opens && (yield* this.#scan.json(sink)) && isJson(value)) {
      if (yield* this.#scan.accept(end)) return value;
      if ((yield* this.#scan.next([end.trimStart()])) !== undefined) return value;
    }
    this.#scan.goTo(place);
    return undefined;
  }

  /** JSON if it is that, else a string. */
  *#plain(end: string): Reading<string | undefined> {
    let raw = "";
    const mark = yield* this.#scan.stream([end], (text) => {
      raw += text;
    });
    return mark === undefined ? undefined : bareValue(raw);
  }
}
