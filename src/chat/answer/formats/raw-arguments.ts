/**
 * Arguments that stand one by one and raw, told as a JSON object while they come. Used by the readers of formats that are no JSON; the
 * marks around an argument are theirs.
 */
import type { Tool } from "../../../contract/generation.ts";
import type { Scan, Script } from "../scan.ts";
import { isJson, propertiesOf, type ValueKind, valueKind } from "../value-kind.ts";

/** As models of the Python world write them, who print arguments with `str()`. */
const PYTHON = new Map([
  ["True", "true"],
  ["False", "false"],
  ["None", "null"],
]);

export class RawArguments {
  readonly #scan: Scan;
  readonly #tool: Tool;
  #names = new Set<string>();

  constructor(scan: Scan, tool: Tool) {
    this.#scan = scan;
    this.#tool = tool;
  }

  /** Reads a value up to and with `end`. @returns false: the text is over, or this argument is there already. */
  *read(name: string, end: string, kind: ValueKind = this.#kindOf(name)): Script<boolean> {
    if (this.#names.has(name)) return false;
    if (kind === "string") return yield* this.#string(name, end);
    const value = (yield* this.#json(end, kind)) ?? (yield* this.#plain(end, kind));
    if (value === undefined) return false;
    this.tell(name, value);
    return true;
  }

  /** @param value as JSON */
  tell(name: string, value: string): void {
    this.#open(name);
    this.#scan.tell({ kind: "arguments", text: value });
  }

  close(): void {
    this.#scan.tell({ kind: "arguments", text: this.#names.size === 0 ? "{}" : "}" });
    this.#scan.tell({ kind: "end" });
  }

  #open(name: string): void {
    this.#scan.tell({ kind: "arguments", text: `${this.#names.size === 0 ? "{" : ", "}${JSON.stringify(name)}: ` });
    this.#names.add(name);
  }

  #kindOf(name: string): ValueKind {
    const { parameters } = this.#tool.function;
    const properties = propertiesOf(parameters);
    return Object.hasOwn(properties, name) ? valueKind(properties[name], parameters) : "unknown";
  }

  *#string(name: string, end: string): Script<boolean> {
    this.#open(name);
    const tell = (text: string) => this.#scan.tell({ kind: "arguments", text });
    tell('"');
    const mark = yield* this.#scan.until([end], (text) => tell(JSON.stringify(text).slice(1, -1)));
    if (mark === undefined) return false;
    tell('"');
    return true;
  }

  /** An object, array or string of JSON, in which the end mark may stand. @returns undefined: it is none, and nothing was read */
  *#json(end: string, kind: ValueKind): Script<string | undefined> {
    const { place } = this.#scan;
    let value = "";
    yield* this.#scan.spaces();
    const whole = yield* this.#scan.json((text) => {
      value += text;
    });
    if (whole && (kind !== "quoted" || value.startsWith('"')) && isJson(value)) {
      if (yield* this.#scan.literal(end)) return value;
      yield* this.#scan.spaces();
      if (yield* this.#scan.literal(end.trimStart())) return value;
    }
    this.#scan.goTo(place);
    return undefined;
  }

  *#plain(end: string, kind: ValueKind): Script<string | undefined> {
    let raw = "";
    const mark = yield* this.#scan.until([end], (text) => {
      raw += text;
    });
    if (mark === undefined) return undefined;
    const value = PYTHON.get(raw.trim()) ?? raw.trim();
    const json = kind !== "quoted" && isJson(value);
    return json ? value : JSON.stringify(raw);
  }
}
