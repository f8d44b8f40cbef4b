/** `shimmy validate --url` at what is no Shimmy, or one that something stands before: the right words, the next command, and no hanging. */
import { spawn } from "node:child_process";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bareEnvironment, shimmy, temporaryFolder } from "../support/command.ts";
import { CLI, post, startServer, type TestServer } from "../support/server.ts";

type Handler = (incoming: IncomingMessage, outgoing: ServerResponse) => void;
interface Wire {
  readonly name: string;
  readonly verdict: string;
  readonly measured: string;
  readonly command: string | null;
}

const LIMIT_MS = 60_000;
const folder = temporaryFolder();
let shimmyServer: TestServer;
beforeAll(async () => {
  shimmyServer = await startServer();
});
afterAll(() => shimmyServer.stop());

/** What validate says of the server that a handler makes. */
async function validateAt(handler: Handler) {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const { code, stdout, stderr } = await shimmy(["validate", "--json", "--url", url], {
      cwd: folder,
      env: { SHIMMY_MODEL_STORES: "off" },
    });
    expect(stderr).toBe("");
    const { checks } = JSON.parse(stdout) as { checks: Wire[] };
    return { url, code, checks, find: (name: string) => checks.find((check) => check.name === name)! };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** As a proxy does. */
const forward: Handler = (incoming, outgoing) => {
  const { method, headers, url } = incoming;
  const further = request(shimmyServer.url + url, { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  incoming.pipe(further);
};

const failures = (checks: readonly Wire[]) => checks.filter(({ verdict }) => verdict === "fail");

test.each<[what: string, measured: RegExp, handler: Handler]>([
  ["another program", /^status 200, and no Shimmy's answer$/, (_, outgoing) => void outgoing.end("<html>")],
  [
    "a proxy without a server behind it",
    /^status 502, and no Shimmy's answer$/,
    (_, outgoing) => void outgoing.writeHead(502).end("Bad Gateway"),
  ],
  [
    "one that sends elsewhere",
    /^status 302: it sends to https:\/\/login\.example\/$/,
    (_, outgoing) => void outgoing.writeHead(302, { location: "https://login.example/" }).end(),
  ],
  ["one that hangs", /: no answer within 10 s$/, () => undefined],
  ["one that hangs up", /: it broke off the connection$/, (incoming) => void incoming.socket.destroy()],
])(
  "%s is one failure, with a command, and nothing else is judged",
  async (_, measured, handler) => {
    const { code, checks } = await validateAt(handler);
    expect(code).toBe(1);
    expect(failures(checks).map(({ name }) => name)).toEqual(["health"]);
    expect(failures(checks)[0]!.measured).toMatch(measured);
    expect(failures(checks)[0]!.command).toMatch(/^(shimmy|curl) /);
  },
  LIMIT_MS,
);

test.runIf(process.platform === "linux")(
  "the processes of a proxy are not taken for the server's",
  async () => {
    const { code, find } = await validateAt(forward);
    expect(code).toBe(0);
    expect(find("memory in use")).toMatchObject({ verdict: "unmeasured", measured: expect.stringContaining("a proxy") });
    expect(find("no Python").measured).toContain("a proxy");
  },
  LIMIT_MS,
);

test(
  "a full queue is told as such",
  async () => {
    const error = { message: "The queue is full", type: "rate_limit_error", code: "queue_full" };
    const { find } = await validateAt((incoming, outgoing) =>
      /completions/.test(incoming.url!) ? outgoing.writeHead(429).end(JSON.stringify({ error })) : forward(incoming, outgoing),
    );
    for (const name of ["API: chat", "API: chat, streamed", "API: completions", "generation", "time to first token"])
      expect(find(name)).toMatchObject({ verdict: "fail", measured: "status 429: The queue is full", command: "shimmy ps" });
  },
  LIMIT_MS,
);

test(
  "one that hangs behind its health: every check is told, none waits for long",
  async () => {
    const began = performance.now();
    const { code, checks } = await validateAt((incoming, outgoing) => {
      if (incoming.url === "/health") forward(incoming, outgoing);
    });
    expect(code).toBe(1);
    expect(failures(checks).map(({ name }) => name)).toEqual(expect.arrayContaining(["API: models", "model discovery"]));
    expect(performance.now() - began).toBeLessThan(45_000);
  },
  LIMIT_MS,
);

test.runIf(process.platform === "linux")(
  "an engine that is stopped is named with its process, no check waits for long, and Ctrl-C ends at once",
  async () => {
    const server = await startServer({ env: { SHIMMY_SSE_PING_INTERVAL: "1s" } });
    await post(server, "/v1/completions", { model: "shimmy-tiny", prompt: "a", max_tokens: 1 });
    const [engine] = (await server.engines()) as [number];
    process.kill(engine, "SIGSTOP");
    try {
      const began = performance.now();
      const args = [CLI, "validate", "--json", "--url", server.url];
      const interrupted = spawn(process.execPath, args, { cwd: folder, env: bareEnvironment(folder), stdio: "ignore" });
      const ended = new Promise<[code: number | null, at: number]>((resolve) =>
        interrupted.once("close", (code) => resolve([code, performance.now()])),
      );
      setTimeout(() => interrupted.kill("SIGINT"), 3000);
      const { code, stdout } = await shimmy(["validate", "--json", "--url", server.url], { cwd: folder });
      const [exit, at] = await ended;
      expect([exit, at - began < 4500]).toEqual([130, true]);
      const { checks } = JSON.parse(stdout) as { checks: Wire[] };
      const find = (name: string) => checks.find((check) => check.name === name);
      expect(code).toBe(1);
      expect(find("health")).toMatchObject({ verdict: "pass" });
      expect(find("API: chat")).toMatchObject({
        verdict: "fail",
        measured: `while it was asked: no end within 30 s; its engine, process ${engine}, is stopped`,
        command: `kill -CONT ${engine}`,
      });
      expect(find("generation")).toMatchObject({ verdict: "fail", command: `kill -CONT ${engine}` });
      expect(performance.now() - began).toBeLessThan(60_000);
    } finally {
      process.kill(engine, "SIGCONT");
      await server.stop();
    }
  },
  2 * LIMIT_MS,
);
