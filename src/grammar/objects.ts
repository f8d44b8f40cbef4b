/**
 * Objects: the declared properties in their order, then others where the schema asks for them. Called by compile.ts with all
 * schemas that must hold at once.
 *
 * What may be left out need not be written: other properties appear only where `additionalProperties` says so or nothing is
 * declared at all, as llama.cpp does it; a model that may add names adds them for ever.
 */

import { unescaped } from "./characters.ts";
import type { Compiler } from "./compile.ts";
import { choice, EMPTY, type Expression, isNever, NEVER, optional, repeat, sequence, text } from "./expression.ts";
import { isObject, type Located, tightest } from "./keywords.ts";
import { below, refusal } from "./refusal.ts";
import { noneOfTexts } from "./trie.ts";

/** Each may be the next one, and libllama follows all that may. */
const MAX_OPTIONAL = 1000;

/** Characters of a name that others must differ from: a rule for each, made by recursion. */
const MAX_NAME = 500;

/** A schema of unknown shape, and its path. */
export interface Subschema {
  readonly schema: unknown;
  readonly path: string;
}

export interface Shape {
  /** All schemas of each declared name. */
  readonly properties: ReadonlyMap<string, readonly Subschema[]>;
  readonly required: ReadonlySet<string>;
  /** Schemas of names that are not declared; undefined: there are none of these. */
  readonly others: readonly Subschema[] | undefined;
  /** Names that are not declared are forbidden, not just never written. */
  readonly closed: boolean;
}

/** What several schemas say together about the names of an object. */
export function shapeOf(all: readonly Located[]): Shape {
  const declared = new Map<string, Subschema[]>();
  const required = new Set<string>();
  for (const located of all) {
    const at = below(located.path, "properties");
    for (const [name, schema] of entriesOf(located, "properties")) {
      const own = { schema, path: below(at, name) };
      const schemas = declared.get(name);
      if (schemas) schemas.push(own);
      else declared.set(name, [own]);
    }
    for (const name of namesOf(located)) required.add(name);
  }
  const asked = all.some(({ keywords: k }) => k.additionalProperties === true || isObject(k.additionalProperties));
  const mayInvent = declared.size === 0 && !all.some(({ keywords }) => keywords.unevaluatedProperties === false);
  // A name that is required and not declared is a property all the same.
  for (const name of required) if (!declared.has(name)) declared.set(name, []);
  for (const [name, schemas] of declared) schemas.push(...all.flatMap((located) => undeclared(located, name)));
  const closed = all.some(({ keywords }) => keywords.additionalProperties === false);
  const others = !closed && (asked || mayInvent) ? all.flatMap((located) => additional(located)) : undefined;
  return { properties: declared, required, others, closed };
}

/** What `additionalProperties` of this schema says about a name that this schema does not declare. */
function undeclared(located: Located, name: string): Subschema[] {
  const { properties } = located.keywords;
  return isObject(properties) && Object.hasOwn(properties, name) ? [] : additional(located);
}

function additional({ keywords, path }: Located): Subschema[] {
  const { additionalProperties } = keywords;
  return additionalProperties === undefined ? [] : [{ schema: additionalProperties, path: below(path, "additionalProperties") }];
}

function entriesOf({ keywords, path }: Located, keyword: string): Array<[string, unknown]> {
  const value = keywords[keyword];
  if (value === undefined) return [];
  if (!isObject(value)) throw refusal(below(path, keyword), "it must be an object");
  return Object.entries(value);
}

function namesOf({ keywords, path }: Located): readonly string[] {
  const { required } = keywords;
  if (required === undefined || typeof required === "boolean") return []; // draft 3 had a boolean
  if (!Array.isArray(required) || required.some((name) => typeof name !== "string"))
    throw refusal(below(path, "required"), "it must be an array of names");
  return required;
}

export function objectOf(all: readonly Located[], compiler: Compiler): Expression {
  const patterned = all.find(({ keywords }) => isObject(keywords.patternProperties) && Object.keys(keywords.patternProperties).length > 0);
  if (patterned) return patternedObject(all, patterned, compiler);
  const { properties, required, others } = shapeOf(all);
  const members: Member[] = [];
  for (const [name, schemas] of properties) {
    const value = compiler.all(schemas);
    if (isNever(value) && !required.has(name)) continue;
    const key = text(JSON.stringify(name));
    members.push({ expression: sequence(key, compiler.json.colon, value), required: required.has(name) });
  }
  const other = others ? sequence(keyOf(all, [...properties.keys()], compiler), compiler.json.colon, compiler.all(others)) : NEVER;
  return braced(members, other, limitsOf(all, members), compiler);
}

function keyOf(all: readonly Located[], declared: readonly string[], compiler: Compiler): Expression {
  const names = all.filter(({ keywords }) => keywords.propertyNames !== undefined);
  if (names.length === 0 && declared.length === 0) return compiler.json.anyOf("string");
  const long = declared.find((name) => name.length > MAX_NAME);
  if (long !== undefined)
    throw refusal(compiler.path, `beside additionalProperties a property's name must have at most ${MAX_NAME} characters`);
  if (names.length === 0) return sequence(text('"'), noneOfTexts(declared, compiler.grammar, unescaped), text('"'));
  const path = below(names[0]!.path, "propertyNames");
  if (declared.length > 0) throw refusal(path, "it cannot be enforced beside properties");
  const schemas = names.map((located) => ({ schema: located.keywords.propertyNames, path: below(located.path, "propertyNames") }));
  return compiler.all([{ schema: { type: "string" }, path }, ...schemas]);
}

/** Names by pattern: only where the pattern alone decides. */
function patternedObject(all: readonly Located[], { keywords, path }: Located, compiler: Compiler): Expression {
  const at = below(path, "patternProperties");
  const patterns = Object.entries(keywords.patternProperties as object);
  const [first] = patterns;
  const alone = all.every((located) => located.path === path || Object.keys(located.keywords).every((keyword) => keyword === "type"));
  const others = keywords.additionalProperties !== undefined && keywords.additionalProperties !== false;
  if (!alone || others || patterns.length !== 1 || shapeOf(all).properties.size > 0 || keywords.propertyNames !== undefined)
    throw refusal(at, "only a single pattern, without other properties, can be enforced");
  const [pattern, schema] = first!;
  const key = compiler.all([{ schema: { type: "string", pattern }, path: below(at, pattern) }]);
  const other = sequence(key, compiler.json.colon, compiler.all([{ schema, path: below(at, pattern) }]));
  return braced([], other, limitsOf(all, []), compiler);
}

interface Member {
  readonly expression: Expression;
  readonly required: boolean;
}

interface Limits {
  readonly nonEmpty: boolean;
  /** How many names that are not declared. */
  readonly mostOthers: number;
}

/** @throws invalid_value for counts that names might break: those of other properties can repeat. */
function limitsOf(all: readonly Located[], members: readonly Member[]): Limits {
  const min = tightest(all, "minProperties");
  const max = tightest(all, "maxProperties");
  const needed = members.filter(({ required }) => required).length;
  if (min && min.value > Math.max(1, needed)) throw refusal(min.path, "only 0, 1 or the number of required properties can be enforced");
  if (max && max.value < members.length) throw refusal(max.path, "it cannot be enforced when it is less than the number of properties");
  return {
    nonEmpty: (min?.value ?? 0) > needed,
    mostOthers: max ? max.value - members.length : Number.POSITIVE_INFINITY,
  };
}

/** `{…}`: each member may be the first one that is written, if all before it may be left out. */
function braced(members: readonly Member[], anyOther: Expression, { nonEmpty, mostOthers }: Limits, compiler: Compiler): Expression {
  const { comma } = compiler.json;
  if (members.filter(({ required }) => !required).length > MAX_OPTIONAL)
    throw refusal(compiler.path, `an object may have at most ${MAX_OPTIONAL} properties that are not required`);
  if (members.some(({ required, expression }) => required && isNever(expression))) return NEVER;
  const other = compiler.grammar.share(anyOther);
  const firstRequired = members.findIndex(({ required }) => required);
  const leading = firstRequired < 0 ? members.length : firstRequired;
  const others = repeat(sequence(comma, other), 0, mostOthers);
  const next = ({ required, expression }: Member) => (required ? sequence(comma, expression) : optional(sequence(comma, expression)));
  // Behind the first required member all is one sequence.
  let after = compiler.grammar.share(sequence(...members.slice(leading + 1).map(next), others));
  const starts: Expression[] = [];
  for (let i = Math.min(leading, members.length - 1); i >= 0; i--) {
    // It stands here and behind each member before it.
    const member = { ...members[i]!, expression: compiler.grammar.share(members[i]!.expression) };
    starts.unshift(sequence(member.expression, after));
    if (i > 0) after = compiler.grammar.share(sequence(next(member), after));
  }
  if (firstRequired < 0) {
    starts.push(mostOthers > 0 ? sequence(other, repeat(sequence(comma, other), 0, mostOthers - 1)) : NEVER);
    if (!nonEmpty) starts.push(EMPTY);
  }
  return sequence(text("{"), choice(...starts), text("}"));
}
