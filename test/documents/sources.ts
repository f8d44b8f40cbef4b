/**
 * Every place that tells users what to type: documents of the repository, READMEs that `shimmy init` writes, examples of `--help`, and what
 * the findings of validate and doctor name. Folders are listed, so a new document is found by itself. Used by the suites of this folder.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { listTemplates } from "../../src/deploy/init/index.ts";
import { bareEnvironment, shimmy } from "../support/command.ts";
import { CLI } from "../support/server.ts";

export interface Source {
  /** A path in the repository, `init --template NAME`, or `--help`. */
  readonly name: string;
  /** Markdown. */
  readonly text: string;
  /** Where its commands are typed; absent: at the root of the repository. */
  readonly folder?: string;
}

/** Generated, or a record of what once was: nothing in it is there to be typed. */
const NO_DOCUMENTS = /^docs\/(t-cases\.md|measured\/)/;

export function documents(): Source[] {
  const folders = [".", "docs", "bench", "examples", ...readdirSync("models").map((name) => join("models", name))];
  const names = folders.flatMap((folder) =>
    (readdirSync(folder) as string[]).filter((name) => name.endsWith(".md")).map((name) => join(folder, name)),
  );
  return names.filter((name) => !NO_DOCUMENTS.test(name)).map((name) => ({ name, text: readFileSync(name, "utf8") }));
}

/** Written anew below `folder`. The specification of `--template integration` measures, so it takes seconds. */
export async function templates(folder: string): Promise<Source[]> {
  mkdirSync(folder, { recursive: true });
  const stated = [
    "--application",
    "shop",
    "--rps",
    "0.1",
    "--p95",
    "20s",
    "--prompt-tokens",
    "20",
    "--answer-tokens",
    "8",
    "--model",
    "shimmy-tiny",
  ];
  const all = await Promise.all(
    listTemplates().map(async ({ name }) => {
      const out = join(folder, name);
      const flags = name === "integration" ? stated : [];
      const { code, stderr } = await shimmy(["init", "--template", name, "--out", out, ...flags], { cwd: folder });
      if (code !== 0) throw new Error(`init --template ${name} ended with ${code}: ${stderr}`);
      return readdirSync(out)
        .filter((file) => file.endsWith(".md"))
        .map((file) => ({ name: `init --template ${name}`, text: readFileSync(join(out, file), "utf8"), folder: out }));
    }),
  );
  return all.flat();
}

/** What follows `$ ` in the help of each command, as a document with a block of shell. */
export function helpExamples(folder: string): Source {
  mkdirSync(folder, { recursive: true });
  const help = (...command: string[]) =>
    execFileSync(process.execPath, [CLI, ...command, "--help"], { cwd: folder, env: bareEnvironment(folder), encoding: "utf8" });
  const commandsOf = (text: string) =>
    [...(text.split("\nCommands:\n")[1] ?? "").matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name]) => name!);
  const lines: string[] = [];
  const visit = (command: readonly string[]) => {
    const text = help(...command);
    const shown = [...text.matchAll(/^ *\$ (.*)$/gm)].map(([, line]) => line!);
    const below = commandsOf(text).filter((name) => name !== "help");
    if (shown.length === 0 && below.length === 0) throw new Error(`shimmy ${command.join(" ")} --help shows no example`);
    lines.push(...shown);
    for (const name of below) visit([...command, name]);
  };
  visit([]);
  return { name: "--help", text: ["```sh", ...lines, "```"].join("\n") };
}

/** Commands that findings name, from the source: most need a machine that is broken in its own way. */
export function findings(): Source {
  const folders = ["src/deploy/doctor", "src/deploy/validate"];
  const files = [
    ...folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name))),
    "src/cli/validate.ts",
    "src/cli/doctor.ts",
  ];
  const lines = files
    .filter((file) => !file.endsWith(".test.ts"))
    .flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/\bcommand: ("[^"]+"|`)/g)].map(({ 1: found, index }) => ({ file, found: found!, index })),
    )
    .map(({ file, found, index }) => (found === "`" ? templateAt(readFileSync(file, "utf8"), index) : (JSON.parse(found) as string)));
  return { name: "findings", text: ["```sh", ...new Set(lines), "```"].join("\n") };
}

/** The template literal that begins after `index`, with PATH for each value in it. */
function templateAt(source: string, index: number): string {
  let text = "";
  let depth = 0;
  for (let at = source.indexOf("`", index) + 1; depth > 0 || source[at] !== "`"; at++) {
    if (source.startsWith("${", at) && depth++ === 0) text += "PATH";
    if (depth === 0) text += source[at];
    else if (source[at] === "}") depth--;
  }
  return text;
}
