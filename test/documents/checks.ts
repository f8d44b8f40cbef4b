/**
 * What can be said of a command line that cannot be run here: each check fails by throwing a sentence. Used by exceptions.ts.
 */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { bareEnvironment } from "../support/command.ts";
import { CLI } from "../support/server.ts";
import type { Line } from "./lines.ts";

/** @throws Error saying what is wrong with the line */
export type Check = (line: Line) => void | Promise<void>;

export function require(condition: boolean, complaint: string): asserts condition {
  if (!condition) throw new Error(complaint);
}

const helps = new Map<string, Promise<string>>();
const home = join("/", "nonexistent");

/** The help of a command of the built command line. */
export function helpOf(command: readonly string[]): Promise<string> {
  const key = command.join(" ");
  const asked =
    helps.get(key) ??
    promisify(execFile)(process.execPath, [CLI, ...command, "--help"], { env: bareEnvironment(home) }).then(
      ({ stdout }) => stdout,
      (error: Error & { stderr?: string }) => Promise.reject(new Error(`shimmy ${key}: ${error.stderr || error.message}`)),
    );
  helps.set(key, asked);
  return asked;
}

/** The words of a command of shimmy in a line; undefined if there is none. */
export function shimmyWords(text: string): string[] | undefined {
  const [, after] = /(?:^|[ |&(])(?:shimmy|node dist\/cli\.js)((?: [^|&;>]|(?<=\w)[|](?=\w)|[^|&;>])*)/.exec(text) ?? [];
  return after?.trim().split(/\s+/).filter(Boolean);
}

/** Its command is one, and its help lists each flag and each of the alternatives `a|b`. */
export const usage: Check = async ({ text }) => {
  const words = shimmyWords(text);
  require(words !== undefined, "it names no command of shimmy");
  const [first, second] = words as [string?, string?];
  if (first === undefined || first.startsWith("-")) return listed(await helpOf([]), words);
  const below = first === "engine" && second !== undefined && /^[a-z]+$/.test(second);
  const help = await helpOf(below ? [first, second] : [first]);
  require(help.startsWith(`Usage: shimmy ${first}`), `there is no command '${first}'`);
  listed(help, words.slice(1));
};

function listed(help: string, words: readonly string[]): void {
  for (const word of words) {
    const flag = /^--?[a-z][\w-]*/.exec(word)?.[0];
    if (flag) require(new RegExp(`(^|[\\s,])${flag}(?![\\w-])`, "m").test(help), `its help does not list ${flag}`);
    else if (/^[a-z]+(\|[a-z]+)+$/.test(word))
      for (const choice of word.split("|")) require(help.includes(`"${choice}"`), `its help does not list '${choice}'`);
  }
}

const { scripts, dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));

/** Its scripts are in package.json, and each flag before a second `--` is a word of the program's source. */
export const script: Check = ({ text }) => {
  const found = [...text.matchAll(/npm (?:run (?:--silent )?([\w:]+)|(test|start))/g)];
  require(found.length > 0, "it names no script");
  for (const [, run, short] of found) require(scripts[run ?? short!] !== undefined, `package.json has no script '${run ?? short}'`);
  const flags = [...(text.split(" -- ")[1] ?? "").matchAll(/(?<=^|\s)--([a-z][\w-]*)/g)].map(([, flag]) => flag!);
  const name = found.at(-1)![1] ?? "";
  const source = flags.length > 0 ? sourceOf(name) : "";
  for (const flag of flags) require(new RegExp(`\\b${flag}\\b`).test(source), `bench/ knows no flag --${flag}`);
};

/** The program that a script of bench/ starts, with what lies beside it in a folder of its own. */
function sourceOf(name: string): string {
  const command: string = scripts[name];
  const file = /(bench\/\S+\.(?:ts|mjs))/.exec(command)?.[1] ?? `bench/${/([\w-]+)\.js$/.exec(command)?.[1]}.ts`;
  const folder = dirname(file);
  const files = folder === "bench" ? [file, "bench/options.ts"] : readdirSync(folder).map((each) => join(folder, each));
  return files.map((each) => (statSync(each).isFile() ? readFileSync(each, "utf8") : "")).join("\n");
}

/** These files are what the template wrote; of a document, in the repository. */
export function wrote(...names: readonly string[]): Check {
  return ({ source }) => {
    for (const name of names) require(existsSync(join(source.folder ?? ".", name)), `there is no ${name}`);
  };
}

/** These files are in the repository. */
export function repository(...names: readonly string[]): Check {
  return () => {
    for (const name of names) require(existsSync(name), `there is no ${name}`);
  };
}

/** The shell can read it, though it does not run it. */
export const parses: Check = async ({ text }) => {
  await promisify(execFile)("bash", ["-n", "-c", text]);
};

/** The package of Debian is one that docs/gpu.md names. */
export const documented: Check = ({ text }) => {
  const name = text.split(" ").at(-1)!;
  require(readFileSync("docs/gpu.md", "utf8").includes(`\`${name}\``), `docs/gpu.md does not name ${name}`);
};

/** The package is one that this project is tested with. */
export const ourPackage: Check = ({ text }) => {
  const [, name] = /install ([@\w/-]+)$/.exec(text) ?? [];
  require(name !== undefined && (name in dependencies || name in devDependencies), `${name} is not a package of this project`);
};

/** A script of Python that exists, and each flag is one of its arguments. */
export const python: Check = ({ text, source }) => {
  const [, file] = /([\w-]+\.py)/.exec(text) ?? [];
  const path = join(source.folder ?? dirname(source.name), file ?? "");
  require(file !== undefined && existsSync(path), `there is no ${file}`);
  const program = readFileSync(path, "utf8");
  for (const [, flag] of text.matchAll(/(--[a-z][\w-]*)/g)) require(program.includes(`"${flag}"`), `${file} knows no ${flag}`);
};

const pins: string = readFileSync("src/hardware/packages.ts", "utf8") + readFileSync("package.json", "utf8");

/** A version or a package that the line names is one that this repository names too. */
export const pinned: Check = ({ text }) => {
  for (const [, version] of text.matchAll(/@(\d+\.\d+\.\d+)|-(?=\d+\.\d+\.\d+\.tgz)/g))
    if (version) require(pins.includes(version), `${version} is not the version of this repository`);
  for (const [name] of text.matchAll(/(?<=@node-llama-cpp\/)[\w-]+/g))
    require(pins.includes(name), `${name} is not a package that is used here`);
};

/** It has this form still. */
export function one(form: RegExp): Check {
  return ({ text }) => require(form.test(text), `it is not of the form ${form}`);
}
