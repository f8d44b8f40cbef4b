/**
 * Each measured check of `shimmy validate` is broken on this machine, really: a padded package, a start that is held up, an engine that is
 * slow, a process that takes too much. It must be red, with the right words, and nothing else may be.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism, networkInterfaces } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parentOf, processTree } from "../../src/deploy/processes.ts";
import { bareEnvironment, finished, temporaryFolder } from "../support/command.ts";
import { CLI, post, startServer, until } from "../support/server.ts";
import { brokenPackage, nodeWith } from "./broken-package.ts";
import { missing } from "./made.ts";

interface Wire {
  readonly name: string;
  readonly verdict: string;
  readonly measured: string;
  readonly limit: string | null;
  readonly command: string | null;
}

const folder = temporaryFolder();
const OPTIONS = { timeout: 60_000 };
/** What a machine that is busy may break by itself. */
const BUSY: ReadonlySet<string> = new Set(["start-up time", "base memory", "time to first token", "total latency", "memory in use"]);

/** @param meanwhile gets the process of the command. */
async function validate(args: readonly string[], cli = CLI, meanwhile: (pid: number) => Promise<void> | void = () => undefined) {
  const child = spawn(process.execPath, [cli, "validate", "--json", ...args], {
    cwd: folder,
    env: { ...bareEnvironment(folder), SHIMMY_MODEL_STORES: "off" },
  });
  const [{ code, stdout, stderr }] = await Promise.all([finished(child), meanwhile(child.pid!)]);
  expect(stderr).toBe("");
  const { checks } = JSON.parse(stdout) as { checks: Wire[] };
  const told = (verdict: string) => checks.filter((check) => check.verdict === verdict);
  /** Verdict and words of one that was broken. */
  const of = (name: string) => {
    const { verdict, measured } = checks.find((check) => check.name === name)!;
    return `${verdict}: ${measured}`;
  };
  return { code, checks, told, of };
}

/** Those that failed though nobody broke them. */
function others(failed: readonly Wire[], broken: readonly string[]): string[] {
  return failed.map(({ name }) => name).filter((name) => !broken.includes(name) && !BUSY.has(name));
}

const noPython = missing("python3");

test(`package size, no Python (a file), CLI access: a package that is padded, holds a script and lacks a command`, OPTIONS, async () => {
  const cli = brokenPackage(join(folder, "padded"), {
    before: { list: 'process.stderr.write("error: unknown command list\\n"); process.exit(2);' },
    // Random bytes, which gzip cannot shrink.
    files: { "padding.bin": randomBytes(5e6), "helper.py": "print(1)\n" },
  });
  const { code, told, of } = await validate([], cli);
  expect(code).toBe(1);
  expect(of("package size")).toMatch(/^fail: \d\.\d MB \(gzipped tar of the files that npm packs\)$/);
  expect(of("no Python")).toBe("fail: dist/helper.py in the package");
  expect(of("CLI access")).toBe("fail: error: unknown command list");
  expect(others(told("fail"), ["package size", "no Python", "CLI access"])).toEqual([]);
});

test.runIf(process.platform === "linux")(
  `start-up time, base memory, no Python (a process): a start that is stopped for 2 s, 20 MB of ballast, a Python below the server`,
  OPTIONS,
  async () => {
    const python = noPython
      ? ""
      : 'import("node:child_process").then(({ spawn }) => spawn("python3", ["-c", "import time; time.sleep(20)"]));';
    const cli = brokenPackage(join(folder, "heavy"), { before: { serve: `globalThis.ballast = Buffer.alloc(20e6, 1); ${python}` } });
    const { code, told, of } = await validate([], cli, async (pid) => {
      const server = () => processTree(pid)?.find((each) => parentOf(each) === pid);
      await until(() => server() !== undefined);
      const started = server()!;
      process.kill(started, "SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 2100));
      process.kill(started, "SIGCONT");
    });
    expect(code).toBe(1);
    const start = told("fail").filter(({ name }) => name === "start-up time");
    expect(start.map(({ measured, limit }) => [/^[2-9]\d{3} ms$/.test(measured), limit])).toEqual([
      [true, "< 2 s"],
      [true, "< 2 s"],
    ]);
    expect(of("base memory")).toMatch(/^fail: 2\d\.\d MB \(/);
    if (!noPython) expect(of("no Python")).toMatch(/^fail: process \d+ is Python$/);
    expect(others(told("fail"), ["no Python"])).toEqual([]);
  },
);

test("dependencies: a package whose engine was left out", OPTIONS, async () => {
  const cli = brokenPackage(join(folder, "bare"), { without: ["@node-llama-cpp"] });
  const { code, checks, of } = await validate([], cli);
  expect(code).toBe(1);
  expect(of("dependencies")).toBe("fail: no engine is installed");
  expect(checks.find(({ name }) => name === "dependencies")!.command).toBe("npm install --include=optional");
  expect(of("generation")).toMatch(/^fail: status 5\d\d: /);
  expect(of("health")).toMatch(/^pass: /);
});

test("processors: more threads than cores", OPTIONS, async () => {
  // As in a file that was written for a larger machine.
  const threads = availableParallelism() + 500;
  const { code, told } = await validate(["--threads", String(threads)]);
  expect(told("warn").map(({ name, measured, limit }) => [name, /^\d+ cores?$/.test(measured), limit])).toEqual([
    ["processors", true, `≥ ${threads} (--threads)`],
  ]);
  expect(code).toBe(told("fail").length === 0 ? 0 : 1);
});

test.runIf(process.platform === "linux")("memory in use: 150 MB that no model needs", OPTIONS, async () => {
  const server = await startServer({ env: nodeWith(folder, "ballast", "globalThis.ballast = Buffer.alloc(150e6, 1);") });
  try {
    const { code, told, of } = await validate(["--url", server.url]);
    expect(code).toBe(1);
    expect(of("memory in use")).toMatch(/^fail: \d+ MB with 1 model$/);
    expect(others(told("fail"), ["memory in use"])).toEqual([]);
  } finally {
    await server.stop();
  }
});

test("time to first token, total latency: an engine that is held up for 5 s before each answer", OPTIONS, async () => {
  const flag = join(folder, "slow");
  // Not a listener of its own: the channel would be read before the engine listens, and the first message lost.
  const code = `import { existsSync } from "node:fs";
const emit = process.emit;
process.emit = function (name, ...rest) {
  const held = name === "message" && rest[0]?.type === "generate" && existsSync(${JSON.stringify(flag)});
  if (held) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5200);
  return emit.call(this, name, ...rest);
};`;
  const server = await startServer({ env: nodeWith(folder, "slow-engine", code) });
  try {
    const { code, told, of } = await validate(["--url", server.url], CLI, async () => {
      // The checks of the API are over then, and only the last ones are slow.
      await until(() => server.stderr().includes("route=/v1/completions"));
      writeFileSync(flag, "");
    });
    expect(code).toBe(1);
    expect(of("generation")).toMatch(/^pass: shimmy-tiny: \d+ tokens in [5-9]\d{3} ms$/);
    expect(of("time to first token")).toMatch(/^fail: [5-9]\d{3} ms$/);
    expect(of("total latency")).toMatch(/^warn: [5-9]\d{3} ms$/);
    expect(others(told("fail"), [])).toEqual([]);
  } finally {
    rmSync(flag, { force: true });
    await server.stop();
  }
});

test("health: a server that drains", OPTIONS, async () => {
  const server = await startServer({ args: ["--drain-settle", "50s"] });
  await post(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Once", max_tokens: 1 });
  server.process.kill("SIGTERM");
  await until(async () => (await fetch(`${server.url}/health`)).status === 503);
  const { code, told, of } = await validate(["--url", server.url]);
  await server.stop(); // a second SIGTERM ends it at once
  expect(code).toBe(1);
  expect(of("health")).toBe("fail: it is draining");
  expect(others(told("fail"), ["health"])).toEqual([]);
});

const [reachable] = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .filter(({ family, internal }) => family === "IPv4" && !internal);

test.skipIf(!reachable)(
  "access: a server that other machines reach without a key (skipped where there is no network)",
  OPTIONS,
  async () => {
    const server = await startServer({ args: ["--bind", "0.0.0.0:0", "--insecure"] });
    try {
      const { told } = await validate(["--url", `http://${reachable!.address}:${server.port}`]);
      expect(told("warn").map(({ name, measured, command }) => [name, measured, command])).toEqual([
        ["access", "other machines need no key", "shimmy serve --api-key KEY"],
      ]);
    } finally {
      await server.stop();
    }
  },
);

/** What a proxy makes of an answer: a text in, a text out. */
type Spoil = (text: string) => string;

const asJson =
  (change: (json: Record<string, unknown>) => object): Spoil =>
  (text) =>
    JSON.stringify(change(JSON.parse(text)));

const SPOILT: ReadonlyArray<readonly [route: RegExp, spoil: Spoil]> = [
  [/^\/v1\/models$/, asJson(({ data }) => ({ object: "list", models: data }))],
  [
    /^\/v1\/chat\/completions$/,
    (text) =>
      text.startsWith("data:") ? text.replace("data: [DONE]\n\n", "") : asJson(({ usage, ...rest }) => ({ ...rest, cost: usage }))(text),
  ],
  // The one token that shows that the engine lives comes as a stream.
  [/^\/v1\/completions$/, (text) => (text.startsWith("data:") ? text : asJson((answer) => ({ ...answer, choices: [{ index: 0 }] }))(text))],
  [/^\/v1\/no-such-route$/, () => "<h1>Not Found</h1>"],
];

test("the API: each answer that a client would stumble over", OPTIONS, async () => {
  const server = await startServer();
  const proxy = createServer((incoming, outgoing) => {
    const { method, url = "", headers } = incoming;
    const further = request(server.url + url, { method, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => {
        text += piece;
      });
      answer.once("end", () => {
        const spoil = answer.statusCode === 400 ? undefined : SPOILT.find(([route]) => route.test(url))?.[1];
        outgoing.writeHead(answer.statusCode!, { "content-type": answer.headers["content-type"] }).end(spoil ? spoil(text) : text);
      });
    });
    incoming.pipe(further);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  try {
    const { code, told, of } = await validate(["--url", `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`]);
    expect(code).toBe(1);
    expect([of("API: models"), of("API: chat"), of("API: chat, streamed"), of("API: completions"), of("API: errors")]).toEqual([
      'fail: no {object: "list", data: […]}',
      "fail: usage.completion_tokens is missing or 0",
      "fail: it does not end with [DONE]",
      "fail: choices[0].text is missing",
      "fail: an unknown route: no {error: {message, type}}",
    ]);
    expect([of("model discovery"), of("generation")]).toEqual(["fail: the list is empty", "fail: usage.completion_tokens is missing or 0"]);
    expect(
      others(
        told("fail"),
        told("fail")
          .map(({ name }) => name)
          .filter((name) => name.startsWith("API: ")),
      ),
    ).toEqual(["model discovery", "generation"]);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
    await server.stop();
  }
});
