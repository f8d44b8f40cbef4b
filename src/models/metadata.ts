/** Typed reading of a GGUF header's metadata. Called by `acceptance.ts` and `describe.ts`. */
import type { GgufHeader } from "./gguf/header.ts";

export function stringOf(header: GgufHeader, key: string): string | undefined {
  const value = header.metadata.get(key);
  return typeof value === "string" ? value : undefined;
}

export function integerOf(header: GgufHeader, key: string): number | undefined {
  const value = header.metadata.get(key);
  return typeof value === "number" && Number.isInteger(value) ? value : undefined;
}

/** A number for each layer, from one for all or one for each, as libllama's get_key_or_arr takes it. */
export function layerValuesOf(header: GgufHeader, key: string, layers: number): readonly number[] | "absent" | "invalid" {
  const value = header.metadata.get(key);
  if (value === undefined) return "absent";
  if (typeof value === "number" && Number.isInteger(value)) return new Array<number>(layers).fill(value);
  if (typeof value !== "object" || value.kind !== "array" || value.count !== layers || !value.values) return "invalid";
  const numbers = value.values.filter((element) => typeof element === "number" && Number.isInteger(element)) as number[];
  return numbers.length === layers ? numbers : "invalid";
}
