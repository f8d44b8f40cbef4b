import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterEach, expect, test } from "vitest";
import { Exporter, type WireSpan } from "./exporter.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A collector that answers with these statuses in turn, the last for ever. */
async function collector(...statuses: number[]) {
  const taken: Array<{ readonly path?: string; readonly key: unknown; readonly names: string[] }> = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part) => {
      text += part;
    });
    request.on("end", () => {
      const { resourceSpans } = JSON.parse(text);
      const names = resourceSpans[0].scopeSpans[0].spans.map(({ name }: WireSpan) => name);
      taken.push({ path: request.url ?? "", key: request.headers["x-key"], names });
      response.writeHead(statuses.length > 1 ? statuses.shift()! : statuses[0]!).end();
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`), taken };
}

function exporter(url: URL, sizes: { queueSize?: number; batchSize?: number; delayMs?: number; gzip?: boolean; timeoutMs?: number } = {}) {
  const counted = { exported: 0, dropped: 0 };
  const warnings: string[] = [];
  const made = new Exporter({
    ...{
      url,
      headers: { "x-key": "k" },
      timeoutMs: 2000,
      gzip: false,
      tls: {},
      resource: { "service.name": "s", "service.version": "mine" },
      version: "1",
    },
    ...{ queueSize: 100, batchSize: 10, delayMs: 10_000, ...sizes },
    count: (outcome, spans) => {
      counted[outcome] += spans;
    },
    warn: (reason) => warnings.push(reason),
  });
  return { made, counted, warnings };
}

function span(name: string): WireSpan {
  const ids = { traceId: "1".repeat(32), spanId: "2".repeat(16) };
  return { ...ids, name, kind: 2, flags: 0x101, startTimeUnixNano: "1", endTimeUnixNano: "2", attributes: [], status: { code: 0 } };
}

test("spans travel in batches to the collector's path, with its headers", async () => {
  const { url, taken } = await collector(200);
  const { made, counted } = exporter(url);
  for (let i = 0; i < 23; i++) made.add([span(`s${i}`)]);
  await made.close();
  expect(taken.map(({ names }) => names.length)).toEqual([10, 10, 3]);
  expect(taken[0]).toMatchObject({ path: "/v1/traces", key: "k" });
  expect(counted).toEqual({ exported: 23, dropped: 0 });
});

test("what does not fit into the queue is dropped and counted, with all spans of its request", async () => {
  const { url, taken } = await collector(200);
  const { made, counted } = exporter(url, { queueSize: 5, batchSize: 5 });
  made.add([span("a"), span("b"), span("c"), span("d")]);
  made.add([span("e"), span("f")]);
  made.add([span("g")]);
  await made.close();
  expect(taken.flatMap(({ names }) => names)).toEqual(["a", "b", "c", "d", "g"]);
  expect(counted).toEqual({ exported: 5, dropped: 2 });
});

test("a collector that never answers costs a request nothing, and no memory beyond the queue", async () => {
  const stuck = createServer((request) => void request.resume());
  servers.push(stuck);
  await new Promise<void>((resolve) => stuck.listen(0, "127.0.0.1", resolve));
  const url = new URL(`http://127.0.0.1:${(stuck.address() as AddressInfo).port}/`);
  const { made, counted } = exporter(url, { timeoutMs: 500 });
  const took: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    const before = performance.now();
    made.add([span(`s${i}`)]);
    took.push(performance.now() - before);
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  // One batch is under way, and a queue is full.
  expect(counted).toEqual({ exported: 0, dropped: 20_000 - 110 });
  expect(took.sort((a, b) => a - b)[19_000]).toBeLessThan(0.1);
  await made.close(10);
  stuck.closeAllConnections();
});

test("a collector that is busy is asked again, one that refuses is not", async () => {
  const busy = await collector(503, 200);
  const patient = exporter(busy.url, { delayMs: 1 });
  patient.made.add([span("a")]);
  await expect.poll(() => patient.counted, { timeout: 5000 }).toEqual({ exported: 1, dropped: 0 });
  expect(busy.taken).toHaveLength(2);
  const closed = await collector(400);
  const refused = exporter(closed.url, { delayMs: 1 });
  refused.made.add([span("a")]);
  await expect.poll(() => refused.counted, { timeout: 5000 }).toEqual({ exported: 0, dropped: 1 });
  expect(closed.taken).toHaveLength(1);
  expect(refused.warnings).toEqual(["the collector answered 400"]);
});

test("without a collector spans are dropped, the log hears of it once, and the end does not wait", async () => {
  const { made, counted, warnings } = exporter(new URL("http://127.0.0.1:1/v1/traces"));
  for (let i = 0; i < 12; i++) made.add([span("a")]);
  const before = performance.now();
  await made.close();
  expect(performance.now() - before).toBeLessThan(3500);
  expect(counted.exported).toBe(0);
  expect(warnings.length).toBeLessThanOrEqual(1);
});

/** Answers as it is told to; gives what arrived, and when. */
async function bare(answer: (response: ServerResponse, nth: number) => void) {
  const bodies: Array<{ readonly at: number; readonly encoding: string | undefined; readonly body: Buffer }> = [];
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    bodies.push({ at: performance.now(), encoding: request.headers["content-encoding"], body: Buffer.concat(pieces) });
    answer(response, bodies.length);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`), bodies };
}

test("a collector that takes a part says how many it did not, and they are not sent again", async () => {
  const { url, bodies } = await bare((response) =>
    response.end(JSON.stringify({ partialSuccess: { rejectedSpans: "2", errorMessage: "too old" } })),
  );
  const { made, counted, warnings } = exporter(url);
  made.add([span("a"), span("b"), span("c")]);
  await made.close();
  expect([counted, warnings, bodies.length]).toEqual([{ exported: 1, dropped: 2 }, ["the collector took 1 of 3 spans: too old"], 1]);
});

test.each(["", "OK", "{}", '{"partialSuccess":{}}', '{"partialSuccess":null}', "null", "[1]"])(
  "an answer of 200 with %j took all",
  async (text) => {
    const { url } = await bare((response) => response.end(text));
    const { made, counted, warnings } = exporter(url);
    made.add([span("a")]);
    await made.close();
    expect([counted, warnings]).toEqual([{ exported: 1, dropped: 0 }, []]);
  },
);

test("Retry-After is waited for", async () => {
  const { url, bodies } = await bare((response, nth) => response.writeHead(nth === 1 ? 503 : 200, { "retry-after": "1" }).end());
  const { made, counted } = exporter(url, { delayMs: 1 });
  made.add([span("a")]);
  await expect.poll(() => counted.exported, { timeout: 5000 }).toBe(1);
  expect(bodies[1]!.at - bodies[0]!.at).toBeGreaterThan(900);
});

test("one that answers a byte at a time is given up after the whole time, and the end does not wait for a rest", async () => {
  const { url } = await bare((response) => {
    response.writeHead(200);
    const drip = setInterval(() => response.write(" "), 20);
    response.once("close", () => clearInterval(drip));
  });
  const { made, counted, warnings } = exporter(url, { delayMs: 1, timeoutMs: 150 });
  made.add([span("a")]);
  await expect.poll(() => counted.dropped, { timeout: 5000 }).toBe(1);
  expect(warnings).toEqual(["the collector did not answer within 150 ms"]);
  const waiting = await bare((response) => response.writeHead(503, { "retry-after": "30" }).end());
  const other = exporter(waiting.url, { delayMs: 1 });
  other.made.add([span("a")]);
  await expect.poll(() => waiting.bodies.length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = performance.now();
  await other.made.close();
  expect(performance.now() - before).toBeLessThan(2000);
});

test("gzip, and keys that the environment sets are there once", async () => {
  const { url, bodies } = await bare((response) => response.end());
  const { made } = exporter(url, { gzip: true });
  made.add([span("a")]);
  await made.close();
  expect(bodies[0]!.encoding).toBe("gzip");
  const { attributes } = JSON.parse(gunzipSync(bodies[0]!.body).toString()).resourceSpans[0].resource;
  const keys = attributes.map(({ key }: { key: string }) => key);
  expect(new Set(keys).size).toBe(keys.length);
  expect(attributes).toContainEqual({ key: "service.version", value: { stringValue: "mine" } });
});
