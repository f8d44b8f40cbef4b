/**
 * JSON Schema → GBNF. Called by the decoders of the dialects. What a schema asks and a grammar cannot promise is refused with the
 * path of the keyword; what it promises is a part of what the schema allows: compact JSON, properties in their order.
 *
 * A place of the document is described by all schemas that must hold there: `allOf`, a `$ref` beside other keywords and the same
 * property in several of them just make this list longer, so nothing is ever merged into a new schema.
 */
import { arrayOf } from "./arrays.ts";
import { choice, type Expression, isNever, NEVER, rule, text } from "./expression.ts";
import { Grammar } from "./gbnf.ts";
import { Json } from "./json.ts";
import { ABOUT_TYPE, isAssertion, isObject, type Keywords, type Located, listOf, type Type } from "./keywords.ts";
import { numberOf } from "./number-bounds.ts";
import { objectOf, type Subschema, shapeOf } from "./objects.ts";
import { refuseOverlaps } from "./one-of.ts";
import { flatten, isSoleReference, type Place, resolveReference } from "./places.ts";
import { below, refusal } from "./refusal.ts";
import { stringOf } from "./strings.ts";
import { oneOfTexts } from "./trie.ts";
import { kindOf, typesAt } from "./types.ts";
import { valuesOf } from "./values.ts";

const MAX_DEPTH = 64;
/** libllama follows all that still fit, at every token. */
const MAX_BRANCHES = 256;
/** Schemas looked at, those of references counted each time. */
const MAX_WORK = 20_000;

/** A grammar for the texts that are JSON and match the schema. @throws invalid_value naming the place below `path`. */
export function compileSchema(schema: unknown, path: string): string {
  return new Compiler(schema, path).grammarText();
}

/** A grammar for any JSON object. */
export function anyObjectGrammar(): string {
  const grammar = new Grammar("response_format");
  return grammar.render(new Json(grammar).anyOf("object"));
}

/** A rule that no character fits. */
const NO_CHARACTER = "[^\\x00-\\U0010FFFF]";

/** One property of an object. */
export interface Member {
  readonly name: string;
  readonly required: boolean;
  readonly schemas: readonly Subschema[];
  /** It can only be a string: one of these values if there are any, else one that keeps what these keywords demand. */
  readonly text?: { readonly values?: readonly string[]; readonly bounds: readonly string[] };
}

function isBound(keyword: string): boolean {
  return keyword === "format" || ABOUT_TYPE.get(keyword) === "string";
}

export class Compiler {
  readonly grammar: Grammar;
  readonly json: Json;
  /** Of the whole schema. */
  readonly path: string;
  readonly #root: Subschema;
  /** Rules of places that a reference leads to, or that several schemas describe, by the identity of these. */
  readonly #rules = new Map<string, string>();
  readonly #impossible = new Set<string>();
  readonly #ids = new Map<object, number>();
  readonly #withoutKey = new Map<string, Keywords>();
  /** Places being compiled whose text has not begun yet: to come back to one of them is to go round in a circle. */
  #open: readonly string[] = [];
  #depth = 0;
  #work = 0;

  /** `grammar`: where the rules go; absent: into one of its own. */
  constructor(schema: unknown, path: string, grammar = new Grammar(path)) {
    this.grammar = grammar;
    this.json = new Json(this.grammar);
    this.path = path;
    this.#root = { schema, path };
  }

  grammarText(): string {
    return this.grammar.render(this.whole());
  }

  /** A value that satisfies the schema, and these as well. */
  whole(...others: readonly Keywords[]): Expression {
    const { schema, path } = this.#root;
    if (!isObject(schema) && typeof schema !== "boolean") throw refusal(path, "it must be a JSON Schema: an object");
    const whole = this.all([this.#root, ...others.map((other) => ({ schema: other, path }))]);
    if (isNever(whole)) throw refusal(path, "no value can satisfy it");
    return whole;
  }

  /** The declared properties of an object and what each must satisfy, where the schema says no more of it. */
  members(): readonly Member[] {
    const { all } = flatten([this.#root], this.#root);
    const { properties, required } = shapeOf(all);
    return [...properties].map(([name, schemas]) => {
      const value = flatten(schemas, this.#root).all;
      const values = valuesOf(value);
      const types = values ? [...new Set(values.map((each) => typeof each))] : typesAt(value);
      const text = types.length === 1 && types[0] === "string";
      const bounds =
        text && !values
          ? value.flatMap(({ keywords, path }) =>
              Object.keys(keywords)
                .filter(isBound)
                .map((key) => below(path, key)),
            )
          : [];
      return {
        name,
        required: required.has(name),
        schemas,
        ...(text && { text: { bounds, ...(values && { values: values.map(String) }) } }),
      };
    });
  }

  /** A value that satisfies all of these; behind a bracket, a comma or a colon. */
  all(schemas: readonly Subschema[]): Expression {
    const open = this.#open;
    this.#open = [];
    const expression = this.#place(schemas);
    this.#open = open;
    return expression;
  }

  #place(schemas: readonly Subschema[]): Expression {
    const [only] = schemas;
    if (schemas.length === 1 && isSoleReference(only!))
      return this.#named([resolveReference(only!, this.#root)], below(only!.path, "$ref"));
    const objects = schemas.filter(({ schema }) => isObject(schema));
    return objects.length > 1 ? this.#named(schemas, schemas[0]!.path) : this.#unnamed(schemas);
  }

  /** As a rule of its own, so that it may hold itself. `from`: where it was asked for. */
  #named(schemas: readonly Subschema[], from: string): Expression {
    const ids = schemas.map(({ schema }) => (isObject(schema) ? this.#idOf(schema) : String(schema)));
    const key = [...new Set(ids)].sort().join(" ");
    if (this.#open.includes(key)) throw refusal(from, "it refers to itself with nothing in between");
    if (this.#impossible.has(key)) return NEVER;
    const known = this.#rules.get(key);
    if (known !== undefined) return rule(known);
    const name = this.grammar.fresh("s");
    this.#rules.set(key, name);
    const open = this.#open;
    this.#open = [...open, key];
    const expression = this.#unnamed(schemas);
    this.#open = open;
    if (!isNever(expression)) {
      this.grammar.define(name, expression);
      return rule(name);
    }
    this.#rules.delete(key);
    this.#impossible.add(key);
    this.grammar.addText(name, NO_CHARACTER); // what was compiled meanwhile may refer to it
    return NEVER;
  }

  #unnamed(schemas: readonly Subschema[]): Expression {
    if (++this.#depth > MAX_DEPTH) throw refusal(schemas[0]!.path, `it is nested deeper than ${MAX_DEPTH}`);
    const place = flatten(schemas, this.#root);
    this.#work += 1 + place.all.length;
    if (this.#work > MAX_WORK) throw refusal(this.#root.path, "it is too large");
    const expression = place.impossible ? NEVER : this.#described(place);
    this.#depth--;
    return expression;
  }

  #described({ all }: Place): Expression {
    for (const located of all) {
      for (const keyword of ["anyOf", "oneOf"]) if (located.keywords[keyword] !== undefined) return this.#branches(all, located, keyword);
      if (located.keywords.nullable !== undefined) return this.#nullable(all, located);
    }
    const values = valuesOf(all);
    if (values)
      return values.length === 0
        ? NEVER
        : oneOfTexts(
            values.map((value) => JSON.stringify(value)),
            this.grammar,
          );
    return choice(...typesAt(all).map((type) => this.#ofType(type, all)));
  }

  /** Each branch together with what stands beside it. */
  #branches(all: readonly Located[], located: Located, keyword: string): Expression {
    const list = listOf(located, keyword);
    if (list.length > MAX_BRANCHES) throw refusal(below(located.path, keyword), `it must have at most ${MAX_BRANCHES} branches`);
    const branches = list.map((schema, i) => ({ schema, path: below(below(located.path, keyword), i) }));
    if (keyword === "oneOf") refuseOverlaps(branches, this.#root);
    const beside = this.#beside(all, located, keyword);
    return choice(...branches.map((branch) => this.#place([...beside, branch])));
  }

  #nullable(all: readonly Located[], located: Located): Expression {
    const others = this.#place(this.#beside(all, located, "nullable"));
    return located.keywords.nullable === true ? choice(others, text("null")) : others;
  }

  /** The schemas without this keyword of one of them, and without those that then say nothing. */
  #beside(all: readonly Located[], located: Located, keyword: string): Subschema[] {
    const rest = all.map(({ keywords, path }) => ({
      schema: keywords === located.keywords ? this.#without(keywords, keyword) : keywords,
      path,
    }));
    return rest.filter(({ schema }) => Object.keys(schema).some(isAssertion));
  }

  /** The same object each time, so that places are known by their schemas. */
  #without(keywords: Keywords, keyword: string): Keywords {
    const key = `${this.#idOf(keywords)} ${keyword}`;
    const known = this.#withoutKey.get(key);
    if (known) return known;
    const { [keyword]: _, ...rest } = keywords;
    this.#withoutKey.set(key, rest);
    return rest;
  }

  #ofType(type: Type, all: readonly Located[]): Expression {
    const kind = type === "integer" ? "number" : type;
    const about = all.filter(({ keywords }) => Object.keys(keywords).some((keyword) => kindOf(keyword, keywords) === kind));
    if (about.length === 0) return this.json.anyOf(type);
    switch (type) {
      case "object":
        return objectOf(about, this);
      case "array":
        return arrayOf(about, this);
      case "string":
        return stringOf(about, this.json.character);
      default:
        return numberOf(about, type === "integer", this.json);
    }
  }

  #idOf(schema: object): number {
    const id = this.#ids.get(schema) ?? this.#ids.size;
    this.#ids.set(schema, id);
    return id;
  }
}
