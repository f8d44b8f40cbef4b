/** Metrics, logs and traces of a running server, as its operator sees them. */
import { execFileSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scrape } from "../support/exposition.ts";
import { startServer, type TestServer } from "../support/server.ts";

const SECRET = "Swordfish";
const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

let collector: Server;
let server: TestServer;
let received = "";
const spans: Span[] = [];

beforeAll(async () => {
  collector = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part) => {
      text += part;
    });
    request.on("end", () => {
      received += text;
      for (const { scopeSpans } of JSON.parse(text).resourceSpans) spans.push(...scopeSpans[0].spans);
      response.end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_BSP_SCHEDULE_DELAY: "50" } });
});

afterAll(async () => {
  await server?.stop();
  collector?.close();
});

async function ask(url: string, stream: boolean, more: object = {}) {
  const messages = [{ role: "user", content: `${SECRET}: tell me a story` }];
  const body = JSON.stringify({ model: "shimmy-tiny", messages, max_tokens: 12, logit_bias: {}, stream, ...more });
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", traceparent: PARENT },
    body,
  });
  return { status: response.status, traceparent: response.headers.get("traceparent"), text: await response.text() };
}

test("each key metric of the template has a true value after a request", async () => {
  await scrape(server.url);
  for (const stream of [false, true]) expect((await ask(server.url, stream)).status).toBe(200);
  const m = await scrape(server.url);
  expect(m.get("shimmy_startup_seconds")).toBeGreaterThan(0.01);
  expect(m.get("shimmy_startup_seconds")).toBeLessThan(10);
  const [gateway, all] = [m.get("process_resident_memory_bytes")!, m.get("shimmy_memory_bytes")!];
  if (process.platform === "linux") {
    const engine = m.get('shimmy_engine_resident_memory_bytes{model="shimmy-tiny"}')!;
    expect(Math.abs(all - gateway - engine)).toBeLessThan(20e6);
    expect(engine).toBeGreaterThan(20e6);
    expect(m.get('shimmy_engine_cpu_seconds_total{model="shimmy-tiny"}')).toBeGreaterThan(0);
  }
  expect(m.get("shimmy_expected_memory_bytes")).toBeGreaterThan(m.get("shimmy_base_memory_bytes")!);
  const chat = 'gen_ai_operation_name="chat",gen_ai_response_model="shimmy-tiny"';
  const [first, whole] = ["gen_ai_server_time_to_first_token_seconds", "gen_ai_server_request_duration_seconds"];
  expect(m.get(`${first}_count{${chat}}`)).toBe(2);
  expect(m.get(`${whole}_count{${chat},error_type=""}`)).toBe(2);
  expect(m.get(`${whole}_sum{${chat},error_type=""}`)).toBeGreaterThan(m.get(`${first}_sum{${chat}}`)!);
  expect(m.get('shimmy_model_load_seconds_count{model="shimmy-tiny"}')).toBe(1);
  expect(m.get('shimmy_load_wait_seconds_count{model="shimmy-tiny"}')).toBe(1);
  expect(m.get('shimmy_queue_wait_seconds_count{model="shimmy-tiny"}')).toBe(2);
});

test("the engine's steps are counted: as many tokens as were computed", async () => {
  const before = await scrape(server.url);
  await ask(server.url, false, { seed: 1 });
  const after = await scrape(server.url);
  const grown = (name: string) => after.get(`${name}{model="shimmy-tiny"}`)! - (before.get(`${name}{model="shimmy-tiny"}`) ?? 0);
  const computed = grown("shimmy_prompt_tokens_total") - grown("shimmy_cached_tokens_total") + grown("shimmy_completion_tokens_total");
  // The last token is not computed; guessed ones are beside the others.
  expect(grown("shimmy_batch_tokens_sum") - grown("shimmy_drafted_tokens_total")).toBeGreaterThanOrEqual(computed - 2);
  expect(grown("shimmy_batch_tokens_sum") - grown("shimmy_drafted_tokens_total")).toBeLessThanOrEqual(computed + 2);
  expect(grown("shimmy_step_seconds_count")).toBe(grown("shimmy_batch_sequences_count"));
  expect(grown("shimmy_step_seconds_sum")).toBeGreaterThan(0);
});

test("the event loop is watched from the first scrape on", async () => {
  await scrape(server.url);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const m = await scrape(server.url);
  expect(m.get('nodejs_eventloop_delay_seconds{percentile="50"}')).toBeGreaterThanOrEqual(0);
  expect(m.get("nodejs_eventloop_utilization")).toBeLessThanOrEqual(1);
});

test("JSON has the original's fields, for ?format=json and for Accept", async () => {
  const json = (await (await fetch(`${server.url}/metrics?format=json`)).json()) as {
    readonly endpoints: string[];
    readonly key_metrics: { readonly time_to_first_token_seconds: { readonly p95: number } };
  };
  expect(json).toMatchObject({
    service: "shimmy",
    models: { total_count: 1, by_type: { discovered: 1, manual: 0 } },
    features: { llama: true },
    gpu_detected: expect.any(Boolean),
    key_metrics: { error_rate: 0, memory_bytes: expect.any(Number) },
  });
  expect(json.endpoints).toContain("/metrics");
  expect(json.key_metrics.time_to_first_token_seconds.p95).toBeGreaterThan(0);
  const type = async (accept: string) => (await fetch(`${server.url}/metrics`, { headers: { accept } })).headers.get("content-type");
  expect(await type("application/json")).toMatch(/json/);
  expect(await type("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1")).toMatch(/^text\/plain/);
});

test("a request is a span of its caller's trace, with a child for each phase within it", async () => {
  spans.length = 0;
  const { traceparent } = await ask(server.url, true);
  const [, traceId, spanId] = traceparent!.split("-");
  expect(traceId).toBe(PARENT.split("-")[1]);
  await expect.poll(() => spans.filter((span) => span.traceId === traceId).length, { timeout: 5000 }).toBe(4);
  const request = spans.find((span) => span.spanId === spanId)!;
  expect(request).toMatchObject({ name: "POST /v1/chat/completions", parentSpanId: PARENT.split("-")[2] });
  const children = spans.filter((span) => span.parentSpanId === spanId);
  expect(children.map(({ name }) => name)).toEqual(["queue", "prefill", "decode"]);
  for (const [i, child] of children.entries()) {
    expect(BigInt(child.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(children[i - 1]?.endTimeUnixNano ?? request.startTimeUnixNano));
    expect(BigInt(child.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(request.endTimeUnixNano));
  }
});

test("the log has one line a request, with times, and its level changes while the server runs", async () => {
  const lines = () => server.stderr().split("\n");
  const before = lines().filter((line) => line.includes("route=/v1/chat/completions")).length;
  await ask(server.url, true);
  await expect.poll(() => lines().filter((line) => line.includes("route=/v1/chat/completions")).length).toBe(before + 1);
  const line = lines().findLast((candidate) => candidate.includes("route=/v1/chat/completions"))!;
  for (const name of ["id", "model", "promptTokens", "completionTokens", "queueMs", "firstMs", "ms", "traceId"])
    expect(line).toContain(` ${name}=`);
  const set = (level: unknown) =>
    fetch(`${server.url}/api/log-level`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ level }),
    });
  expect((await set("loud")).status).toBe(400);
  expect(await (await set("error")).json()).toEqual({ level: "error" });
  await ask(server.url, false);
  expect(await (await fetch(`${server.url}/api/log-level`)).json()).toEqual({ level: "error" });
  expect(lines().filter((candidate) => candidate.includes("route=/v1/chat/completions")).length).toBe(before + 1);
  await set("info");
});

test("prompts are in no metric, no line and no span", async () => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const json = await (await fetch(`${server.url}/metrics?format=json`)).text();
  for (const told of [text, json, server.stderr(), received]) expect(told).not.toContain(SECRET);
  expect(received.length).toBeGreaterThan(100);
});

test("without recording requests are not counted, and without the variables nothing is traced", async () => {
  const quiet = await startServer({ args: ["--no-metrics"] });
  try {
    expect((await ask(quiet.url, false)).traceparent).toBeNull();
    const m = await scrape(quiet.url);
    expect([...m.keys()].filter((name) => name.startsWith("shimmy_requests_total"))).toEqual([]);
    expect(m.get("shimmy_models_loaded")).toBe(1);
  } finally {
    await quiet.stop();
  }
});

const promtool = findPromtool();
test.skipIf(!promtool)("promtool finds nothing to complain about (skipped where it is not installed)", async () => {
  const input = await (await fetch(`${server.url}/metrics`)).text();
  expect(execFileSync(promtool!, ["check", "metrics"], { input, encoding: "utf8" })).toBe("");
});

function findPromtool(): string | undefined {
  const name = process.env.PROMTOOL ?? "promtool";
  try {
    execFileSync(name, ["--version"], { stdio: "ignore" });
    return name;
  } catch {
    return undefined;
  }
}
