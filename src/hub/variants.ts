/**
 * Which models a repository holds: its GGUF files, the parts of a split one together, each with the name of its quantisation.
 * Called by pull.ts. Pure. Projectors (mmproj), importance matrices and adapters are no models.
 */
import { shardNameOf } from "../models/shards.ts";

export interface HubFile {
  /** In the repository, with slashes. */
  readonly path: string;
  readonly size: number;
  /** Of the content, lower-case hex: the LFS oid. Absent for a small file that lies in git itself. */
  readonly sha256?: string;
  /** Git's own: SHA-1 of "blob SIZE\0" and the content. */
  readonly gitOid?: string;
}

export interface Variant {
  /** "Q4_K_M", "UD-Q4_K_XL"; the file's name where it tells none. */
  readonly label: string;
  /** The first stands for all. */
  readonly files: readonly [HubFile, ...HubFile[]];
  readonly bytes: number;
}

const NO_MODEL = /(?:^|[^a-z])(?:mmproj|imatrix|lora|adapter)(?:[^a-z]|$)/i;
const QUANTIZATION =
  /(?:^|[^a-z0-9])((?:ud[-_])?(?:iq\d[-_](?:xxs|xs|nl|s|m|l|xl)|q\d[-_]k(?:[-_](?:xxs|xs|s|m|l|xl|xxl))?|q\d[-_]\d(?:[-_]\d[-_]\d)?|tq\d[-_]0|mxfp4(?:[-_]moe)?|nvfp4|bf16|fp?16|fp?32))(?![a-z0-9])/gi;

/** Smallest first. Split models of which a part is missing are left out: they cannot be loaded. */
export function variantsOf(files: readonly HubFile[]): Variant[] {
  const groups = new Map<string, HubFile[]>();
  for (const file of files) {
    if (!/\.gguf$/i.test(file.path) || NO_MODEL.test(baseName(file.path))) continue;
    const key = shardNameOf(file.path)?.prefix ?? file.path;
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups.values()]
    .filter(isWhole)
    .map((group) => ({ label: labelOf(group[0].path), files: group, bytes: group.reduce((sum, { size }) => sum + size, 0) }))
    .sort((a, b) => a.bytes - b.bytes || depth(a) - depth(b) || compare(a.files[0].path, b.files[0].path));
}

/** Sorts the parts on the way. */
function isWhole(group: HubFile[]): group is [HubFile, ...HubFile[]] {
  group.sort((a, b) => compare(a.path, b.path));
  const shard = shardNameOf(group[0]?.path ?? "");
  if (!shard) return group.length === 1;
  return group.length === shard.count && group.every(({ path }, index) => shardNameOf(path)?.index === index + 1);
}

/** Quantisation by name or folder, else the file's name. */
export function labelOf(path: string): string {
  const [name = "", ...folders] = path.split("/").reverse();
  for (const text of [name.replace(/\.gguf$/i, ""), ...folders]) {
    // A name may tell two ("…-F16-…-Q4_K_M"): the last is what was made of the first.
    const found = [...text.matchAll(QUANTIZATION)].at(-1)?.[1];
    if (found) return spelled(found);
  }
  return baseName(path);
}

/** "ud-q4_k_xl" → "UD-Q4_K_XL", "fp16" → "F16". */
export function spelled(quantization: string): string {
  return quantization
    .toUpperCase()
    .replaceAll("-", "_")
    .replace(/^UD_/, "UD-")
    .replace(/^FP(?=\d)/, "F");
}

/** About how many bits of the file a weight takes. */
export function bitsPerWeight(label: string): number {
  const digits = Number(/(\d+)/.exec(label)?.[1] ?? 8);
  return digits >= 16 ? digits : digits + 0.6;
}

function baseName(path: string): string {
  return path.split("/").at(-1) ?? path;
}

function depth({ files }: Variant): number {
  return files[0].path.split("/").length;
}

/** By code units: the same on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
