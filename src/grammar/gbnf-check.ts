/**
 * A look at a grammar that a caller wrote, before libllama does: it recurses, loops or gives up without a word on some of them.
 * Called by the decoders. The language: grammars/README.md of llama.cpp.
 */

/** A reason in words, or undefined when the grammar can be tried. */
export function grammarFault(gbnf: string): string | undefined {
  if (gbnf.length > MAX_LENGTH) return `it is longer than ${MAX_LENGTH} characters`;
  if (gbnf.includes("\0")) return "it holds a NUL character; write \\x00";
  try {
    const rules = new Reader(gbnf).rules();
    return referenceFault(rules) ?? recursionFault(rules, gbnf.length);
  } catch (error) {
    if (error instanceof SyntaxFault) return error.message;
    throw error;
  }
}

const MAX_LENGTH = 1_000_000;
const MAX_NESTING = 100;
/** Above this libllama takes an upper bound for none. */
const MAX_REPETITION = 2000;
const MAX_RULES = 5000;
const MAX_CHAIN = 1000;
/** Rules visited before the first character of a rule; libllama remembers none of its visits. */
const MAX_LEADING = 1_000_000;

/**
 * Ways to begin × characters. libllama compares each of its stacks with all of the grammar when it copies one, which stops all answers of
 * the model: 0.8 ns a unit, 3.7 s for 4900 alternatives in 0.9 MB.
 */
const MAX_COPYING = 200_000_000;

class SyntaxFault extends Error {}

/** What a rule begins with does not matter here beyond: a character, a rule, or things that may be empty. */
type Item = { readonly nullable: boolean; readonly alternatives?: readonly Sequence[]; readonly rule?: string };
type Sequence = readonly Item[];
type Rules = ReadonlyMap<string, readonly Sequence[]>;

class Reader {
  #at = 0;
  #nesting = 0;

  constructor(readonly text: string) {}

  rules(): Rules {
    const rules = new Map<string, readonly Sequence[]>();
    for (this.#space(true); this.#at < this.text.length; this.#space(true)) {
      const name = this.#match(/[A-Za-z0-9-]+/y) ?? this.#fail("a rule's name");
      this.#space(false);
      this.#match(/::=/y) ?? this.#fail("::=");
      this.#space(true);
      if (rules.size >= MAX_RULES) throw new SyntaxFault(`it has more than ${MAX_RULES} rules`);
      rules.set(name, this.#alternatives());
      if (this.#at < this.text.length) this.#match(/\r?\n|\r/y) ?? this.#fail("the end of the line");
    }
    return rules;
  }

  #alternatives(): Sequence[] {
    const sequences = [this.#sequence()];
    while (this.#match(/\|/y)) {
      this.#space(true);
      sequences.push(this.#sequence());
    }
    return sequences;
  }

  #sequence(): Sequence {
    const items: Item[] = [];
    for (let item = this.#item(); item; item = this.#item()) {
      this.#space(this.#nesting > 0);
      items.push(this.#repeated(item));
    }
    return items;
  }

  #item(): Item | undefined {
    if (this.#match(/"/y)) return { nullable: this.#match(/[^"\\]*(?:\\[\s\S][^"\\]*)*"/y, "the end of a text") === '"' };
    if (this.#match(/\[/y)) return { nullable: this.#match(/[^\]\\]*(?:\\[\s\S][^\]\\]*)*\]/y, "the end of a class") === "]" };
    if (this.#match(/\.|!?<[^>\n]*>/y)) return { nullable: false };
    const name = this.#match(/[A-Za-z0-9-]+/y);
    if (name !== undefined) return { nullable: false, rule: name };
    if (!this.#match(/\(/y)) return undefined;
    if (++this.#nesting > MAX_NESTING) throw new SyntaxFault(`its groups are nested more than ${MAX_NESTING} deep`);
    this.#space(true);
    const alternatives = this.#alternatives();
    this.#match(/\)/y) ?? this.#fail(")");
    this.#nesting--;
    return { nullable: false, alternatives };
  }

  #repeated(item: Item): Item {
    const sign = this.#match(/[*+?]|\{\s*\d+\s*(?:,\s*\d*\s*)?\}/y);
    if (sign === undefined) return item;
    const counts = (sign.match(/\d+/g) ?? []).map(Number);
    if (counts.some((count) => count >= MAX_REPETITION)) throw new SyntaxFault(`a repetition must be below ${MAX_REPETITION}`);
    this.#space(this.#nesting > 0);
    return this.#repeated({ nullable: sign === "*" || sign === "?" || counts[0] === 0, alternatives: [[item]] });
  }

  #space(lines: boolean): void {
    this.#match(lines ? /(?:[ \t\r\n]|#[^\r\n]*)*/y : /(?:[ \t]|#[^\r\n]*)*/y);
  }

  #match(pattern: RegExp, needed?: string): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined && needed !== undefined) this.#fail(needed);
    this.#at += found?.length ?? 0;
    return found;
  }

  #fail(expected: string): never {
    const line = this.text.slice(0, this.#at).split("\n").length;
    throw new SyntaxFault(`line ${line}: ${expected} is expected at ${JSON.stringify(this.text.slice(this.#at, this.#at + 20))}`);
  }
}

function referenceFault(rules: Rules): string | undefined {
  if (!rules.has("root")) return "it has no rule 'root'";
  const visit = (sequences: readonly Sequence[]): string | undefined => {
    for (const { rule, alternatives } of sequences.flat()) {
      const missing = rule !== undefined && !rules.has(rule) ? rule : alternatives && visit(alternatives);
      if (missing !== undefined) return missing;
    }
    return undefined;
  };
  for (const sequences of rules.values()) {
    const missing = visit(sequences);
    if (missing !== undefined) return `the rule '${missing}' is not defined`;
  }
  return undefined;
}

function recursionFault(rules: Rules, length: number): string | undefined {
  const nullable = nullableRules(rules);
  const isNullable = (item: Item): boolean => mayBeEmpty(item, nullable);
  const costs = new Map<string, number>();
  const open: string[] = [];
  const visit = (name: string): number => {
    const known = costs.get(name);
    if (known !== undefined) return known;
    if (open.includes(name)) throw new SyntaxFault(`the rule '${name}' begins with itself: left recursion`);
    if (open.length >= MAX_CHAIN) throw new SyntaxFault("its rules begin with each other in too long a chain");
    open.push(name);
    const cost = 1 + leading(rules.get(name)!);
    open.pop();
    if (cost > MAX_LEADING) throw new SyntaxFault("its rules branch too often before the first character");
    costs.set(name, cost);
    return cost;
  };
  const leading = (sequences: readonly Sequence[]): number =>
    sequences.reduce((sum, sequence) => {
      const first = sequence.findIndex((item) => !isNullable(item));
      const items = first < 0 ? sequence : sequence.slice(0, first + 1);
      return (
        sum +
        items.reduce((n, { rule, alternatives }) => n + (rule !== undefined ? visit(rule) : alternatives ? leading(alternatives) : 1), 0)
      );
    }, 0);
  for (const name of rules.keys()) visit(name);
  const most = Math.max(...costs.values());
  if (most * length > MAX_COPYING)
    return `${most} alternatives are too many for its ${length} characters; a schema in response_format may have an enum of as many`;
  return undefined;
}

function mayBeEmpty({ nullable: own, rule, alternatives }: Item, nullable: ReadonlySet<string>): boolean {
  if (own || (rule !== undefined && nullable.has(rule))) return true;
  return alternatives?.some((sequence) => sequence.every((item) => mayBeEmpty(item, nullable))) ?? false;
}

/** Until nothing is added. */
function nullableRules(rules: Rules): Set<string> {
  const nullable = new Set<string>();
  for (let before = -1; before < nullable.size; ) {
    before = nullable.size;
    for (const [name, sequences] of rules)
      if (!nullable.has(name) && sequences.some((sequence) => sequence.every((item) => mayBeEmpty(item, nullable)))) nullable.add(name);
  }
  return nullable;
}
