/**
 * Expressions → GBNF, the grammar language of llama.cpp (grammars/README.md there). It keeps within what libllama's parser takes:
 * parentheses nest little, since it recurses; a repetition has a single symbol before it and a count below 2000, since it refuses
 * more, or silently takes a larger upper bound for none. Called by compile.ts.
 */
import { choice, type Expression, isNever, type Range, repeat, rule, sequence } from "./expression.ts";
import { refusal } from "./refusal.ts";

/** Bytes of a grammar, about; one of 4 MB takes libllama 50 to 100 ms, beside the answers of the model. */
const MAX_SIZE = 4_000_000;
/** Deeper expressions become rules of their own. */
const MAX_NESTING = 4;
const MAX_COUNT = 1000;
/** Rules that libllama visits before the first character of a rule when it looks for left recursion; it remembers none of them. */
const MAX_LEADING = 100_000;

export class Grammar {
  readonly #rules: string[] = [];
  readonly #names = new Set<string>(["root"]);
  readonly #leading = new Map<string, number>();
  readonly #nullable = new Set<string>();
  readonly #path: string;
  /** Rules that are made when they are first needed, by what they are. */
  #known: ReadonlyMap<string, string> = new Map();
  #size = 0;

  /** `path`: what is at fault when the grammar grows too large. */
  constructor(path: string) {
    this.#path = path;
  }

  /** A name that no other rule has; it begins with `hint`, a word of letters. */
  fresh(hint: string): string {
    let name = hint;
    for (let n = this.#names.size; this.#names.has(name); n++) name = `${hint}-${n}`;
    this.#names.add(name);
    return name;
  }

  define(name: string, expression: Expression): void {
    if (isNever(expression)) throw new Error(`the rule ${name} matches nothing`);
    const leading = this.#leadingRules(expression);
    if (leading > MAX_LEADING) throw refusal(this.#path, "its alternatives branch too often");
    this.#leading.set(name, leading);
    if (this.#isNullable(expression)) this.#nullable.add(name);
    this.addText(name, this.#alternatives(expression, 0));
  }

  /** The rule of this name, built at the first call; it may hold itself. */
  once(hint: string, build: () => Expression): Expression {
    const known = this.#known.get(hint);
    if (known !== undefined) return rule(known);
    const name = this.fresh(hint);
    this.#known = new Map(this.#known).set(hint, name);
    this.define(name, build());
    return rule(name);
  }

  /** What `build` adds is taken back when it throws. */
  attempt<T>(build: () => T): T {
    const [rules, size, known] = [this.#rules.length, this.#size, this.#known];
    try {
      return build();
    } catch (error) {
      this.#rules.length = rules;
      this.#size = size;
      this.#known = known;
      throw error;
    }
  }

  /** Something that stands in several places: a rule, unless it is short. */
  share(expression: Expression): Expression {
    const short = expression.kind === "rule" || expression.kind === "set" || expression.kind === "text" || isNever(expression);
    return short ? expression : rule(this.#hoist(expression));
  }

  /** A rule whose right side is GBNF already. */
  addText(name: string, body: string): void {
    this.addRules(`${name} ::= ${body}\n`);
  }

  /** Whole rules, whose names nobody else has. */
  addRules(line: string): void {
    this.#size += line.length;
    if (this.#size > MAX_SIZE) throw refusal(this.#path, "it is too large: its grammar would have more than 4 MB");
    this.#rules.push(line);
  }

  /** The whole grammar, the rule `root` first. */
  render(root: Expression): string {
    this.define("root", root);
    return this.#rules.reverse().join("");
  }

  #leadingRules(expression: Expression): number {
    switch (expression.kind) {
      case "text":
      case "set":
        return 0;
      case "rule":
        return 1 + (this.#leading.get(expression.name) ?? 0);
      case "choice":
        return expression.items.reduce((sum, item) => sum + this.#leadingRules(item), 0);
      case "repeat":
        return 1 + this.#leadingRules(expression.item);
      case "sequence": {
        const first = expression.items.findIndex((item) => !this.#isNullable(item));
        const leading = first < 0 ? expression.items : expression.items.slice(0, first + 1);
        return leading.reduce((sum, item) => sum + this.#leadingRules(item), 0);
      }
    }
  }

  #isNullable(expression: Expression): boolean {
    switch (expression.kind) {
      case "text":
        return expression.text === "";
      case "set":
        return false;
      case "rule":
        return this.#nullable.has(expression.name);
      case "choice":
        return expression.items.some((item) => this.#isNullable(item));
      case "sequence":
        return expression.items.every((item) => this.#isNullable(item));
      case "repeat":
        return expression.min === 0 || this.#isNullable(expression.item);
    }
  }

  #alternatives(expression: Expression, nesting: number): string {
    if (expression.kind !== "choice") return this.#sequence(expression, nesting);
    return expression.items.map((item) => this.#sequence(item, nesting)).join(" | ");
  }

  #sequence(expression: Expression, nesting: number): string {
    if (expression.kind !== "sequence") return this.#item(expression, nesting);
    return expression.items.map((item) => this.#item(item, nesting)).join(" ");
  }

  #item(expression: Expression, nesting: number): string {
    switch (expression.kind) {
      case "text":
        return literal(expression.text);
      case "set":
        return charClass(expression.ranges);
      case "rule":
        return expression.name;
      case "repeat":
        return this.#repeat(expression.item, expression.min, expression.max, nesting);
      case "choice":
      case "sequence":
        if (nesting >= MAX_NESTING) return this.#hoist(expression);
        return `(${this.#alternatives(expression, nesting + 1)})`;
    }
  }

  #repeat(item: Expression, min: number, max: number, nesting: number): string {
    const single = item.kind === "set" || item.kind === "rule" || (item.kind === "text" && [...item.text].length === 1);
    const symbol: Expression = single ? item : rule(this.#hoist(item));
    if (min > MAX_COUNT || (max !== Number.POSITIVE_INFINITY && max > MAX_COUNT))
      return this.#item(this.#counted(symbol, min, max), nesting);
    return this.#item(symbol, nesting) + quantifier(min, max);
  }

  /** Large counts in blocks of a thousand, one after the other, so that few positions are possible at once. */
  #counted(symbol: Expression, min: number, max: number): Expression {
    const block = rule(this.#hoist(repeat(symbol, MAX_COUNT, MAX_COUNT)));
    const exactly = sequence(
      ...Array<Expression>(Math.floor(min / MAX_COUNT)).fill(block),
      repeat(symbol, min % MAX_COUNT, min % MAX_COUNT),
    );
    if (max === Number.POSITIVE_INFINITY) return sequence(exactly, repeat(symbol, 0, max));
    const fewer = rule(this.#hoist(repeat(symbol, 0, MAX_COUNT - 1)));
    let upTo: Expression = repeat(symbol, 0, (max - min) % MAX_COUNT);
    for (let blocks = Math.floor((max - min) / MAX_COUNT); blocks > 0; blocks--)
      upTo = rule(this.#hoist(choice(fewer, sequence(block, upTo))));
    return sequence(exactly, upTo);
  }

  #hoist(expression: Expression): string {
    const name = this.fresh("part");
    this.define(name, expression);
    return name;
  }
}

function quantifier(min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? "*" : min === 1 ? "+" : `{${min},}`;
  if (min === 0 && max === 1) return "?";
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

/** A text in quotes. */
export function literal(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped
  return `"${value.replace(/["\\\u0000-\u001f\u007f]/g, (char) => `\\x${hex(char.charCodeAt(0), 2)}`)}"`;
}

function charClass(ranges: readonly Range[]): string {
  return `[${ranges.map(([first, last]) => (first === last ? charOf(first) : `${charOf(first)}-${charOf(last)}`)).join("")}]`;
}

function charOf(codePoint: number): string {
  const char = String.fromCodePoint(codePoint);
  if (/[A-Za-z0-9]/.test(char)) return char;
  if (codePoint <= 0xff) return `\\x${hex(codePoint, 2)}`;
  return codePoint <= 0xffff ? `\\u${hex(codePoint, 4)}` : `\\U${hex(codePoint, 8)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
