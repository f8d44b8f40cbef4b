/** T64: a server that is told to end while others connect to it: everybody who got through is answered, then everybody is refused. */
import { Agent, request } from "node:http";
import { afterEach, expect, test } from "vitest";
import { open } from "../support/raw.ts";
import { type StartOptions, startServer, type TestServer, until } from "../support/server.ts";

let server: TestServer;

async function start(options: StartOptions = {}): Promise<void> {
  server = await startServer(options);
}
afterEach(async () => {
  if (server.process.exitCode === null) server.process.kill("SIGKILL");
});

const BODY = JSON.stringify({ model: "shimmy-tiny", prompt: "Once", max_tokens: 1, temperature: 0 });

interface Ask {
  readonly path: string;
  readonly body?: string;
  readonly agent?: Agent;
}

/** The status of a whole answer, or how it failed. */
function outcome({ path, body, agent }: Ask): Promise<string> {
  return new Promise((resolve) => {
    const method = body === undefined ? "GET" : "POST";
    const headers = body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const outgoing = request({ host: "127.0.0.1", port: server.port, path, method, headers, agent: agent ?? false });
    outgoing.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    outgoing.once("response", (response) => {
      response.resume();
      response.once("end", () => resolve(response.complete ? `${response.statusCode}` : "cut"));
      response.once("error", () => resolve("cut"));
    });
    outgoing.end(body);
  });
}

/** So many clients at once, each asking again at once, until the server has ended. @returns how often each outcome was seen */
async function crowd(count: number, ask: (client: number) => Ask, signal: () => void): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  let going = true;
  const client = async (_: unknown, index: number) => {
    while (going) {
      const end = await outcome(ask(index));
      seen[end] = (seen[end] ?? 0) + 1;
      if (end === "ECONNREFUSED") await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const ended = new Promise((resolve) => server.process.once("close", resolve));
  const clients = Promise.all(Array.from({ length: count }, client));
  await until(() => (seen["200"] ?? 0) > count);
  signal();
  expect(await ended).toBe(0);
  going = false;
  await clients;
  return seen;
}

test("T64 SIGTERM while hundreds connect: each is answered or refused, none is reset", async () => {
  await start();
  const seen = await crowd(
    300,
    () => ({ path: "/v1/models" }),
    () => server.process.kill("SIGTERM"),
  );
  expect(Object.keys(seen).sort()).toEqual(["200", "ECONNREFUSED"]);
});

test("T64 SIGTERM while hundreds generate: each is answered or refused, none is reset", async () => {
  await start({ args: ["--max-queue", "1000"] });
  expect(await outcome({ path: "/v1/completions", body: BODY })).toBe("200");
  const seen = await crowd(
    100,
    () => ({ path: "/v1/completions", body: BODY }),
    () => server.process.kill("SIGTERM"),
  );
  expect(Object.keys(seen).sort()).toEqual(["200", "ECONNREFUSED"]);
});

test("T64 SIGTERM while kept connections are in use: what is written on them is answered", async () => {
  await start();
  const agent = new Agent({ keepAlive: true });
  const seen = await crowd(
    60,
    (client) => ({ path: "/v1/models", agent, ...(client % 2 && { path: "/v1/completions", body: BODY }) }),
    () => server.process.kill("SIGTERM"),
  );
  agent.destroy();
  // 503: on a connection that was kept until after the time to settle.
  expect(
    Object.keys(seen)
      .filter((end) => end !== "503")
      .sort(),
  ).toEqual(["200", "ECONNREFUSED"]);
});

test("T64 for --drain-settle after SIGTERM /health says draining, requests are answered, and each answer is the last on its connection", async () => {
  await start({ args: ["--drain-settle", "1s"] });
  const kept = await open(server);
  kept.write("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until(() => kept.received().includes("shimmy-tiny"));
  expect(kept.received()).toMatch(/connection: keep-alive/i);
  server.process.kill("SIGTERM");
  await until(() => server.stderr().includes("draining"));
  const health = await fetch(`${server.url}/health`);
  expect([health.status, await health.json()]).toEqual([503, expect.objectContaining({ status: "draining" })]);
  const models = await fetch(`${server.url}/v1/models`);
  expect([models.status, models.headers.get("connection")]).toEqual([200, "close"]);
  kept.write("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await kept.closed;
  expect(kept.received().match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  expect(kept.received()).toMatch(/connection: close/i);
});
