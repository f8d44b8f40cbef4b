/** What the compiler of JSON Schemas says when it cannot promise what a schema asks. Used in this folder only. */
import { ShimmyError } from "../contract/errors.ts";

/** `path` names the keyword as it stands in the request, e.g. `response_format.json_schema.schema.properties.a.not`. */
export function refusal(path: string, reason: string): ShimmyError {
  return new ShimmyError("invalid_value", { param: path, reason });
}

/** The path of a member or an item. */
export function below(path: string, key: string | number): string {
  return typeof key === "number" ? `${path}[${key}]` : `${path}.${key}`;
}
