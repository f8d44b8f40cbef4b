/** The kind of the setting `lora`: LoRA files, each with an optional factor. Used by the table only; see kinds.ts. */
import { absolute, type Kind, type PathBase, pieces, refuse } from "./kinds.ts";

export interface AdapterSetting {
  /** Absolute. */
  readonly path: string;
  readonly scale: number;
}

const MAX_SCALE = 1000;
const ALLOWED = `FILE or FILE=SCALE with a scale from -${MAX_SCALE} to ${MAX_SCALE}, several separated by ';'`;

/** `FILE`, `FILE=0.5`. Several are separated by ';' on every system, because a file's name may hold every other separator. */
export const adapterFiles: Kind<readonly AdapterSetting[]> = {
  type: "list",
  placeholder: "<file[=scale]>",
  allowed: ALLOWED,
  list: { split, read },
  parse: (raw, base) => read(split(raw), base),
  format: (value) => value.map(printed).join(";"),
};

function split(raw: string): string[] {
  return pieces(raw, ";");
}

function read(items: readonly string[], base: PathBase): readonly AdapterSetting[] {
  return Object.freeze(items.map((item) => adapter(item, base)));
}

function adapter(item: string, base: PathBase): AdapterSetting {
  const [, file = item, scale = "1"] = /^(.*)=(-?\d+(?:\.\d+)?)$/.exec(item) ?? [];
  if (file === "" || file.includes(";") || file.includes("\0") || Math.abs(Number(scale)) > MAX_SCALE) return refuse(ALLOWED);
  return Object.freeze({ path: absolute(file, base), scale: Number(scale) });
}

function printed({ path, scale }: AdapterSetting): string {
  // What ends like a scale is told apart from one.
  return scale === 1 && !/=-?\d+(?:\.\d+)?$/.test(path) ? path : `${path}=${scale}`;
}
