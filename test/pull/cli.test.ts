/** `shimmy pull`, `list`, `generate` and `rm` from end to end: Shimmy Tiny comes from a stand-in of the hub. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bareEnvironment, finished, shimmy, temporaryFolder } from "../support/command.ts";
import { CLI, TINY, until } from "../support/server.ts";
import { type Hub, startHub } from "./hub.ts";

const REPO = "shimmy/Tiny-GGUF";
const tiny = readFileSync(TINY);
const cwd = temporaryFolder();
const POOL = join(cwd, "shimmy", "models");
const FOLDER = join(POOL, "shimmy", "Tiny-GGUF");
const FILE = join(FOLDER, "tiny-stories-Q8_0.gguf");
let hub: Hub;
let env: Record<string, string>;

beforeAll(async () => {
  hub = await startHub({ repos: { [REPO]: { "tiny-stories-Q8_0.gguf": tiny, "tiny-stories-Q4_0.gguf": Buffer.alloc(1000) } } });
  env = { HF_ENDPOINT: hub.url };
});
afterAll(() => hub.close());
beforeEach(() => {
  hub.slowMs = 0;
  hub.fault = undefined;
});

const run = (args: readonly string[], more: Readonly<Record<string, string>> = {}) => shimmy(args, { cwd, env: { ...env, ...more } });

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], { cwd, env: { ...bareEnvironment(cwd), ...env } });
}

describe("pull, list, generate, rm", () => {
  test("Ctrl-C keeps what was fetched, and nothing of it is listed", async () => {
    hub.slowMs = 10;
    const child = start(["pull", REPO]);
    const ended = finished(child);
    await until(() => hub.sent() > 500_000);
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([130, expect.stringContaining("goes on from here")]);
    expect((await run(["list", "--short"])).stdout).toBe("shimmy-tiny\n");
    expect(
      readdirSync(join(POOL, ".partial"))
        .map((name) => name.split(".").at(-1))
        .sort(),
    ).toEqual(["json", "part"]);
  });

  test("the same command goes on there; then the model is listed and answers", async () => {
    const before = hub.sent();
    const { code, stdout, stderr } = await run(["pull", REPO]);
    expect([code, stdout]).toEqual([0, "tiny-stories-q8_0\n".replace("_", "-")]);
    expect(stderr).toMatch(/Q8_0, 3 MB: the largest that leaves room for a context of 8192 tokens/);
    expect(stderr).toMatch(/downloading tiny-stories-Q8_0\.gguf: 100% 3\.1\/3\.1 MB, [\d.]+ MB\/s/);
    expect(hub.sent() - before).toBeLessThan(tiny.length - 300_000);
    expect((await run(["list", "--short"])).stdout).toBe("tiny-stories-q8-0\nshimmy-tiny\n");
    const answer = await run(["generate", "tiny-stories-q8-0", "--prompt", "Once upon a time", "--max-tokens", "8", "--json"]);
    expect(JSON.parse(answer.stdout)).toMatchObject({ model: "tiny-stories-q8-0", completionTokens: 8 });
  });

  test("what was pulled is known by its digest: it loads where digests are required, and a changed byte shows", async () => {
    const ask = ["generate", "tiny-stories-q8-0", "--prompt", "Once", "--max-tokens", "4", "--verify", "require"];
    expect((await run(ask)).code).toBe(0);
    const content = readFileSync(FILE);
    content[content.length - 1]! ^= 1;
    writeFileSync(FILE, content);
    const changed = await run(["verify", "tiny-stories-q8-0", "--json"]);
    content[content.length - 1]! ^= 1;
    writeFileSync(FILE, content);
    expect([changed.code, changed.stdout]).toEqual([1, expect.stringContaining('"pull"')]);
    expect((await run(["verify", "tiny-stories-q8-0"])).code).toBe(0);
  });

  test("rm asks, and where nobody can answer it refuses", async () => {
    const { code, stderr } = await run(["rm", REPO]);
    expect(code).toBe(2);
    expect(stderr).toContain("--yes");
    expect(existsSync(FILE)).toBe(true);
  });

  test("rm --yes takes away the files, the record and the empty folders, and nothing else", async () => {
    writeFileSync(join(FOLDER, "mine.gguf"), "not pulled");
    expect((await run(["rm", "mine", "--yes"])).code).toBe(1);
    const { code, stderr } = await run(["rm", "tiny-stories-q8-0", "--yes"]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("removed this model, 3 MB")]);
    expect(readdirSync(FOLDER)).toEqual(["mine.gguf"]);
  });

  test("rm of a model that was not pulled removes nothing", async () => {
    const { code, stderr } = await run(["rm", "shimmy-tiny", "--yes"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("did not pull")]);
    expect(existsSync(TINY)).toBe(true);
  });

  test("a forged record removes nothing outside: neither by its names nor through a link", async () => {
    const outside = join(cwd, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "precious.gguf"), "precious");
    const record = (name: string) =>
      JSON.stringify({
        version: 1,
        repo: "evil/repo",
        commit: "c",
        revision: "main",
        quantization: "Q8_0",
        files: [{ name, path: "x", size: 1 }],
      });
    mkdirSync(join(POOL, "evil", "repo"), { recursive: true });
    writeFileSync(join(POOL, "evil", "repo", "x.gguf.pull.json"), record("../../../outside/precious.gguf"));
    writeFileSync(join(outside, "precious.gguf.pull.json"), record("precious.gguf"));
    symlinkSync(outside, join(POOL, "evil", "linked"));
    expect((await run(["rm", "evil/repo", "--yes"])).code).toBe(1);
    expect((await run(["rm", "precious", "--yes"])).code).toBe(1);
    expect(readFileSync(join(outside, "precious.gguf"), "utf8")).toBe("precious");
  });
});

test("two processes at once: one fetches, both end well", async () => {
  hub.slowMs = 3;
  const before = hub.sent();
  const children = [start(["pull", `${REPO}:Q8_0`]), start(["pull", `${REPO}:Q8_0`])];
  const results = await Promise.all(children.map(finished));
  expect(results.map(({ code }) => code)).toEqual([0, 0]);
  expect(hub.sent() - before).toBe(tiny.length);
});

/** A pull from a slow hub, of which some has come. `before`: bytes that the hub had sent. */
async function begunPull() {
  await run(["rm", REPO, "--yes"]);
  hub.slowMs = 20;
  const before = hub.sent();
  const child = start(["pull", `${REPO}:Q8_0`]);
  const ended = finished(child);
  await until(() => hub.sent() - before > 200_000);
  return { child, ended, before };
}

test("a process that was killed leaves no lock that holds up the next", async () => {
  const { child, ended } = await begunPull();
  child.kill("SIGKILL");
  await ended;
  expect(readdirSync(join(POOL, ".partial")).some((name) => name.endsWith(".lock"))).toBe(true);
  hub.slowMs = 0;
  expect((await run(["pull", `${REPO}:Q8_0`])).code).toBe(0);
  expect(readdirSync(join(POOL, ".partial"))).toEqual([]);
});

test("rm takes away what was begun and never ended", async () => {
  const { child, ended } = await begunPull();
  child.kill("SIGTERM");
  expect((await ended).code).toBe(143);
  const { code, stderr } = await run(["rm", `${REPO}:q8_0`, "--yes"]);
  expect([code, stderr]).toEqual([0, expect.stringContaining("not pulled to its end")]);
  expect(readdirSync(join(POOL, ".partial"))).toEqual([]);
});

test("rm of what is being pulled is refused and names the process; the pull goes on to its end, and then it is removed", async () => {
  const { child, ended, before } = await begunPull();
  const refused = await run(["rm", `${REPO}:q8_0`, "--yes"]);
  hub.slowMs = 0;
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(`is being pulled by process ${child.pid}`)]);
  expect((await ended).code).toBe(0);
  expect(hub.sent() - before).toBe(tiny.length);
  expect((await run(["rm", `${REPO}:q8_0`, "--yes"])).code).toBe(0);
  expect([existsSync(FILE), readdirSync(join(POOL, ".partial"))]).toEqual([false, []]);
});

// util-linux's script gives it a terminal to ask on.
const NO_TERMINAL = process.platform !== "linux" || spawnSync("script", ["--version"]).error !== undefined;
test.skipIf(NO_TERMINAL)("what was begun when rm asked and is whole when it is told yes is gone", async () => {
  const { child, ended } = await begunPull();
  child.kill("SIGTERM");
  await ended;
  const command = [process.execPath, CLI, "rm", `${REPO}:q8_0`].map((word) => `'${word}'`).join(" ");
  const asking = spawn("script", ["-qec", command, "/dev/null"], { cwd, env: { ...bareEnvironment(cwd), ...env } });
  let said = "";
  asking.stdout.on("data", (text) => {
    said += text;
  });
  const told = finished(asking);
  await until(() => said.includes("[y/N]"));
  hub.slowMs = 0;
  expect((await run(["pull", `${REPO}:Q8_0`])).code).toBe(0);
  asking.stdin.write("y\n");
  expect((await told).code).toBe(0);
  expect(existsSync(FILE)).toBe(false);
});

test("what is no model is pulled, but said not to be servable", async () => {
  const { code, stdout, stderr } = await run(["pull", `${REPO}:Q4_0`]);
  expect([code, stdout, stderr]).toEqual([0, "", expect.stringContaining("cannot be served")]);
});

test("--json: an event a line", async () => {
  const { stdout, stderr } = await run(["pull", `${REPO}:Q8_0`, "--json"]);
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect([events[0], events.at(-1), stderr]).toEqual([
    { status: `looking up ${REPO}` },
    { status: "success", model: "tiny-stories-q8-0" },
    "",
  ]);
});

test.each([
  ["--offline", ["--offline"], {}],
  ["HF_HUB_OFFLINE", [], { HF_HUB_OFFLINE: "1" }],
])("offline by %s: nothing is asked", async (_, flags, more) => {
  const before = hub.asked.length;
  const { code, stderr } = await run(["pull", REPO, ...flags], more);
  expect([code, stderr]).toEqual([1, expect.stringContaining("offline")]);
  expect(hub.asked.length).toBe(before);
});

test("a missing quantisation: what there is", async () => {
  const { code, stderr } = await run(["pull", `${REPO}:Q2_K`]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("shimmy/Tiny-GGUF has no Q2_K. It has: Q4_0 (1 kB), Q8_0 (3 MB)")]);
});

test("an address that is none", async () => {
  const { code, stderr } = await run(["pull", REPO], { HF_ENDPOINT: "nonsense" });
  expect([code, stderr]).toEqual([2, expect.stringContaining("'nonsense' is not allowed")]);
});
