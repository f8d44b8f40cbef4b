/**
 * Types command lines into one shell, as a user would who follows a document: in their order, in a folder of their own, with a home folder
 * that is empty and the package installed globally. Used by commands.test.ts. It does not judge.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { bareEnvironment } from "../support/command.ts";

export interface Typed {
  readonly text: string;
  /** Value of SHIMMY_PORT for it. */
  readonly port: number;
}

export interface Told {
  /** undefined: the line ended the shell, or was never reached. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * What `npm install --global` would make of the package: the folder of its programs is the first of PATH.
 * npx builds a package that it finds as a folder (`prepare`), which would take dist/ away under the running tests: so none has such scripts.
 */
export function install(prefix: string): string {
  const inside = join(prefix, "lib/node_modules/shimmy");
  mkdirSync(inside, { recursive: true });
  mkdirSync(join(prefix, "bin"));
  copyLike(inside, ["dist", "models", "node_modules"]);
  symlinkSync("../lib/node_modules/shimmy/dist/cli.js", join(prefix, "bin/shimmy"));
  return prefix;
}

/** A folder that looks like the repository; what is written at its root stays in it. */
export function likeRepository(folder: string): string {
  const inside = mkdtempSync(join(folder, "repository-"));
  copyLike(inside, readdirSync("."));
  const body = { messages: [{ role: "user", content: "hello" }], max_tokens: 4 };
  const request = { custom_id: "1", method: "POST", url: "/v1/chat/completions", body };
  writeFileSync(join(inside, "requests.jsonl"), JSON.stringify(request));
  return inside;
}

function copyLike(inside: string, names: readonly string[]): void {
  for (const name of names.filter((each) => each !== ".git" && each !== "package.json")) symlinkSync(resolve(name), join(inside, name));
  const { scripts, ...rest } = JSON.parse(readFileSync("package.json", "utf8"));
  const { prepare: _prepare, ...kept } = scripts;
  writeFileSync(join(inside, "package.json"), JSON.stringify({ ...rest, scripts: kept }, null, 2));
}

/** Ends after `&` or without `--help`: a server, which does not end by itself. */
export function serves(text: string): boolean {
  return /\b(shimmy|cli\.js) serve\b|^npm start\b/.test(text) && !/--help/.test(text);
}

/** All lines of a source. What takes longer belongs on the list of exceptions, and is told as never reached. */
const LIMIT_MS = 75_000;

const READY = `ready() { for i in $(seq 100); do grep -qs 'http://' "$R/$1.out" && return 0; sleep 0.1; done; return 1; }`;

function script(lines: readonly Typed[]): string {
  const steps = lines.map(({ text, port }, index) => {
    const into = `>"$R/${index}.out" 2>"$R/${index}.err" </dev/null`;
    const behind = /(?<!&)&$/.test(text);
    const typed = serves(text) && !behind ? `${text} &` : text;
    const after = !serves(text) ? "" : behind ? `; ready ${index}` : `; P=$!; ready ${index} && kill -TERM $P; wait $P`;
    return `export SHIMMY_PORT=${port}\n{ ${typed}\n} ${into}${after}\necho $? >"$R/${index}.code"`;
  });
  return [READY, ...steps].join("\n");
}

export async function type(lines: readonly Typed[], cwd: string, prefix: string): Promise<Told[]> {
  const home = mkdtempSync(join(prefix, "home-"));
  const records = mkdtempSync(join(prefix, "told-"));
  writeFileSync(join(records, "script"), script(lines));
  const env = {
    ...bareEnvironment(home),
    ...{
      R: records,
      PATH: `${join(prefix, "bin")}:${process.env.PATH}`,
      npm_config_prefix: prefix,
      npm_config_update_notifier: "false",
      npm_config_ignore_scripts: "true",
    },
  };
  // A group of its own: what it leaves in the background ends with it.
  const shell = spawn("bash", [join(records, "script")], { cwd, env, stdio: "ignore", detached: true });
  const end = () => {
    try {
      process.kill(-shell.pid!, "SIGTERM");
    } catch {
      // Nothing is left of the group.
    }
  };
  const tooLong = setTimeout(end, LIMIT_MS);
  await new Promise((done) => shell.once("exit", done));
  clearTimeout(tooLong);
  end();
  const read = (index: number, what: string) => {
    const file = join(records, `${index}.${what}`);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  };
  return lines.map((_, index) => {
    const code = read(index, "code").trim();
    return { code: code === "" ? undefined : Number(code), stdout: read(index, "out"), stderr: read(index, "err") };
  });
}
