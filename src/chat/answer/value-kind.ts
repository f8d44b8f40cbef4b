/**
 * What a schema says about how an argument stands in formats that are no JSON: a string stands there raw, all else as JSON. The grammar of a
 * call and its reader must agree on it. Pure.
 */

/**
 * "string": any string, or one of a list; it stands raw. "quoted": a string with further rules (a pattern, a length), which only the grammar
 * of JSON strings can keep, so it stands as one. "other": not only strings. "unknown": the schema does not say.
 */
export type ValueKind = "string" | "quoted" | "other" | "unknown";

const FURTHER_RULES = ["pattern", "format", "minLength", "maxLength", "allOf", "anyOf", "oneOf", "not"];

const MOST_REFS = 16;

/** @param root the schema of the arguments, which references point into */
export function valueKind(schema: unknown, root: unknown, refs = 0): ValueKind {
  if (!isRecord(schema) || refs > MOST_REFS) return "unknown";
  const { type, enum: choices, const: only, $ref } = schema;
  if (typeof $ref === "string" && type === undefined) return valueKind(target($ref, root), root, refs + 1);
  const isString = type === "string" || (Array.isArray(type) && type.length === 1 && type[0] === "string");
  if (isString) return FURTHER_RULES.some((keyword) => schema[keyword] !== undefined) ? "quoted" : "string";
  if (type !== undefined) return "other";
  if (only !== undefined) return typeof only === "string" ? "string" : "other";
  if (Array.isArray(choices)) return choices.length > 0 && choices.every((choice) => typeof choice === "string") ? "string" : "other";
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (!Array.isArray(alternatives) || alternatives.length === 0) return "unknown";
  const kinds = alternatives.map((alternative) => valueKind(alternative, root, refs + 1));
  return kinds.every((kind) => kind === kinds[0]) ? kinds[0]! : "other";
}

/** The schema of each declared argument. */
export function propertiesOf(parameters: unknown): Readonly<Record<string, unknown>> {
  return isRecord(parameters) && isRecord(parameters.properties) ? parameters.properties : {};
}

function target(ref: string, root: unknown): unknown {
  if (!ref.startsWith("#/")) return ref === "#" ? root : undefined;
  let at: unknown = root;
  for (const step of ref.slice(2).split("/")) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    at = isRecord(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  }
  return at;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // That is the answer.
    return false;
  }
}
