/**
 * What a text must look like, as a tree: the language between JSON Schema or regular expressions and GBNF. The functions that
 * build it simplify as they go, so that what cannot occur disappears. Pure; it must not know JSON, schemas or GBNF's spelling.
 */

/** First and last code point, both included. */
export type Range = readonly [first: number, last: number];

export type Expression =
  | { readonly kind: "text"; readonly text: string }
  /** One character out of these ranges, which are in order and apart. */
  | { readonly kind: "set"; readonly ranges: readonly Range[] }
  | { readonly kind: "sequence"; readonly items: readonly Expression[] }
  | { readonly kind: "choice"; readonly items: readonly Expression[] }
  | { readonly kind: "repeat"; readonly item: Expression; readonly min: number; readonly max: number }
  | { readonly kind: "rule"; readonly name: string };

export const EMPTY: Expression = { kind: "text", text: "" };
/** Matches no text at all. */
export const NEVER: Expression = { kind: "choice", items: [] };

export function isNever(expression: Expression): boolean {
  return expression.kind === "choice" && expression.items.length === 0;
}

export function isEmpty(expression: Expression): boolean {
  return expression.kind === "text" && expression.text === "";
}

export function text(value: string): Expression {
  return { kind: "text", text: value };
}

export function rule(name: string): Expression {
  return { kind: "rule", name };
}

export function set(ranges: readonly Range[]): Expression {
  return ranges.length === 0 ? NEVER : { kind: "set", ranges };
}

export function sequence(...items: readonly Expression[]): Expression {
  if (items.some(isNever)) return NEVER;
  const flat = items.flatMap((item) => (item.kind === "sequence" ? item.items : isEmpty(item) ? [] : [item]));
  const joined: Expression[] = [];
  for (const item of flat) {
    const last = joined.at(-1);
    if (item.kind === "text" && last?.kind === "text") joined[joined.length - 1] = text(last.text + item.text);
    else joined.push(item);
  }
  if (joined.length === 0) return EMPTY;
  return joined.length === 1 ? joined[0]! : { kind: "sequence", items: joined };
}

export function choice(...items: readonly Expression[]): Expression {
  const flat = items.flatMap((item) => (item.kind === "choice" ? item.items : [item]));
  return flat.length === 1 ? flat[0]! : { kind: "choice", items: flat };
}

/** `max` may be infinite. */
export function repeat(item: Expression, min: number, max: number): Expression {
  if (max < min) return NEVER;
  if (max === 0 || isEmpty(item)) return EMPTY;
  if (isNever(item)) return min === 0 ? EMPTY : NEVER;
  return min === 1 && max === 1 ? item : { kind: "repeat", item, min, max };
}

export function optional(item: Expression): Expression {
  return repeat(item, 0, 1);
}
