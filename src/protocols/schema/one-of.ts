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
  const places = branches.map((branch) => alternatives(branch, root));
  if (places.flat().length > MAX_BRANCHES) throw refusal(branches[0]!.path, `oneOf must have at most ${MAX_BRANCHES} branches in all`);
  places.forEach((a, i) => {
    const overlap = places.findIndex((b, j) => j > i && !a.every((x) => b.every((y) => apart(x, y, root, 0))));
    if (overlap >= 0)
      throw refusal(
        branches[overlap]!.path,
        `a value may satisfy it and branch ${i} as well, which oneOf forbids; use anyOf, or tell them apart by a property with a const`,
      );
  });
}

/** What the branch can be: its own branches, one level deep. */
function alternatives(branch: Subschema, root: Subschema): ReadonlyArray<readonly Located[]> {
  const { all, impossible } = flatten([branch], root);
  if (impossible) return [];
  const nested = all.find(({ keywords }) => keywords.anyOf ?? keywords.oneOf);
  if (!nested) return [all];
  const keyword = nested.keywords.anyOf ? "anyOf" : "oneOf";
  return listOf(nested, keyword).flatMap((schema, i) => {
    const inner = flatten([{ schema, path: below(below(nested.path, keyword), i) }], root);
    return inner.impossible ? [] : [[...all, ...inner.all]];
  });
}

/** Certainly no value satisfies both. */
function apart(a: readonly Located[], b: readonly Located[], root: Subschema, depth: number): boolean {
  const [valuesA, valuesB] = [listed(a), listed(b)];
  if (valuesA && valuesB) {
    const inB = new Set(valuesB.map(canonical));
    return !valuesA.some((value) => inB.has(canonical(value)));
  }
  const [typesA, typesB] = [kindsOf(a), kindsOf(b)];
  if (valuesA) return !valuesA.some((value) => hasType(value, typesB));
  if (valuesB) return !valuesB.some((value) => hasType(value, typesA));
  const common = typesA.filter((type) => typesB.includes(type));
  return common.every((type) => type === "object" && depth < MAX_DEPTH && objectsApart(a, b, root, depth));
}

function listed(all: readonly Located[]): readonly unknown[] | undefined {
  return all.some(({ keywords }) => keywords.enum !== undefined || "const" in keywords) ? valuesOf(all) : undefined;
}

/** An integer is a number, which the other branch may be. */
function kindsOf(all: readonly Located[]): readonly Type[] {
  const types = typesAt(all).map((type) => (type === "integer" ? "number" : type));
  return all.some(({ keywords }) => keywords.nullable === true) ? [...types, "null"] : types;
}

function objectsApart(a: readonly Located[], b: readonly Located[], root: Subschema, depth: number): boolean {
  if ([...a, ...b].some(({ keywords }) => keywords.patternProperties !== undefined)) return false;
  const [shapeA, shapeB] = [shapeOf(a), shapeOf(b)];
  if (missing(shapeA, shapeB) && missing(shapeB, shapeA)) return true;
  return [...shapeA.required].some((name) => {
    if (!shapeB.required.has(name)) return false;
    const [inA, inB] = [shapeA, shapeB].map(({ properties }) => flatten(properties.get(name)!, root));
    return inA!.impossible || inB!.impossible || apart(inA!.all, inB!.all, root, depth + 1);
  });
}

/** What we write for `a` lacks a name that `b` demands, or has one that `b` forbids. */
function missing(a: Shape, b: Shape): boolean {
  const lacks = [...b.required].some((name) => !a.properties.has(name) && !a.others);
  return lacks || (b.closed && [...a.required].some((name) => !b.properties.has(name)));
}
