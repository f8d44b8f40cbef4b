import { expect, test } from "vitest";
import { Metrics, type ModelGauges } from "./metrics.ts";

function create(models: () => readonly ModelGauges[] = () => []) {
  let time = 0;
  const metrics = new Metrics({ version: "1.2.3", models, now: () => time });
  return { metrics, wait: (ms: number) => (time += ms) };
}

/** The value of one line of the exposition format, e.g. `shimmy_requests_total{route="/x",model="m",status="200"}`. */
async function sampleOf(metrics: Metrics, series: string): Promise<number | undefined> {
  const { body } = await metrics.text();
  const line = body.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test("counts recorded before the library is loaded are not lost", async () => {
  const { metrics } = create();
  for (let i = 0; i < 5; i++) {
    metrics
      .requestStarted("/v1/chat/completions")
      .finished({ status: 200, model: "m", promptTokens: 10, cachedTokens: 4, completionTokens: 3 });
  }
  expect(await sampleOf(metrics, 'shimmy_requests_total{route="/v1/chat/completions",model="m",status="200"}')).toBe(5);
  expect(await sampleOf(metrics, 'shimmy_prompt_tokens_total{model="m"}')).toBe(50);
  expect(await sampleOf(metrics, 'shimmy_cached_tokens_total{model="m"}')).toBe(20);
  expect(await sampleOf(metrics, 'shimmy_completion_tokens_total{model="m"}')).toBe(15);
});

test("durations are measured from the start of the request, not from the loading of the library", async () => {
  const { metrics, wait } = create();
  const record = metrics.requestStarted("/v1/completions");
  wait(300);
  record.first("m", 300);
  record.token("m");
  wait(1700);
  record.token("m");
  record.finished({ status: 200, model: "m" });
  wait(5000);
  expect(await sampleOf(metrics, 'shimmy_time_to_first_token_seconds_sum{model="m"}')).toBe(0.3);
  expect(await sampleOf(metrics, 'shimmy_time_to_first_token_seconds_count{model="m"}')).toBe(1);
  expect(await sampleOf(metrics, 'shimmy_request_duration_seconds_sum{route="/v1/completions"}')).toBe(2);
});

test("a request is counted once however often it is finished, and without a model as unknown", async () => {
  const { metrics } = create();
  const record = metrics.requestStarted("unmatched");
  record.finished({ status: 404 });
  record.finished({ status: 499 });
  expect(await sampleOf(metrics, 'shimmy_requests_total{route="unmatched",model="unknown",status="404"}')).toBe(1);
  expect((await metrics.text()).body).not.toContain('status="499"');
});

test("probes are not counted", async () => {
  const { metrics } = create();
  metrics.requestStarted("/health").finished({ status: 200 });
  metrics.requestStarted("/metrics").finished({ status: 200 });
  expect((await metrics.text()).body).not.toContain("shimmy_requests_total{");
});

test("gauges follow the pool at each scrape and forget models that are gone", async () => {
  let models: ModelGauges[] = [
    { model: "a", queued: 3, running: 8, loaded: true },
    { model: "b", queued: 0, running: 0, loaded: false },
  ];
  const { metrics } = create(() => models);
  expect(await sampleOf(metrics, 'shimmy_queue_depth{model="a"}')).toBe(3);
  expect(await sampleOf(metrics, 'shimmy_running_requests{model="a"}')).toBe(8);
  expect(await sampleOf(metrics, "shimmy_models_loaded")).toBe(1);
  models = [{ model: "b", queued: 1, running: 0, loaded: true }];
  expect(await sampleOf(metrics, 'shimmy_queue_depth{model="a"}')).toBeUndefined();
  expect(await sampleOf(metrics, 'shimmy_queue_depth{model="b"}')).toBe(1);
});

test("what an engine holds is told for loaded models only", async () => {
  const drafts = { draftedTokens: 40, acceptedTokens: 30 };
  const engine = { slots: 8, cells: 4096, cellsUsed: 100, storedTokens: 50, storedBytes: 7000, threads: 2, stepTokens: 128, ...drafts };
  const models: ModelGauges[] = [
    { model: "a", queued: 0, running: 0, loaded: true, engine },
    { model: "b", queued: 0, running: 0, loaded: false },
  ];
  const { metrics } = create(() => models);
  const names = ["slots", "kv_cells", "kv_cells_used", "kv_store_tokens", "kv_store_bytes", "engine_threads", "step_budget_tokens"];
  names.push("drafted_tokens_total", "accepted_tokens_total");
  const told = await Promise.all(names.map((name) => sampleOf(metrics, `shimmy_${name}{model="a"}`)));
  expect(told).toEqual([8, 4096, 100, 50, 7000, 2, 128, 40, 30]);
  for (const name of names) expect(await sampleOf(metrics, `shimmy_${name}{model="b"}`)).toBeUndefined();
});

test("loads and restarts are counted", async () => {
  const { metrics } = create();
  metrics.modelLoaded("m", 0.75);
  metrics.engineRestarted("m");
  metrics.engineRestarted("m");
  expect(await sampleOf(metrics, 'shimmy_model_load_seconds_sum{model="m"}')).toBe(0.75);
  expect(await sampleOf(metrics, 'shimmy_engine_restarts_total{model="m"}')).toBe(2);
});

test("numbers that make no sense fail nobody", async () => {
  const { metrics } = create();
  await metrics.text();
  metrics.modelLoaded("m", Number.NaN);
  metrics.requestStarted("/x").finished({ status: 200, model: "m", promptTokens: -1, completionTokens: Number.POSITIVE_INFINITY });
  expect(await sampleOf(metrics, 'shimmy_requests_total{route="/x",model="m",status="200"}')).toBe(1);
  expect(await sampleOf(metrics, 'shimmy_completion_tokens_total{model="m"}')).toBe(0);
});

test("the process and the build are told under their standard names, in Prometheus text", async () => {
  const { metrics } = create();
  const { contentType } = await metrics.text();
  expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await sampleOf(metrics, "process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
  const cpu = await sampleOf(metrics, "process_cpu_seconds_total");
  expect(cpu).toBeGreaterThan(0);
  expect(await sampleOf(metrics, "process_cpu_seconds_total")).toBeGreaterThanOrEqual(cpu ?? Number.NaN);
  expect(await sampleOf(metrics, "process_start_time_seconds")).toBeLessThanOrEqual(Date.now() / 1000);
  expect(await sampleOf(metrics, 'shimmy_build_info{version="1.2.3"}')).toBe(1);
});

test("two instances share nothing", async () => {
  const first = create().metrics;
  const second = create().metrics;
  first.engineRestarted("m");
  expect(await sampleOf(first, 'shimmy_engine_restarts_total{model="m"}')).toBe(1);
  expect(await sampleOf(second, 'shimmy_engine_restarts_total{model="m"}')).toBeUndefined();
});

test("what failed through the server is counted with its code, what a caller got wrong is not", async () => {
  const { metrics } = create();
  const end = (status: number, code: string) => metrics.requestStarted("/v1/completions").finished({ status, code });
  end(400, "invalid_value");
  end(429, "queue_full");
  end(500, "internal");
  const labels = 'route="/v1/completions",model="unknown"';
  expect(await sampleOf(metrics, `shimmy_request_failures_total{${labels},code="queue_full"}`)).toBe(1);
  expect(await sampleOf(metrics, `shimmy_request_failures_total{${labels},code="internal"}`)).toBe(1);
  expect((await metrics.text()).body).not.toContain('code="invalid_value"');
});

test("pieces of an answer are apart from the one before of the same choice", async () => {
  const { metrics, wait } = create();
  await metrics.text();
  const record = metrics.requestStarted("/v1/chat/completions");
  wait(100);
  record.token("m", 0);
  record.token("m", 1);
  wait(40);
  record.token("m", 0);
  wait(20);
  record.token("m", 1);
  expect(await sampleOf(metrics, 'shimmy_inter_token_seconds_count{model="m"}')).toBe(2);
  expect(await sampleOf(metrics, 'shimmy_inter_token_seconds_sum{model="m"}')).toBeCloseTo(0.1);
  expect(await sampleOf(metrics, "shimmy_requests_in_progress")).toBe(1);
});

test("OpenTelemetry's metrics: duration, first token, time per token, tokens", async () => {
  const { metrics, wait } = create();
  const record = metrics.requestStarted("/v1/chat/completions");
  wait(500);
  record.first("m", 500);
  record.token("m");
  wait(1000);
  record.finished({ status: 200, model: "m", operation: "chat", promptTokens: 7, completionTokens: 11, queueMs: 30, promptMs: 200 });
  const labels = 'gen_ai_operation_name="chat",gen_ai_response_model="m"';
  expect(await sampleOf(metrics, `gen_ai_server_request_duration_seconds_sum{${labels},error_type=""}`)).toBe(1.5);
  expect(await sampleOf(metrics, `gen_ai_server_time_to_first_token_seconds_sum{${labels}}`)).toBe(0.5);
  expect(await sampleOf(metrics, `gen_ai_server_time_per_output_token_seconds_sum{${labels}}`)).toBe(0.1);
  expect(await sampleOf(metrics, `gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="input"}`)).toBe(7);
  expect(await sampleOf(metrics, `gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="output"}`)).toBe(11);
  expect(await sampleOf(metrics, 'shimmy_queue_wait_seconds_sum{model="m"}')).toBe(0.03);
  expect(await sampleOf(metrics, 'shimmy_prompt_cache_requests_total{model="m",result="miss"}')).toBe(1);
});

test("without recording nothing is counted, and the state is told all the same", async () => {
  const metrics = new Metrics({ version: "1", recording: false, models: () => [{ model: "a", queued: 3, running: 0, loaded: true }] });
  metrics.requestStarted("/v1/completions").finished({ status: 200 });
  expect((await metrics.text()).body).not.toContain("shimmy_requests_total{");
  expect(await sampleOf(metrics, 'shimmy_queue_depth{model="a"}')).toBe(3);
});
