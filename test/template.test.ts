/**
 * docs/integration-template.md is the contract with those who integrate Shimmy: its blocks are taken out of the file and run as they
 * stand, with bash, curl and jq, a `shimmy` on PATH and the port they name. On Linux, where the suite can see a process's children.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { bareEnvironment, shimmy, temporaryFolder } from "./support/command.ts";
import { CLI, post, startServer, type TestServer, TINY, until } from "./support/server.ts";

const PORT = 11435;
const URL_OF_TEMPLATE = `http://127.0.0.1:${PORT}`;
const ORIGINAL = "../shared/reference/integration-template.md";
const text = readFileSync("docs/integration-template.md", "utf8");

function blocks(language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```/gms)].filter(([, name]) => name === language).map(([, , block]) => block!);
}

/** The one block with these words. */
function block(language: string, words: string): string {
  const found = blocks(language).filter((candidate) => candidate.includes(words));
  expect(found).toHaveLength(1);
  return found[0]!;
}

const cwd = temporaryFolder();
mkdirSync(join(cwd, "bin"));
mkdirSync(join(cwd, "models"));
copyFileSync(TINY, join(cwd, "models", "model-pattern.gguf"));
writeFileSync(join(cwd, "bin", "shimmy"), `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`);
chmodSync(join(cwd, "bin", "shimmy"), 0o755);
// Its home is elsewhere: ~/models is searched too.
const environment = { ...bareEnvironment(temporaryFolder()), PATH: `${join(cwd, "bin")}${delimiter}${process.env.PATH}` };

interface Run {
  readonly child: ChildProcess;
  output(): string;
  /** Of bash; what it left in the background runs on until the test ends. */
  readonly exited: Promise<number | null>;
}

let runs = 0;

/** Runs a block as it stands, any failing line fails it (-e), in a process group that ends with the test. */
function runBlock(script: string, env: Record<string, string> = {}): Run {
  const base = join(cwd, `block-${++runs}`);
  writeFileSync(`${base}.sh`, script);
  // A file, not a pipe: a server in the background would keep a pipe open.
  const log = openSync(`${base}.log`, "w");
  const child = spawn("bash", ["-e", `${base}.sh`], { cwd, env: { ...environment, ...env }, stdio: ["ignore", log, log], detached: true });
  closeSync(log);
  onTestFinished(() => endGroup(child.pid!));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { child, exited, output: () => readFileSync(`${base}.log`, "utf8") };
}

/** The group is ours: bash was started as its leader. */
async function endGroup(pid: number): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    try {
      process.kill(-pid, signal);
    } catch {
      return; // nobody is left in it
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

async function portTaken(): Promise<boolean> {
  const probe = createServer();
  const free = await new Promise<boolean>((resolve) => {
    probe.once("error", () => resolve(false));
    probe.listen(PORT, "127.0.0.1", () => resolve(true));
  });
  await new Promise((resolve) => (free ? probe.close(resolve) : resolve(undefined)));
  return !free;
}

function missingTool(): string | undefined {
  return ["bash", "curl", "jq", "ps"].find((tool) => {
    try {
      execFileSync("sh", ["-c", `command -v ${tool}`]);
      return false;
    } catch {
      return true;
    }
  });
}

async function modelIds(url: string): Promise<string[]> {
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: Array<{ id: string }> };
  return data.map(({ id }) => id);
}

const tool = missingTool();
const reason = tool
  ? `${tool} is not installed`
  : process.platform !== "linux"
    ? "it reads /proc"
    : (await portTaken())
      ? `port ${PORT} is taken by another program`
      : undefined;

test.skipIf(!existsSync(ORIGINAL))("the copy in docs/ is the template, byte for byte (skipped without ../shared)", () => {
  expect(text).toBe(readFileSync(ORIGINAL, "utf8"));
});

test("every bash block of the template has its test here", () => {
  expect(blocks("bash")).toHaveLength(6);
});

describe.skipIf(reason)(`against a running server${reason ? ` (skipped: ${reason})` : ""}`, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ cwd, args: ["--bind", `127.0.0.1:${PORT}`] });
  });
  afterAll(() => server.stop());

  test("Standard OpenAI API Usage: lists the models and answers", async () => {
    const { exited, output } = runBlock(block("bash", "# Generate completion"));
    expect(await exited).toBe(0);
    expect(output()).toContain('"object":"list"');
    expect(output()).toContain('"id":"model-pattern"');
    expect(output()).toMatch(/"object":"chat\.completion"/);
    expect(output()).toMatch(/"role":"assistant","content":"[^"]+/);
  });

  test("CLI Integration: finds the model, starts a server and ends it", async () => {
    const { child, exited, output } = runBlock(block("bash", "# List models programmatically"));
    expect(await exited).toBe(0);
    expect(output().split("\n")[0]).toBe("model-pattern");
    // The block's own `kill` ended what it had started.
    await until(() => !existsSync(`/proc/${child.pid}`) && groupIsEmpty(child.pid!));
  });

  test("Integration Tests: health, models and a generation by a model that is not there", async () => {
    const { exited, output } = runBlock(block("bash", "# Basic connectivity test"));
    expect(await exited).toBe(0);
    expect(output()).toContain('"status":"ok"');
    expect(output()).toMatch(/"[^"\n]*\w[^"\n]*"\n$/); // jq prints the content, a string with words
  });

  test("Performance Validation: ready in less than two seconds, and ps sees the server of $SHIMMY_PID", async () => {
    const startedAt = performance.now();
    const { exited, output } = runBlock(block("bash", "# Startup time test"), { SHIMMY_PID: String(server.pid) });
    await until(() => / is ready on http:\/\/127\.0\.0\.1:\d+/.test(output()));
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(await exited).toBe(0);
    const [, vsz, rss] = new RegExp(`^ *${server.pid} +(\\d+) +(\\d+)$`, "m").exec(output())!;
    expect(Number(vsz)).toBeGreaterThan(Number(rss));
    expect(Number(rss)).toBeLessThan(200_000); // kilobytes; the idle memory is measured by the bench
    const url = / is ready on (\S+)/.exec(output())![1]!;
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  test("Port Conflicts: a second server without a port takes the next free one and says which", async () => {
    const { output } = runBlock("exec shimmy serve --json");
    await until(() => output().includes("\n"));
    const { port, url } = JSON.parse(output().split("\n")[0]!);
    expect(port).toBeGreaterThan(PORT);
    expect(port).toBeLessThan(PORT + 100);
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ service: "shimmy" });
  });
});

describe.skipIf(reason)(`a server that the template starts${reason ? ` (skipped: ${reason})` : ""}`, () => {
  test("Graceful Degradation: serves without a GPU, falls back from model to model, ends with exit code 0", async () => {
    const { child, exited, output } = runBlock(block("bash", "# Fallback to CPU if GPU fails"));
    await until(() => output().includes(`is ready on ${URL_OF_TEMPLATE}`));
    const answeredBy = async (model: string) => {
      const messages = [{ role: "user", content: "Hello!" }];
      const response = await post({ url: URL_OF_TEMPLATE } as TestServer, "/v1/chat/completions", { model, messages, max_tokens: 4 });
      expect(response.status).toBe(200);
      return [((await response.json()) as { model: string }).model, response.headers.get("x-shimmy-model-fallback")];
    };
    expect(await answeredBy("shimmy-tiny")).toEqual(["shimmy-tiny", null]); // 1. the requested model
    expect(await answeredBy("shimmy-huge-70b")).toEqual(["model-pattern", "shimmy-huge-70b -> model-pattern; step=family"]); // 2. its family
    expect(await answeredBy("test-model")).toEqual(["model-pattern", "test-model -> model-pattern; step=default"]); // 3. the default
    const [pid] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ").map(Number);
    process.kill(pid!, "SIGTERM");
    expect(await exited).toBe(0);
  });

  test("Graceful Degradation, step 4: with no model that may answer, an error with the alternatives", async () => {
    const { code, stderr } = await shimmy(["generate", "test-model", "--prompt", "test", "--strict-models"], { cwd });
    expect([code, stderr]).toEqual([1, expect.stringContaining("Available models: model-pattern, shimmy-tiny")]);
  });

  test("Environment Variables: the block sets the port, the folders and the log level", async () => {
    const assignments = block("bash", "SHIMMY_LOG_LEVEL");
    expect(await runBlock(assignments).exited).toBe(0);
    const { output } = runBlock(`set -a\n${assignments}\nshimmy config --json\nexec shimmy serve --json`);
    await until(() => output().includes('"event":"ready"'));
    const ready = output().lastIndexOf("{", output().indexOf('"event":"ready"'));
    expect(JSON.parse(output().slice(ready).split("\n")[0]!)).toMatchObject({ event: "ready", port: PORT });
    const { settings } = JSON.parse(output().slice(0, ready)) as { settings: Array<Record<string, string>> };
    const set = settings.filter(({ source }) => source?.startsWith("SHIMMY_"));
    expect(set).toEqual([
      { key: "port", value: String(PORT), source: "SHIMMY_PORT" },
      { key: "modelDirs", value: "/path/to/models", source: "SHIMMY_MODEL_DIRS" },
      { key: "logLevel", value: "info", source: "SHIMMY_LOG_LEVEL" },
    ]);
  });

  test("Configuration Template: the block is a shimmy.yaml as it stands, the alerts too", async () => {
    const folder = join(cwd, "configured");
    mkdirSync(join(folder, "path/to/your/models"), { recursive: true });
    copyFileSync(TINY, join(folder, "path/to/your/models", "mine.gguf"));
    writeFileSync(join(folder, "shimmy.yaml"), blocks("yaml").join("\n"));
    expect(blocks("yaml")).toHaveLength(2);
    const { output } = runBlock("cd configured\nexec shimmy serve");
    await until(() => output().includes(`is ready on ${URL_OF_TEMPLATE}`));
    expect(await modelIds(URL_OF_TEMPLATE)).toEqual(["mine", "shimmy-tiny"]);
  });
});

test("SHIMMY_MODEL_DIRS adds models, SHIMMY_PORT is the port, SHIMMY_LOG_LEVEL the least level that is logged", async () => {
  const folder = join(cwd, "models");
  const [quiet, loud] = await Promise.all(
    ["error", "info"].map(async (level) => {
      const { output } = runBlock("cd /\nexec shimmy serve --json", {
        SHIMMY_PORT: "0",
        SHIMMY_MODEL_DIRS: folder,
        SHIMMY_LOG_LEVEL: level,
      });
      await until(() => output().includes("\n"));
      const { url } = JSON.parse(output().split("\n")[0]!);
      expect(await modelIds(url)).toEqual(["model-pattern", "shimmy-tiny"]);
      return output();
    }),
  );
  expect(quiet).not.toContain("/v1/models");
  expect(loud).toContain("/v1/models"); // one line for the request
});

const notLinux = process.platform === "linux" ? undefined : "it reads /proc";

/** Kilobytes, as `ps -o vsz` tells them. */
function vsz(pid: number): number {
  return Number(execFileSync("ps", ["-o", "vsz=", "-p", String(pid)], { encoding: "utf8" }));
}

test.skipIf(tool ?? notLinux)("VSZ: not far above a bare server of Node, and what WebAssembly reserves can be left out", async () => {
  const bare = spawn(process.execPath, [join(CLI, "../bare-server.js")], { stdio: ["ignore", "pipe", "ignore"] });
  const servers = await Promise.all([{}, { NODE_OPTIONS: "--disable-wasm-trap-handler" }].map((env) => startServer({ env })));
  onTestFinished(async () => {
    bare.kill();
    await Promise.all(servers.map((server) => server.stop()));
  });
  await new Promise((resolve) => bare.stdout.once("data", resolve));
  for (const { pid } of servers) expect(vsz(pid) - vsz(bare.pid!)).toBeLessThan(500_000);
  for (const server of servers) expect((await fetch(`${server.url}/v1/models`)).status).toBe(200);
  const [reserving, sparing] = servers.map(({ pid }) => vsz(pid) - vsz(bare.pid!));
  // From Node 24 on the server reserves nothing for its answers.
  if (Number.parseInt(process.versions.node, 10) < 24) expect(reserving).toBeGreaterThan(9_000_000);
  else expect(reserving).toBeLessThan(500_000);
  expect(sparing).toBeLessThan(5_500_000);
});

test.skipIf(notLinux)("Firewall Rules: server and engines listen on the one port, and on no other", async () => {
  const server = await startServer();
  onTestFinished(async () => void (await server.stop()));
  await post(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Once", max_tokens: 1 });
  const pids = [server.pid, ...(await server.engines())];
  expect(pids).toHaveLength(2);
  const mine = new Set(pids.flatMap(socketsOf));
  const listening = ["tcp", "tcp6", "udp", "udp6"].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => (state === "0A" || table.startsWith("udp")) && mine.has(inode!))
      .map(([, local]) => Number.parseInt(local!.split(":").at(-1)!, 16)),
  );
  expect(listening).toEqual([server.port]);
});

/** Inodes of its sockets. */
function socketsOf(pid: number): string[] {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

/** Zombies that nobody has waited for yet do not count. */
function groupIsEmpty(group: number): boolean {
  const lines = execFileSync("ps", ["-eo", "pgid=,stat="], { encoding: "utf8" }).split("\n");
  return !lines.some((line) => {
    const [pgid, state] = line.trim().split(/\s+/);
    return Number(pgid) === group && !state?.startsWith("Z");
  });
}
