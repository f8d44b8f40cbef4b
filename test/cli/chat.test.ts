/**
 * `shimmy run` as a chat, on a pseudo-terminal that `script` (util-linux) opens. The chat template of these tests tells what it
 * was given: a message "show" makes it fail with the history as its reason. Otherwise it sets off an answer that goes on and on.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { bareEnvironment, temporaryFolder } from "../support/command.ts";
import { CLI, until } from "../support/server.ts";

const cwd = temporaryFolder();
const template = join(cwd, "telling.jinja");
writeFileSync(
  template,
  `{%- if messages[-1].content == "show" -%}
{%- set ns = namespace(text="") -%}
{%- for m in messages -%}{%- set ns.text = ns.text + m.role + "=" + m.content + "|" -%}{%- endfor -%}
{{- raise_exception("HISTORY " + ns.text + " END") -}}
{%- endif -%}
{%- for m in messages -%}{{- m.content + " " -}}{%- endfor -%}
${"1 2 3 ".repeat(40)}`,
);

const missing = ((): string | false => {
  try {
    return execFileSync("script", ["--version"], { encoding: "utf8" }).includes("util-linux") ? false : "this `script` is not util-linux's";
  } catch {
    return "`script` of util-linux is not installed";
  }
})();

class Terminal {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  text = "";

  constructor(args: readonly string[]) {
    const command = [process.execPath, CLI, "run", ...args].map((word) => `'${word}'`).join(" ");
    // The exit code is the command's.
    this.child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { cwd, env: bareEnvironment(cwd) });
    this.child.stdout!.setEncoding("utf8").on("data", (chunk) => {
      this.text += chunk;
    });
    this.ended = new Promise((resolve) => this.child.once("close", resolve));
    onTestFinished(() => void this.child.kill("SIGKILL"));
  }

  type(keys: string): void {
    this.child.stdin!.write(keys);
  }

  /** Waits until the terminal shows it, after what was waited for before. @returns what came before it. */
  async shows(what: string | RegExp): Promise<string> {
    const found = () => (typeof what === "string" ? this.text.indexOf(what) : this.text.search(what));
    await until(() => found() >= 0);
    const at = found();
    const before = this.text.slice(0, at);
    const length = typeof what === "string" ? what.length : what.exec(this.text)![0].length;
    this.text = this.text.slice(at + length);
    return before;
  }

  /** The messages that the template gets at this point, "show" left out. */
  async history(): Promise<string> {
    this.type("show\r");
    await this.shows("HISTORY ");
    const told = await this.shows(" END");
    await this.shows("> ");
    return told.replace(/user=show\|$/, "");
  }
}

/** The answer must still run when the key arrives: a context that takes many seconds to fill, and no guesses that fill it faster. */
const ENDLESS = ["--ctx", "32768", "--speculation", "off"];
const CTRL_C = "\x03";
const CTRL_D = "\x04";

describe.skipIf(missing)(`a chat on a terminal${missing ? ` (skipped: ${missing})` : ""}`, () => {
  test("answers turn by turn and ends with Ctrl-D and exit code 0", async () => {
    const terminal = new Terminal([]);
    await terminal.shows("Ctrl-C stops an answer, Ctrl-D ends.");
    await terminal.shows("> ");
    terminal.type("What is the capital of France?\r");
    await terminal.shows("The capital of France is Paris.");
    await terminal.shows("> ");
    terminal.type(CTRL_D);
    expect(await terminal.ended).toBe(0);
  });

  test("keeps the history, the system message first, and forgets a turn that failed", async () => {
    const terminal = new Terminal(["--system", "Be brief", "--chat-template-file", template, "--max-tokens", "3"]);
    await terminal.shows("> ");
    terminal.type("first\r");
    await terminal.shows("> ");
    terminal.type("second\r");
    await terminal.shows("> ");
    // The template refused these messages, so the last try had the system message within the first turn.
    const kept = /^user=Be brief\s+first\|assistant=.+\|user=second\|assistant=.+\|$/s;
    expect(await terminal.history()).toMatch(kept);
    expect(await terminal.history()).toMatch(kept);
    terminal.type(CTRL_D);
    expect(await terminal.ended).toBe(0);
  });

  test("Ctrl-C stops the answer, not the program; what was shown stays in the history", async () => {
    const terminal = new Terminal(["--chat-template-file", template, ...ENDLESS]);
    await terminal.shows("> ");
    terminal.type("go on for ever\r");
    await terminal.shows("for ever");
    await terminal.shows(/[12]/);
    terminal.type(CTRL_C);
    await terminal.shows("> ");
    expect(await terminal.history()).toMatch(/^user=go on for ever\|assistant=.+\|$/s);
    terminal.type(CTRL_D);
    expect(await terminal.ended).toBe(0);
  });

  test("Ctrl-C with no answer running ends it", async () => {
    const terminal = new Terminal([]);
    await terminal.shows("> ");
    terminal.type(CTRL_C);
    expect(await terminal.ended).toBe(0);
  });

  test("Ctrl-D while an answer runs ends both", async () => {
    const terminal = new Terminal(["--chat-template-file", template, ...ENDLESS]);
    await terminal.shows("> ");
    terminal.type("go on for ever\r");
    await terminal.shows("for ever");
    await terminal.shows(/[12]/);
    terminal.type(CTRL_D);
    expect(await terminal.ended).toBe(0);
  });
});
