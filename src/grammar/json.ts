/**
 * JSON itself (RFC 8259) as rules, each made when it is first needed. White space: at most one space behind a colon or a comma, so
 * that a model may write as most JSON it has seen, and cannot go on with white space for ever. Used by compile.ts and its parts.
 */
import { anyEncoded } from "./characters.ts";
import { choice, type Expression, optional, repeat, sequence, text } from "./expression.ts";
import type { Grammar } from "./gbnf.ts";
import type { Type } from "./keywords.ts";
import { anyNumber, integersBetween, LARGEST } from "./numbers.ts";

export class Json {
  readonly #grammar: Grammar;

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
  }

  get character(): Expression {
    return this.#grammar.once("char", anyEncoded);
  }

  get colon(): Expression {
    return this.#grammar.once("colon", () => sequence(text(":"), optional(text(" "))));
  }

  get comma(): Expression {
    return this.#grammar.once("comma", () => sequence(text(","), optional(text(" "))));
  }

  get value(): Expression {
    return this.#grammar.once("value", () =>
      choice(...(["object", "array", "string", "number", "boolean", "null"] as const).map((type) => this.anyOf(type))),
    );
  }

  anyOf(type: Type): Expression {
    switch (type) {
      case "object":
        return this.#grammar.once("object", () => this.list("{", sequence(this.anyOf("string"), this.colon, this.value), "}"));
      case "array":
        return this.#grammar.once("array", () => this.list("[", this.value, "]"));
      case "string":
        return this.#grammar.once("string", () => sequence(text('"'), repeat(this.character, 0, Number.POSITIVE_INFINITY), text('"')));
      case "number":
        return this.#grammar.once("number", anyNumber);
      case "integer":
        return this.#grammar.once("integer", () => integersBetween(-LARGEST, LARGEST));
      case "boolean":
        return this.#grammar.once("boolean", () => choice(text("true"), text("false")));
      case "null":
        return text("null");
    }
  }

  /** `min` to `max` items between brackets. */
  list(open: string, each: Expression, close: string, min = 0, max = Number.POSITIVE_INFINITY): Expression {
    const item = max > 1 ? this.#grammar.share(each) : each;
    const more = repeat(sequence(this.comma, item), Math.max(0, min - 1), max - 1);
    return sequence(text(open), max === 0 ? text("") : repeat(sequence(item, more), Math.min(1, min), 1), text(close));
  }
}
