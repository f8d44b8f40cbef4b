import { expect, test } from "vitest";
import { Metrics, type ModelGauges } from "./metrics.ts";
import { SampledView } from "./view.ts";

/** A real registry under a clock of the test's. */
function create(models: () => readonly ModelGauges[] = () => []) {
  let time = 0;
  const now = () => time;
  const metrics = new Metrics({ version: "1", models, now });
  const view = new SampledView(() => metrics.read(), now);
  const answered = (status: number, ms = 0, code?: string) => {
    const record = metrics.requestStarted("/v1/chat/completions");
    time += ms;
    record.finished({ status, model: "m", operation: "chat", ...(code !== undefined && { code }) });
  };
  return { view, metrics, answered, wait: (seconds: number) => (time += seconds * 1000) };
}

const REQUESTS = { name: "shimmy_requests_total" };
const LATENCY = { name: "gen_ai_server_request_duration_seconds" };

test("a window is what lies between its samples, and a counter that was not there counted nothing", async () => {
  const { view, answered, wait } = create();
  await view.sample();
  for (let i = 0; i < 6; i++) answered(200);
  wait(30);
  await view.sample();
  answered(503, 0, "shutting_down");
  answered(429, 0, "queue_full");
  wait(30);
  await view.sample();
  expect(view.latest(REQUESTS)).toBe(8);
  expect(view.increase(REQUESTS, 30)).toBe(2);
  expect(view.increase(REQUESTS, 60)).toBe(8);
  expect(view.rate(REQUESTS, 60)).toBeCloseTo(8 / 60);
  expect(view.increase({ ...REQUESTS, labels: { status: /^5/ } }, 60)).toBe(1);
  expect(view.increase({ name: "shimmy_request_failures_total", labels: { code: "queue_full" } }, 60)).toBe(1);
});

test("nothing is known of one sample, of no sample and of a metric that does not exist", async () => {
  const { view, answered } = create();
  expect(view.latest(REQUESTS)).toBeUndefined();
  answered(200);
  await view.sample();
  expect(view.increase(REQUESTS, 60)).toBeUndefined();
  expect(view.quantile(0.95, LATENCY, 60)).toBeUndefined();
  await view.sample();
  expect(view.latest({ name: "no_such_metric" })).toBeUndefined();
  expect(view.increase({ name: "no_such_metric" }, 60)).toBeUndefined();
  expect(view.names().map(({ name }) => name)).toContain("shimmy_queue_depth");
});

test("a quantile is of what the window saw, not of what was before", async () => {
  const { view, answered, wait } = create();
  for (let i = 0; i < 100; i++) answered(200, 9000);
  await view.sample();
  for (let i = 0; i < 20; i++) answered(200, 15);
  wait(10);
  await view.sample();
  expect(view.quantile(0.95, LATENCY, 60)).toBeLessThanOrEqual(0.02);
  expect(view.quantile(0.95, { ...LATENCY, labels: { gen_ai_operation_name: "embeddings" } }, 60)).toBeUndefined();
});

test("gauges: the sum, the largest, the mean over the window", async () => {
  let queued = 2;
  const models = () => ["a", "b"].map((model) => ({ model, queued: model === "a" ? queued : 1, running: 0, loaded: true }));
  const { view, wait } = create(models);
  const depth = { name: "shimmy_queue_depth" };
  await view.sample();
  queued = 6;
  wait(5);
  await view.sample();
  expect(view.latest(depth)).toBe(7);
  expect(view.max(depth)).toBe(6);
  expect(view.average(depth, 60)).toBe(5);
  expect(view.average(depth, 1)).toBe(7);
});

test("a counter that began anew counts from 0", async () => {
  let drafted = 100;
  const none = { slots: 1, cells: 1, cellsUsed: 0, storedTokens: 0, storedBytes: 0, threads: 1, stepTokens: 0, acceptedTokens: 0 };
  const { view, wait } = create(() => [{ model: "m", queued: 0, running: 0, loaded: true, engine: { ...none, draftedTokens: drafted } }]);
  for (const value of [100, 130, 5]) {
    drafted = value;
    await view.sample();
    wait(5);
  }
  expect(view.increase({ name: "shimmy_drafted_tokens_total" }, 60)).toBe(35);
});
