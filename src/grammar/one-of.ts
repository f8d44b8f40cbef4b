/**
 * `oneOf` asks for exactly one branch, a grammar gives at least one: so the branches must be such that no value fits two of them,
 * by type, by value, or by a property. Else the schema is refused. Called by compile.ts.
 */
import { type Located, listOf, type Type } from "./keywords.ts";
import { type Shape, type Subschema, shapeOf } from "./objects.ts";
import { flatten } from "./places.ts";
import { below, refusal } from "./refusal.ts";
import { typesAt } from "./types.ts";
import { canonical, hasType, valuesOf } from "./values.ts";

/** Comparisons look this deep into properties; discriminators stand at the top. */
const MAX_DEPTH = 3;
/** Every branch is compared with every other one. */
const MAX_BRANCHES = 200;

/** @throws invalid_value for branches that a value might satisfy both. */
export function refuseOverlaps(branches: readonly Subschema[], root: Subschema): void {
  const sides = branches.map((branch) => alternatives(branch, root));
  if (sides.flat().length > MAX_BRANCHES) throw refusal(branches[0]!.path, `oneOf must have at most ${MAX_BRANCHES} branches in all`);
  sides.forEach((a, i) => {
    const overlap = sides.findIndex((b, j) => j > i && !a.every((x) => b.every((y) => apart(x, y, 0))));
    if (overlap >= 0)
      throw refusal(
        branches[overlap]!.path,
        `a value may satisfy it and branch ${i} as well, which oneOf forbids; use anyOf, or tell them apart by a property with a const`,
      );
  });
}

/** What the branch can be: its own branches, one level deep. */
function alternatives(branch: Subschema, root: Subschema): Side[] {
  const { all, impossible } = flatten([branch], root);
  if (impossible) return [];
  const nested = all.find(({ keywords }) => keywords.anyOf ?? keywords.oneOf);
  if (!nested) return [new Side(all, root)];
  const keyword = nested.keywords.anyOf ? "anyOf" : "oneOf";
  return listOf(nested, keyword).flatMap((schema, i) => {
    const inner = flatten([{ schema, path: below(below(nested.path, keyword), i) }], root);
    return inner.impossible ? [] : [new Side([...all, ...inner.all], root)];
  });
}

/** What a place allows, worked out once for all comparisons. */
class Side {
  /** Listed values by their spelling; undefined when none are listed. */
  readonly values: ReadonlyMap<string, unknown> | undefined;
  /** An integer is a number, which the other side may be. */
  readonly kinds: readonly Type[];
  readonly patterned: boolean;
  readonly #all: readonly Located[];
  readonly #root: Subschema;
  readonly #properties = new Map<string, Side | undefined>();
  #shape: Shape | undefined;

  constructor(all: readonly Located[], root: Subschema) {
    this.#all = all;
    this.#root = root;
    const listed = all.some(({ keywords }) => keywords.enum !== undefined || "const" in keywords);
    this.values = listed ? new Map(valuesOf(all)!.map((value) => [canonical(value), value])) : undefined;
    const kinds = typesAt(all).map((type) => (type === "integer" ? "number" : type));
    this.kinds = all.some(({ keywords }) => keywords.nullable === true) ? [...kinds, "null"] : kinds;
    this.patterned = all.some(({ keywords }) => keywords.patternProperties !== undefined);
  }

  get shape(): Shape {
    this.#shape ??= shapeOf(this.#all);
    return this.#shape;
  }

  /** Undefined when nothing satisfies it. */
  property(name: string): Side | undefined {
    if (!this.#properties.has(name)) {
      const { all, impossible } = flatten(this.shape.properties.get(name)!, this.#root);
      this.#properties.set(name, impossible ? undefined : new Side(all, this.#root));
    }
    return this.#properties.get(name);
  }
}

/** Certainly no value satisfies both. */
function apart(a: Side, b: Side, depth: number): boolean {
  if (a.values && b.values) return ![...a.values.keys()].some((value) => b.values!.has(value));
  if (a.values) return ![...a.values.values()].some((value) => hasType(value, b.kinds));
  if (b.values) return apart(b, a, depth);
  const common = a.kinds.filter((type) => b.kinds.includes(type));
  return common.every((type) => type === "object" && depth < MAX_DEPTH && objectsApart(a, b, depth));
}

function objectsApart(a: Side, b: Side, depth: number): boolean {
  if (a.patterned || b.patterned) return false;
  if (missing(a.shape, b.shape) && missing(b.shape, a.shape)) return true;
  return [...a.shape.required].some((name) => {
    if (!b.shape.required.has(name)) return false;
    const [inA, inB] = [a.property(name), b.property(name)];
    return !inA || !inB || apart(inA, inB, depth + 1);
  });
}

/** What we write for `a` lacks a name that `b` demands, or has one that `b` forbids. */
function missing(a: Shape, b: Shape): boolean {
  const lacks = [...b.required].some((name) => !a.properties.has(name) && !a.others);
  return lacks || (b.closed && [...a.required].some((name) => !b.properties.has(name)));
}
