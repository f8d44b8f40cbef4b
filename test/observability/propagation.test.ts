/** A trace through a gateway and the server behind it: who is whose parent, and which headers go on. */

import { copyFileSync, mkdirSync } from "node:fs";
import { request as ask, createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/command.ts";
import { post, startServer, type TestServer, TINY, until } from "../support/server.ts";

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly kind: number;
  readonly status: { readonly code: number };
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: Readonly<Record<string, unknown>> }>;
}

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const HEADERS = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: "vendor=1,other@sys=2", baggage: "user=somebody" };

const spans: Span[] = [];
const collector = createServer(async (request, response) => {
  let text = "";
  for await (const piece of request) text += piece;
  for (const { scopeSpans } of JSON.parse(text).resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans);
  response.end("{}");
});
/** Before the far server: it sees what is sent there. */
const seen: Array<{ readonly path: string; readonly headers: IncomingHttpHeaders }> = [];
let far: TestServer;
const between = createServer((request, response) => {
  const { method, url: path, headers } = request;
  if (method === "POST") seen.push({ path: path!, headers });
  const onward = ask({ host: "127.0.0.1", port: far.port, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode!, answer.headers);
    answer.pipe(response);
  });
  request.pipe(onward);
});
const portOf = (server: typeof collector) => (server.address() as AddressInfo).port;
const opened: TestServer[] = [];
/** Without the far server's list of models, which nobody's request asks for. */
const served = () => spans.filter(({ name }) => name === "POST /v1/completions");

beforeAll(async () => {
  for (const server of [collector, between]) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const folder = temporaryFolder();
  mkdirSync(join(folder, "models"));
  copyFileSync(TINY, join(folder, "models", "far.gguf"));
  far = await startServer({ cwd: folder, args: ["--no-embedded-model"], env: traced() });
  opened.push(far);
});
afterAll(async () => {
  for (const server of opened) await server.stop();
  for (const server of [collector, between]) server.close();
});

function traced(more: Readonly<Record<string, string>> = {}) {
  return { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${portOf(collector)}`, OTEL_BSP_SCHEDULE_DELAY: "20", ...more };
}

async function gatewayWith(env: Readonly<Record<string, string>>): Promise<TestServer> {
  const gateway = await startServer({ args: ["--upstream", `one=http://127.0.0.1:${portOf(between)}`], env });
  opened.push(gateway);
  return gateway;
}

async function complete(gateway: TestServer, headers: Readonly<Record<string, string>>, more: object = {}) {
  seen.length = 0;
  spans.length = 0;
  const response = await post(gateway, "/v1/completions", { model: "far", prompt: "Once", max_tokens: 3, ...more }, { headers });
  await response.text();
  expect(response.status).toBe(200);
  expect(seen).toHaveLength(1);
  return { sent: seen[0]!.headers, answered: response.headers };
}

describe("with traces", () => {
  let gateway: TestServer;
  beforeAll(async () => {
    gateway = await gatewayWith(traced());
  });

  test("caller, gateway, question to the upstream, upstream: each is the parent of the next", async () => {
    const { sent, answered } = await complete(gateway, HEADERS);
    await until(() => served().length === 2 && spans.some(({ kind }) => kind === 3));
    expect(new Set(spans.filter(({ name }) => !name.startsWith("GET")).map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    const entry = spans.find(({ parentSpanId }) => parentSpanId === SPAN)!;
    const call = spans.find(({ kind }) => kind === 3)!;
    const there = spans.find(({ parentSpanId, kind }) => kind === 2 && parentSpanId === call.spanId)!;
    expect(call).toMatchObject({ parentSpanId: entry.spanId, name: "POST", status: { code: 0 }, traceState: HEADERS.tracestate });
    expect(there).toMatchObject({ name: "POST /v1/completions", traceState: HEADERS.tracestate });
    expect(answered.get("traceparent")).toBe(`00-${TRACE}-${entry.spanId}-01`);
    expect(sent).toMatchObject({ ...HEADERS, traceparent: `00-${TRACE}-${call.spanId}-01` });
    const told = Object.fromEntries(call.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
    expect(told).toEqual({
      ...{ "http.request.method": "POST", "server.address": "127.0.0.1", "server.port": `${portOf(between)}`, "shimmy.upstream": "one" },
    });
    for (const [inner, outer] of [
      [there, call],
      [call, entry],
    ] as const) {
      // Two processes: their clocks agree to a millisecond.
      expect(BigInt(inner.startTimeUnixNano) + 2_000_000n).toBeGreaterThanOrEqual(BigInt(outer.startTimeUnixNano));
      expect(BigInt(inner.startTimeUnixNano)).toBeLessThanOrEqual(BigInt(outer.endTimeUnixNano) + 2_000_000n);
    }
    expect(JSON.stringify(spans)).not.toContain("somebody");
  });

  test("vectors that an upstream makes belong to the trace too", async () => {
    seen.length = 0;
    spans.length = 0;
    const response = await post(gateway, "/v1/embeddings", { model: "far", input: "a cat" }, { headers: HEADERS });
    expect(response.status).toBe(200);
    await until(() => spans.some(({ kind }) => kind === 3));
    const call = spans.find(({ kind }) => kind === 3)!;
    expect(seen[0]!.headers).toMatchObject({ ...HEADERS, traceparent: `00-${TRACE}-${call.spanId}-01` });
  });

  test("one that fails is told as such, with a word of ours", async () => {
    spans.length = 0;
    const answer = await post(gateway, "/v1/completions", { model: "far", prompt: "x ".repeat(9000), max_tokens: 3 }, { headers: HEADERS });
    expect(answer.status).toBe(400);
    await answer.text();
    await until(() => spans.some(({ kind }) => kind === 3));
    const call = spans.find(({ kind }) => kind === 3)!;
    expect(call.status.code).toBe(2);
    expect(call.attributes).toContainEqual({ key: "error.type", value: { stringValue: "context_length_exceeded" } });
  });

  test.each([
    ["version ff", `ff-${TRACE}-${SPAN}-01`],
    ["an id of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
    ["upper case", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ["two of them", `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
  ])("a traceparent with %s begins a new trace, without the state of the other", async (_, traceparent) => {
    const { sent } = await complete(gateway, { ...HEADERS, traceparent });
    expect(sent.traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
    expect(sent.traceparent).not.toContain(TRACE);
    expect(sent.tracestate).toBeUndefined();
  });

  test("who is not sampled is not told of, and hears so further on", async () => {
    const other = "2".repeat(32);
    const { sent } = await complete(gateway, { ...HEADERS, traceparent: `00-${other}-${SPAN}-00` });
    expect(sent.traceparent).toMatch(/^00-2{32}-[\da-f]{16}-00$/);
    const response = await post(gateway, "/v1/completions", { model: "far", prompt: "Once", max_tokens: 3 }, { headers: HEADERS });
    await response.text();
    // Spans come in order, so those of the one before would be there.
    await until(() => served().filter(({ traceId }) => traceId === TRACE).length === 2);
    expect(spans.filter(({ traceId }) => traceId === other)).toEqual([]);
  });

  test("the log line has the id of the trace", async () => {
    await complete(gateway, HEADERS);
    await until(() => gateway.stderr().includes(`traceId=${TRACE}`));
  });
});

test("an upstream that fails and the one that is asked next are two spans of one request, and only the first one failed", async () => {
  const broken = createServer((request, response) => {
    if (request.url === "/v1/models") return response.end(`{"data":[{"id":"far","owned_by":"shimmy"}]}`);
    request.resume();
    response.writeHead(500).end("{}");
  });
  await new Promise<void>((resolve) => broken.listen(0, "127.0.0.1", resolve));
  const names = [`one=http://127.0.0.1:${portOf(broken)},weight=100`, `two=http://127.0.0.1:${portOf(between)},weight=0.1`];
  const gateway = await startServer({ args: names.flatMap((name) => ["--upstream", name]), env: traced() });
  opened.push(gateway);
  await (await fetch(`${gateway.url}/v1/models`)).text();
  const { sent } = await complete(gateway, HEADERS);
  broken.close();
  const calls = () => spans.filter(({ kind }) => kind === 3);
  await until(() => calls().length === 2 && served().length === 2);
  const entry = spans.find(({ parentSpanId }) => parentSpanId === SPAN)!;
  expect(calls().map(({ parentSpanId, status }) => [parentSpanId, status.code])).toEqual([
    [entry.spanId, 2],
    [entry.spanId, 0],
  ]);
  expect(sent.traceparent).toBe(`00-${TRACE}-${calls()[1]!.spanId}-01`);
  expect(served().map(({ parentSpanId }) => parentSpanId)).toContain(calls()[1]!.spanId);
});

test("OTEL_PROPAGATORS: B3 in and out, and a name that is not known is warned of once", async () => {
  const gateway = await gatewayWith(traced({ OTEL_PROPAGATORS: "b3multi,b3,jaeger" }));
  for (let i = 0; i < 2; i++) {
    const { sent } = await complete(gateway, { ...HEADERS, b3: `${"1".repeat(32)}-${SPAN}-1` });
    expect(sent.b3).toMatch(/^1{32}-[\da-f]{16}-1$/);
    expect(sent).toMatchObject({ "x-b3-traceid": "1".repeat(32), "x-b3-sampled": "1" });
    for (const name of ["traceparent", "tracestate", "baggage"]) expect(sent[name]).toBeUndefined();
  }
  expect(gateway.stderr().match(/jaeger/g)).toHaveLength(1);
});

test("without traces the caller's context goes on as it came, and its baggage only where that is asked for", async () => {
  const { sent } = await complete(await gatewayWith({}), HEADERS);
  const { baggage, ...context } = HEADERS;
  expect(sent).toMatchObject(context);
  expect(sent.baggage).toBeUndefined();
  const asked = await gatewayWith({ OTEL_SDK_DISABLED: "true", OTEL_PROPAGATORS: "tracecontext,baggage" });
  const { sent: all, answered } = await complete(asked, HEADERS);
  expect(all).toMatchObject({ ...HEADERS, baggage });
  expect(answered.get("traceparent")).toBeNull();
  const { sent: none } = await complete(await gatewayWith({ OTEL_PROPAGATORS: "none" }), HEADERS);
  for (const name of Object.keys(HEADERS)) expect(none[name]).toBeUndefined();
});
