/** Gateways that name themselves or each other: nothing is asked in a circle, what can be answered is, and the rest is told. */

import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { metric } from "../support/raw.ts";
import { post, startServer, type TestServer } from "../support/server.ts";
import { QUESTION, standIn, type Told, told } from "./support.ts";

const stops: Array<() => unknown> = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
}, 30_000);

/** Ports that were free a moment ago: servers that name each other must know their ports before they begin. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const at = (port: number) => `http://127.0.0.1:${port}`;

async function gateway(port: number, upstreams: readonly string[], args: readonly string[] = []): Promise<TestServer> {
  const server = await startServer({ args: ["--bind", `127.0.0.1:${port}`, ...upstreams.flatMap((url) => ["--upstream", url]), ...args] });
  stops.push(() => server.stop());
  return server;
}

const BARE = ["--no-embedded-model"];
const ask = (server: TestServer, model: string) => post(server, "/v1/chat/completions", { ...QUESTION, model, max_tokens: 2 });
const answered = (server: TestServer, upstream: string) =>
  metric(server, "shimmy_upstream_requests_total", `{upstream="${upstream}",end="answered"}`);

test("a gateway that names its own address finds out, says so, and answers what it has", async () => {
  const [port] = (await freePorts(1)) as [number];
  const server = await gateway(port, [at(port)]);
  const since = performance.now();
  const { data } = await told(fetch(`${server.url}/v1/models`));
  expect(data.map(({ id }) => id)).toEqual(["shimmy-tiny"]);
  expect(performance.now() - since).toBeLessThan(1500);
  expect((await ask(server, "shimmy-tiny")).status).toBe(200);
  expect(await answered(server, `127.0.0.1:${port}`)).toBe(0);
  const { degraded } = await told<{ degraded: unknown }>(fetch(`${server.url}/health`));
  expect(degraded).toMatchObject([{ upstream: 1, reason: "it is this server itself" }]);
  expect(server.stderr()).toMatch(/an upstream is this server itself/);
});

test("two that name each other list what both have, ask no model in a circle, and each answers what it has itself", async () => {
  const [a, b] = (await freePorts(2)) as [number, number];
  const behind = await standIn((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(`data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n`);
  });
  stops.push(() => behind.stop());
  const first = await gateway(a, [at(b)]);
  const second = await gateway(b, [at(a), behind.url], BARE);
  // Both begin at once.
  await Promise.all([first, second].map((server) => fetch(`${server.url}/v1/models`)));
  for (const server of [first, second]) expect((await ask(server, "tiny-stand")).status).toBe(200);
  for (const server of [second, first]) expect((await ask(server, "shimmy-tiny")).status).toBe(200);
  // The second one got its answer of the first, which asked nobody for it, though the second one may list it too.
  expect(await answered(first, `127.0.0.1:${b}`)).toBe(1);
  expect(await answered(second, `127.0.0.1:${a}`)).toBe(1);
  for (const server of [first, second]) {
    const { data } = await told(fetch(`${server.url}/v1/models`));
    expect(new Set(data.map(({ id }) => id))).toEqual(new Set(["shimmy-tiny", "tiny-stand"]));
    expect(await told(fetch(`${server.url}/health`))).not.toHaveProperty("degraded");
  }
}, 30_000);

test("a model that was behind one of two and is gone is told as none that anybody has", async () => {
  const [a, b] = (await freePorts(2)) as [number, number];
  const behind = await standIn((_, response) => response.writeHead(404).end("{}"));
  stops.push(() => behind.stop());
  const second = await gateway(b, [at(a), behind.url], BARE);
  const first = await gateway(a, [at(b)], BARE);
  await fetch(`${first.url}/v1/models`);
  await fetch(`${second.url}/v1/models`);
  const since = performance.now();
  for (const server of [first, second]) {
    const response = await ask(server, "tiny-stand");
    const { error } = await told<Told>(response);
    expect([response.status, error!.code]).toEqual([expect.any(Number), expect.stringMatching(/^upstream_/)]);
    expect(response.status).toBeGreaterThanOrEqual(500);
  }
  expect(performance.now() - since).toBeLessThan(3000);
}, 30_000);

test("a request that was here before is refused as a loop", async () => {
  const behind = await standIn((_, response) => response.writeHead(500).end());
  stops.push(() => behind.stop());
  const [port] = (await freePorts(1)) as [number];
  const server = await gateway(port, [behind.url], BARE);
  const { headers } = await fetch(`${server.url}/v1/models`);
  const [name] = /shimmy-[0-9a-f]{16}/.exec(headers.get("via")!)!;
  const via = `1.1 nginx, 1.1 ${name}, 1.0 squid (x)`;
  const response = await post(server, "/v1/chat/completions", { ...QUESTION, model: "tiny-stand" }, { headers: { via } });
  expect([response.status, (await told(response)).error!.code]).toEqual([508, "upstream_loop"]);
});

test("a list that was told to another gateway's request is not taken for the whole one", async () => {
  const other = "shimmy-00000000000000aa";
  const behind = await standIn((request, response) => {
    response.setHeader("via", "1.1 shimmy-00000000000000bb");
    if (request.url !== "/v1/models") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      return response.end(`data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n`);
    }
    // As a gateway that asks the other one for this model.
    const hidden = request.headers.via?.includes(other);
    return response.end(JSON.stringify({ data: hidden ? [] : [{ id: "tiny-stand", owned_by: "shimmy" }] }));
  }, true);
  stops.push(() => behind.stop());
  const [port] = (await freePorts(1)) as [number];
  const server = await gateway(port, [behind.url], BARE);
  await fetch(`${server.url}/v1/models`, { headers: { via: `1.1 ${other}` } });
  expect((await ask(server, "tiny-stand")).status).toBe(200);
  // The same while the other one's look is under way.
  const again = await gateway(((await freePorts(1)) as [number])[0], [behind.url], BARE);
  const [, answer] = await Promise.all([fetch(`${again.url}/v1/models`, { headers: { via: `1.1 ${other}` } }), ask(again, "tiny-stand")]);
  expect(answer.status).toBe(200);
});

test("a request whose Via is as long as anybody likes holds up no list of gateways that name each other", async () => {
  const [a, b] = (await freePorts(2)) as [number, number];
  const behind = await standIn((_, response) => response.writeHead(404).end("{}"));
  stops.push(() => behind.stop());
  const first = await gateway(a, [at(b)], BARE);
  const second = await gateway(b, [at(a), behind.url], BARE);
  const headers = { via: "1.1 anybody, ".repeat(400) };
  const since = performance.now();
  for (const server of [second, first]) await fetch(`${server.url}/v1/models`, { headers });
  // None of them waited for the other one's list until that was given up.
  expect(performance.now() - since).toBeLessThan(4500);
  const response = await post(first, "/v1/chat/completions", { ...QUESTION, model: "tiny-stand" }, { headers });
  expect(response.status).toBeGreaterThanOrEqual(500);
}, 30_000);
