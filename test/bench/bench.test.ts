/** `shimmy bench` as a user types it: on a server of its own, beside another Shimmy, and on servers that are poor, broken or none. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { BenchResult } from "../../src/bench/result.ts";
import { ChatServer, type Manners } from "../support/chat-server.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { startServer, type TestServer } from "../support/server.ts";

const cwd = temporaryFolder();
const SMALL = ["--rounds", "2", "--tokens", "8", "--seed", "7"];
const env = { SHIMMY_MODEL_STORES: "off" };
const running: Array<{ stop(): unknown }> = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

async function fake(manners: Manners = {}): Promise<string> {
  const server = new ChatServer(manners);
  running.push(server);
  return server.start();
}

async function other(): Promise<TestServer> {
  const server = await startServer({ env });
  running.push(server);
  return server;
}

async function json(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await shimmy(["bench", "--json", ...SMALL, ...args], { cwd, env: { ...env, ...more } });
  return { code, stderr, stdout, result: JSON.parse(stdout === "" ? "{}" : stdout) as BenchResult };
}

describe("on a server of its own", { timeout: 90_000 }, () => {
  test("every workload is measured, the page shows every round, and the server is gone afterwards", async () => {
    const page = join(cwd, "bench.html");
    const { code, result, stderr } = await json(["--html", page]);
    expect([code, result.format, result.failures, result.interrupted]).toEqual([0, 1, [], false]);
    expect(stderr).toMatch(/8 cases, 2 rounds, 1 server: about \d+ s/);
    const names = result.summary.map(({ workload, clients }) => `${workload} ${clients}`);
    const asked = ["decode 1", "decode 4", "decode 8", "shared 8", "turns 6", "mixed 4", "json 4"];
    expect(names).toEqual(expect.arrayContaining(asked));
    for (const { figures, servers } of result.summary) {
      expect(servers[0]).toMatchObject({ server: "this", failed: 0, not_served: null });
      const throughput = figures.find(({ name }) => name === "throughput")!.values[0]!;
      expect(throughput.rounds).toHaveLength(2);
      expect(Math.min(...throughput.rounds)).toBeGreaterThan(0);
    }
    expect(result.servers[0]).toMatchObject({
      name: "this",
      started: true,
      model: "shimmy-tiny",
      answered: ["shimmy-tiny"],
      counted: "tokens",
    });
    expect(result.notes.filter((note) => note.includes("ended before"))).toEqual([]);
    const html = readFileSync(page, "utf8");
    expect(html).not.toMatch(/https?:\/\/(?!127\.0\.0\.1)|src=|@import|url\(|<script|<link/);
    const dots = result.summary
      .flatMap(({ figures }) => figures)
      .flatMap(({ values }) => values)
      .flatMap(({ rounds }) => rounds);
    expect(html.match(/<circle/g)).toHaveLength(dots.length);
    await expect(fetch(result.servers[0]!.url)).rejects.toThrow();
  });
});

test("no answer of the embedded model ends early at the workloads' own sizes", { timeout: 120_000 }, async () => {
  const { code, stdout } = await shimmy(["bench", "--json", "--rounds", "1"], { cwd, env });
  const { notes, failures, runs } = JSON.parse(stdout) as BenchResult;
  expect([code, failures, notes.filter((note) => note.includes("ended before")), runs.length]).toEqual([0, [], [], 8]);
});

describe("beside another Shimmy", { timeout: 90_000 }, () => {
  test("both are asked the same, in turn, and the ratio is that of the medians", async () => {
    const server = await other();
    const { code, result } = await json(["--workloads", "decode", "--clients", "2", "--against", `${server.url}/v1`]);
    expect([code, result.failures, result.servers.map(({ name }) => name)]).toEqual([0, [], ["this", "against"]]);
    expect(result.runs.map((run) => [run.round, run.server])).toEqual([
      [0, "this"],
      [0, "against"],
      [1, "against"],
      [1, "this"],
    ]);
    const { values, ratio } = result.summary[0]!.figures.find(({ name }) => name === "throughput")!;
    expect(ratio!.median).toBeCloseTo(values[0]!.median / values[1]!.median);
    expect(ratio!.low).toBeLessThanOrEqual(ratio!.high);
  });
});

describe("on servers that know little", () => {
  test("without usage, pieces of text are counted, and that is said", async () => {
    const { code, result } = await json(["--url", await fake({ withoutUsage: true, refusesIgnoreEos: true }), "--workloads", "decode"]);
    expect([code, result.servers[0]!.counted, result.servers[0]!.keeps_length]).toEqual([0, "pieces of text", false]);
    expect(result.notes.join()).toContain("the server tells no usage");
    expect(result.summary[0]!.figures.find(({ name }) => name === "throughput")!.values[0]!.median).toBeGreaterThan(0);
  });

  test("answers that end early are told", async () => {
    const { code, result } = await json(["--url", await fake({ endsAfter: 5 }), "--workloads", "burst"]);
    expect([code, result.failures]).toEqual([0, []]);
    expect(result.notes.join()).toMatch(/(\d+) of \1 answers ended before the length/);
  });

  test("a refused response_format is not served, with the reason and without a figure", async () => {
    const { code, result } = await json(["--url", await fake({ refusesFormat: true }), "--workloads", "json,decode", "--clients", "1"]);
    const [decode, made] = result.summary;
    expect([code, decode!.workload, decode!.figures.length > 0]).toEqual([0, "decode", true]);
    expect([made!.workload, made!.figures, made!.servers[0]!.not_served]).toEqual(["json", [], expect.stringContaining("is not known")]);
  });

  test("one that dies in the middle is told and is exit code 1; the other one is still reported", async () => {
    const { code, result, stderr } = await json([
      ...["--url", await fake({ diesAfter: 12, model: "m" }), "--against", await fake({ model: "m" })],
      ...["--workloads", "decode", "--clients", "1,2"],
    ]);
    expect([code, result.failures.length > 1]).toEqual([1, true]);
    expect(stderr).toContain("does not answer any more");
    expect(result.summary.at(-1)!.figures[0]!.values).toMatchObject([{ server: "against" }]);
  });
});

test("keys are in no output, though the server repeats them", async () => {
  const key = "sk-never-shown-4711";
  const page = join(cwd, "key.html");
  const url = await fake({ key, refusesFormat: true, model: `<b>x</b>` });
  const args = ["--url", url, "--against", url, "--workloads", "decode,json", "--clients", "1", "--html", page];
  const { code, stdout, stderr } = await json(args, { SHIMMY_API_KEY: key, AGAINST_API_KEY: key });
  const html = readFileSync(page, "utf8");
  expect([code, html.includes("&lt;b&gt;x"), html.includes("<b>x")]).toEqual([0, true, false]);
  for (const text of [stdout, stderr, html]) expect(text).not.toContain(key);
  const wrong = await shimmy(["bench", "--url", url, "--api-key", "sk-wrong-0815"], { cwd, env });
  expect([wrong.code, wrong.stderr.includes("answered 401"), wrong.stderr.includes("sk-wrong-0815")]).toEqual([1, true, false]);
});

describe("what cannot be measured is told before anything is", () => {
  test.each([
    [["--workloads", "decod"], 2, "perhaps 'decode'"],
    [["--url", "nowhere"], 2, "that is no URL"],
    [["--url", "http://user:secret@127.0.0.1:1"], 2, "it must not hold a password"],
    [["--url", "http://127.0.0.1:1"], 1, "No server answers at http://127.0.0.1:1: "],
    [["--clients", "0"], 2, "Invalid value for '--clients'"],
    [["--rounds", "none"], 2, "a whole number above 0"],
  ] as const)("%j", async (args, code, told) => {
    const run = await shimmy(["bench", ...args], { cwd, env });
    expect([run.code, run.stdout]).toEqual([code, ""]);
    expect(run.stderr).toContain(told);
    expect(run.stderr).not.toContain("secret");
  });

  test("a server that takes connections and says nothing", { timeout: 60_000 }, async () => {
    const silent = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    running.push({ stop: () => silent.close() });
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const { code, stderr } = await shimmy(["bench", "--url", url], { cwd, env });
    expect([code, stderr]).toEqual([1, expect.stringContaining(`No server answers at ${url}: no answer in 10 s`)]);
  });

  test("a model that is not there, with those that are", async () => {
    const { code, stderr } = await shimmy(["bench", "--model", "nope", "--url", await fake({ model: "real" })], { cwd, env });
    expect([code, stderr]).toEqual([1, expect.stringContaining("Available models: real")]);
  });

  test("a server of another kind", async () => {
    const { code, stderr } = await shimmy(["bench", "--url", `${await fake()}/elsewhere`], { cwd, env });
    expect([code, stderr]).toEqual([1, expect.stringContaining("is no OpenAI-compatible server: GET /v1/models answered 404")]);
  });
});

test("--list says what there is", async () => {
  const { code, stdout } = await shimmy(["bench", "--list"], { cwd, env });
  expect([code, stdout.match(/^\w+/gm)]).toEqual([0, ["decode", "shared", "turns", "mixed", "burst", "json"]]);
});
