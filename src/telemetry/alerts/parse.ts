/**
 * Reads the condition of an alert. Pure; called by rule.ts.
 *
 *     condition  = [sum] (">" | ">=" | "<" | "<=" | "==" | "!=") sum      the left side absent: the alert's own name
 *     sum        = product {("+" | "-") product}
 *     product    = value {("*" | "/") value}
 *     value      = number [unit] | name [labels] | "(" sum ")"
 *     labels     = "{" label ("=" | "!=" | "=~" | "!~") "text" {"," …} "}"
 *
 * Times, sizes and plain numbers are not mixed: `error_rate > 5s` is refused.
 */
import { ALIASES, dimensionOf, HISTOGRAM_ALIASES, type Matcher, type Reading, readingOf } from "./names.ts";
import { ConditionError, type Dimension, type Token, tokenize } from "./tokens.ts";

export type Operator = "+" | "-" | "*" | "/";
export type Comparison = ">" | ">=" | "<" | "<=" | "==" | "!=";

export type Expression = { readonly dimension: Dimension; readonly at: number } & (
  | { readonly type: "quantity"; readonly value: number }
  | { readonly type: "reading"; readonly reading: Reading }
  | { readonly type: "operation"; readonly operator: Operator; readonly left: Expression; readonly right: Expression }
);

export interface Condition {
  readonly left: Expression;
  readonly comparison: Comparison;
  readonly right: Expression;
  /** Something in it is written in percent, so its numbers should be told so. */
  readonly percent: boolean;
}

/** Bounds the depth of what is nested. */
const LONGEST = 1000;

/** @throws ConditionError */
export function parseCondition(text: string, alertName: string): Condition {
  if (text.length > LONGEST) throw new ConditionError(LONGEST, `a condition has at most ${LONGEST} characters`);
  const tokens = tokenize(text);
  const parser = new Parser(tokens);
  const left = isComparison(tokens[0]!.text) ? ownName(alertName) : parser.sum();
  const comparison = parser.comparison();
  const right = parser.sum();
  parser.end();
  if (![left, right].some(reads)) throw new ConditionError(0, "it names no metric, so it never changes");
  sameDimension(left, right, comparison);
  return { left, comparison, right, percent: tokens.some((token) => token.type === "quantity" && token.percent) };
}

/** The readings of an expression, in the order in which they stand. */
export function readingsOf(expression: Expression): Reading[] {
  if (expression.type === "reading") return [expression.reading];
  return expression.type === "operation" ? [...readingsOf(expression.left), ...readingsOf(expression.right)] : [];
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  sum(): Expression {
    let left = this.#product();
    for (let sign = this.#take("+", "-"); sign; sign = this.#take("+", "-"))
      left = operation(sign.text as Operator, left, this.#product(), sign.at);
    return left;
  }

  comparison(): Comparison {
    const token = this.#token;
    if (!isComparison(token.text)) throw this.#unexpected("a comparison (> >= < <= == !=)");
    this.#next++;
    return token.text;
  }

  end(): void {
    if (this.#token.type !== "end") throw this.#unexpected("the end");
  }

  #product(): Expression {
    let left = this.#value();
    for (let sign = this.#take("*", "/"); sign; sign = this.#take("*", "/"))
      left = operation(sign.text as Operator, left, this.#value(), sign.at);
    return left;
  }

  #value(): Expression {
    const token = this.#token;
    if (this.#take("(")) {
      const inner = this.sum();
      if (!this.#take(")")) throw this.#unexpected("')'");
      return inner;
    }
    if (token.type !== "quantity" && token.type !== "name") throw this.#unexpected("a metric or a number");
    this.#next++;
    if (token.type === "quantity") return { type: "quantity", value: token.value, dimension: token.dimension, at: token.at };
    const labels = this.#token.type === "label" ? this.#tokens[this.#next++] : undefined;
    return named(token, labels ? matchersIn(labels) : []);
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #take(...signs: readonly string[]): Token | undefined {
    const token = this.#token;
    return token.type === "sign" && signs.includes(token.text) ? this.#tokens[this.#next++] : undefined;
  }

  #unexpected(wanted: string): ConditionError {
    const { at, text, type } = this.#token;
    return new ConditionError(at, `${wanted} is missing${type === "end" ? "" : ` before '${text}'`}`);
  }
}

function named({ text: name, at }: Pick<Token, "text" | "at">, labels: readonly Matcher[]): Expression {
  if (Object.hasOwn(HISTOGRAM_ALIASES, name))
    throw new ConditionError(at, `'${name}' is many numbers: say ${name}_p95 for what 95 % are within, or ${name}_avg`);
  const meaning = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
  if (meaning === undefined || meaning === name) {
    const reading = readingOf(name, labels);
    return { type: "reading", reading, dimension: dimensionOf(reading), at };
  }
  return withLabels(new Parser(tokenize(meaning)).sum(), labels, at);
}

/** An alias of several metrics gives its labels to each, and its place to all. */
function withLabels(expression: Expression, labels: readonly Matcher[], at: number): Expression {
  if (expression.type === "reading") return { ...expression, at, reading: { ...expression.reading, labels } };
  if (expression.type === "quantity") return { ...expression, at };
  return { ...expression, at, left: withLabels(expression.left, labels, at), right: withLabels(expression.right, labels, at) };
}

function ownName(alertName: string): Expression {
  const [token, ...rest] = /^[A-Za-z_:][\w:]*$/.test(alertName) ? tokenize(alertName) : [];
  if (!token || rest.length !== 1) throw new ConditionError(0, `'${alertName}' is no metric, so say what is compared: metric > 1`);
  return named({ text: alertName, at: 0 }, []);
}

const MATCHER = /\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|$)/y;

function matchersIn({ text, at }: Token): Matcher[] {
  const inner = text.slice(1, -1);
  const matchers: Matcher[] = [];
  MATCHER.lastIndex = 0;
  for (let from = 0; from < inner.trimEnd().length; from = MATCHER.lastIndex) {
    const found = MATCHER.exec(inner);
    if (!found) throw new ConditionError(at + 1 + from, `labels are written as {model="name", status=~"5.."}`);
    const [all, label, operator, raw] = found as unknown as [string, string, Matcher["operator"], string];
    const place = at + 1 + from + all.search(/\S/);
    if (matchers.some((matcher) => matcher.label === label)) throw new ConditionError(place, `the label '${label}' stands there twice`);
    const value = raw.replace(/\\(.)/g, "$1");
    if (operator.endsWith("~") && !compiles(value)) throw new ConditionError(place, `'${value}' is no regular expression`);
    matchers.push({ label, operator, value });
  }
  return matchers;
}

function compiles(pattern: string): boolean {
  try {
    return new RegExp(pattern) instanceof RegExp;
  } catch {
    return false;
  }
}

function operation(operator: Operator, left: Expression, right: Expression, at: number): Expression {
  return { type: "operation", operator, left, right, at, dimension: combined(operator, left, right, at) };
}

/** 2 × a time is a time, a size in a size is a number, and a time times a time is nothing here. */
function combined(operator: Operator, left: Expression, right: Expression, at: number): Dimension {
  if (operator === "+" || operator === "-") return sameDimension(left, right, operator);
  if (right.dimension === "number") return left.dimension;
  if (operator === "*" && left.dimension === "number") return right.dimension;
  if (operator === "/" && left.dimension === right.dimension) return "number";
  throw new ConditionError(at, `${said(left)} ${operator} ${said(right)} is nothing that can be compared`);
}

function sameDimension(left: Expression, right: Expression, sign: string): Dimension {
  if (left.dimension === right.dimension) return left.dimension;
  const bare = [left, right].find(({ type, dimension }) => type === "quantity" && dimension === "number");
  const other = bare === left ? right : left;
  if (bare) throw new ConditionError(bare.at, `the number needs a unit, for it stands beside ${said(other)}`);
  throw new ConditionError(right.at, `${said(left)} and ${said(right)} cannot stand on both sides of '${sign}'`);
}

function said({ dimension }: Expression): string {
  return { time: "a time", bytes: "a size", number: "a plain number" }[dimension];
}

function reads(expression: Expression): boolean {
  return readingsOf(expression).length > 0;
}

function isComparison(text: string): text is Comparison {
  return [">", ">=", "<", "<=", "==", "!="].includes(text);
}
