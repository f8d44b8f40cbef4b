/** Copies of the built package that are broken on purpose, and processes that are. Used by validate-mutations.test.ts. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

export interface Breaks {
  /** Code that runs first, by the words that were typed ("serve", "list"). */
  readonly before?: Readonly<Record<string, string>>;
  /** Files of `dist/`, by name. */
  readonly files?: Readonly<Record<string, Buffer | string>>;
  /** Scopes of packages that are not there. */
  readonly without?: readonly string[];
}

/** As npm lays it out, its dependencies linked. @returns its command line */
export function brokenPackage(folder: string, { before = {}, files = {}, without = [] }: Breaks): string {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  for (const path of ["dist", "package.json", "README.md", "LICENSE", "CHANGELOG.md", "models/shimmy-tiny"])
    cpSync(path, join(folder, path), { recursive: true });
  for (const name of readdirSync("node_modules").filter((name) => !without.includes(name)))
    symlinkSync(resolve("node_modules", name), join(folder, "node_modules", name));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, "dist", name), content);
  const cli = join(folder, "dist/cli.js");
  const [first, ...rest] = readFileSync(cli, "utf8").split("\n");
  const code = Object.entries(before).map(([word, statements]) => `if (process.argv[2] === ${JSON.stringify(word)}) { ${statements} }`);
  writeFileSync(cli, [first, ...code, ...rest].join("\n"));
  return cli;
}

/** NODE_OPTIONS that run this module first, in the gateway and in its engines. */
export function nodeWith(folder: string, name: string, code: string): Readonly<Record<string, string>> {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, code);
  return { NODE_OPTIONS: `--import=${path}` };
}
