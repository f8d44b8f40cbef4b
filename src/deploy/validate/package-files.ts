/**
 * The files of the installed package, and how large npm would pack them. Called by package.ts. Reads the disk.
 * Rule (docs.npmjs.com/cli/configuring-npm/package-json#files): what `files` names, folders whole, and package.json, README and LICENSE.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

export interface PackageFile {
  /** Below the package's folder, with forward slashes. */
  readonly path: string;
  readonly content: Buffer;
}

const ALWAYS = /^(package\.json|readme(\..*)?|licen[cs]e(\..*)?)$/i;
const TAR_BLOCK = 512;

/** An installed package has nothing else; a checkout has. @throws when it cannot be read. */
export function packageFiles(folder: string): PackageFile[] {
  const { files = [] } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { files?: readonly string[] };
  const root = readdirSync(folder).filter((name) => ALWAYS.test(name));
  const paths = new Set([...root, ...files.flatMap((entry) => below(folder, entry))]);
  return [...paths].sort().map((path) => ({ path, content: readFileSync(join(folder, path)) }));
}

/** Bytes of the gzipped tar, as `npm pack` would write it but for times and owners. */
export async function packedBytes(files: readonly PackageFile[]): Promise<number> {
  const blocks = files.flatMap(({ path, content }) => [header(path, content.length), content, Buffer.alloc(padding(content.length))]);
  const packed = await promisify(gzip)(Buffer.concat([...blocks, Buffer.alloc(2 * TAR_BLOCK)]), { level: 9 });
  return packed.length;
}

function below(folder: string, entry: string): string[] {
  const stats = statSync(join(folder, entry), { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return stats?.isFile() ? [entry] : [];
  const inside = readdirSync(join(folder, entry), { recursive: true, encoding: "utf8" });
  return inside.map((name) => join(entry, name).replaceAll(sep, "/")).filter((path) => statSync(join(folder, path)).isFile());
}

/** POSIX.1 ustar, with what its size depends on: the name and the length. */
function header(path: string, size: number): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  block.write(`package/${path}`, 0, 100);
  block.write("000644 \x000000 \x000000 \0", 100);
  block.write(size.toString(8).padStart(11, "0"), 124);
  block.write("0\0ustar\u000000", 156);
  return block;
}

function padding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}
