/** Reads answers as the pool does, and writes texts that a grammar allows. For the tests of formats/. */
import type { Tool } from "../../../contract/generation.ts";
import type { AnswerFormat, AnswerReader } from "../format.ts";
import { GeneralReader, type ReaderOptions } from "../reader.ts";
import { type Folded, folded } from "../test-support.ts";

/**
 * @param parts the answer's text, as it came
 * @param options of the reader, where the format has none of its own
 */
export function read(
  format: AnswerFormat,
  parts: readonly string[],
  tools: readonly Tool[],
  options: Pick<ReaderOptions, "thought"> = {},
): Folded {
  let ids = 0;
  const context = { tools, newId: () => `call_${ids++}` };
  const reader: AnswerReader = format.reader?.(context) ?? generalReader(format, context, options);
  return folded([...parts.flatMap((part) => reader.push(part)), ...reader.end()]);
}

function generalReader(
  format: AnswerFormat,
  context: { tools: readonly Tool[]; newId(): string },
  options: Pick<ReaderOptions, "thought">,
): AnswerReader {
  const { calls, thought } = format;
  return new GeneralReader({
    ...(thought && { thought: { ...thought, opened: false, inText: false } }),
    triggers: context.tools.length > 0 && calls ? calls.triggers(context.tools) : [],
    calls: (trigger) => calls!.reader!(trigger, context),
    ...options,
  });
}

type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "set"; readonly ranges: ReadonlyArray<readonly [number, number]> }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "sequence" | "choice"; readonly items: readonly Node[] }
  | { readonly kind: "repeat"; readonly item: Node; readonly min: number; readonly max: number };

/** Texts that a grammar of ours allows. It knows what grammar/gbnf.ts writes and no more of GBNF. */
export class Sampler {
  readonly #rules = new Map<string, Node>();
  /** How many rules deep the shortest text is. */
  readonly #depths = new Map<string, number>();

  constructor(gbnf: string) {
    for (const line of gbnf.split("\n").filter((each) => each !== "")) {
      const at = line.indexOf(" ::= ");
      this.#rules.set(line.slice(0, at), new Parser(line.slice(at + 5)).alternatives());
    }
    for (let changed = true; changed; ) {
      changed = false;
      for (const [name, node] of this.#rules) {
        const depth = this.#depthOf(node) + 1;
        if (depth >= (this.#depths.get(name) ?? Number.POSITIVE_INFINITY)) continue;
        this.#depths.set(name, depth);
        changed = true;
      }
    }
  }

  /** @param random numbers from 0 to 1 */
  text(random: () => number): string {
    let steps = 0;
    const write = (node: Node): string => {
      const brief = ++steps > 300;
      switch (node.kind) {
        case "text":
          return node.text;
        case "set": {
          const [first, last] = node.ranges[Math.floor(random() * node.ranges.length)]!;
          const wide = Math.floor(first + random() * (last - first + 1));
          // Mostly letters, for texts that are anything.
          const code = first <= 97 && last >= 122 && random() < 0.7 ? 97 + Math.floor(random() * 26) : wide;
          return String.fromCodePoint(code >= 0xd800 && code <= 0xdfff ? first : code);
        }
        case "rule":
          return write(this.#rules.get(node.name)!);
        case "sequence":
          return node.items.map(write).join("");
        case "choice": {
          const shortest = Math.min(...node.items.map((item) => this.#depthOf(item)));
          const possible = brief ? node.items.filter((item) => this.#depthOf(item) === shortest) : node.items;
          return write(possible[Math.floor(random() * possible.length)]!);
        }
        case "repeat": {
          const most = brief ? node.min : Math.min(node.max, node.min + 3);
          return Array.from({ length: node.min + Math.floor(random() * (most - node.min + 1)) }, () => write(node.item)).join("");
        }
      }
    };
    return write({ kind: "rule", name: "root" });
  }

  #depthOf(node: Node): number {
    switch (node.kind) {
      case "rule":
        return this.#depths.get(node.name) ?? Number.POSITIVE_INFINITY;
      case "sequence":
        return Math.max(0, ...node.items.map((item) => this.#depthOf(item)));
      case "choice":
        return Math.min(...node.items.map((item) => this.#depthOf(item)));
      case "repeat":
        return node.min === 0 ? 0 : this.#depthOf(node.item);
      default:
        return 0;
    }
  }
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  alternatives(): Node {
    const items = [this.#sequence()];
    while (this.#take(/ ?\| ?/y)) items.push(this.#sequence());
    return items.length === 1 ? items[0]! : { kind: "choice", items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    for (let item = this.#item(); item; item = this.#item()) {
      items.push(this.#repeated(item));
      this.#take(/ (?!\|)/y);
    }
    return { kind: "sequence", items };
  }

  #item(): Node | undefined {
    const literal = this.#take(/"((?:\\.|[^"\\])*)"/y);
    if (literal) return { kind: "text", text: unescaped(literal[1]!) };
    const set = this.#take(/\[((?:\\.|[^\]\\])*)\]/y);
    if (set) return { kind: "set", ranges: rangesOf(set[1]!) };
    const name = this.#take(/[A-Za-z][\w-]*/y);
    if (name) return { kind: "rule", name: name[0] };
    if (!this.#take(/\(/y)) return undefined;
    const inner = this.alternatives();
    if (!this.#take(/\)/y)) throw new Error(`no closing bracket at ${this.#text.slice(this.#at)}`);
    return inner;
  }

  #repeated(item: Node): Node {
    const counts = this.#take(/\{(\d+)(,?)(\d*)\}/y);
    const infinite = Number.POSITIVE_INFINITY;
    if (counts) {
      const min = Number(counts[1]);
      return { kind: "repeat", item, min, max: counts[2] === "" ? min : counts[3] === "" ? infinite : Number(counts[3]) };
    }
    const mark = this.#take(/[*+?]/y)?.[0];
    if (!mark) return item;
    return { kind: "repeat", item, min: mark === "+" ? 1 : 0, max: mark === "?" ? 1 : infinite };
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text) ?? undefined;
    this.#at += found?.[0].length ?? 0;
    return found;
  }
}

function unescaped(text: string): string {
  return text.replace(/\\(?:x(..)|u(....)|U(.{8}))/g, (_, x, u, U) => String.fromCodePoint(Number.parseInt(x ?? u ?? U, 16)));
}

function rangesOf(text: string): Array<readonly [number, number]> {
  const char = String.raw`(\\x..|\\u....|\\U.{8}|[\s\S])`;
  return [...text.matchAll(new RegExp(`${char}(?:-${char})?`, "g"))].map(([, first, last]) => {
    const codes = [first!, last ?? first!].map((each) => unescaped(each).codePointAt(0)!);
    return [codes[0]!, codes[1]!] as const;
  });
}
