/**
 * How Python prints a value in `{{ }}`: what templates that print a whole tool or list rely on. Called by jinja-gaps.ts.
 * Source: the reference of str() and repr() of Python 3.
 */
import type { Value } from "./jinja-engine.ts";

/** Nothing for none and undefined, as chat templates expect of the engine. */
export function pythonText(value: Value): string {
  switch (value.type) {
    case "NullValue":
    case "UndefinedValue":
      return "";
    case "BooleanValue":
    case "ArrayValue":
    case "TupleValue":
    case "ObjectValue":
      return repr(value);
    default:
      return value.toString();
  }
}

function repr(value: Value): string {
  switch (value.type) {
    case "StringValue":
      return quoted(String(value.value));
    case "NullValue":
      return "None";
    case "BooleanValue":
      return value.value ? "True" : "False";
    case "ArrayValue":
      return `[${(value.value as Value[]).map(repr).join(", ")}]`;
    case "TupleValue": {
      const items = (value.value as Value[]).map(repr);
      return `(${items.join(", ")}${items.length === 1 ? "," : ""})`;
    }
    case "ObjectValue": {
      const entries = [...(value.value as ReadonlyMap<string, Value>)];
      return `{${entries.map(([key, item]) => `${quoted(key)}: ${repr(item)}`).join(", ")}}`;
    }
    default:
      return value.toString();
  }
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Single quotes, unless the text holds one and no double quote. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\\p{Cc}'"]/gu, (char) => {
    if (char === "'" || char === '"') return char === quote ? `\\${char}` : char;
    return ESCAPES[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return quote + escaped + quote;
}
