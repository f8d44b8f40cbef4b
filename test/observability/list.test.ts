/** Every metric there is, after a server has done a known piece of work (known-work.ts): each value is what the answers themselves said. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { value } from "../support/exposition.ts";
import type { TestServer } from "../support/server.ts";
import { BUDGET, CHAT, COMPLETIONS, EMBEDDINGS, knownWork, type Told, type Work } from "./known-work.ts";

const OPERATIONS: Readonly<Record<string, string>> = { [CHAT]: "chat", [COMPLETIONS]: "text_completion", [EMBEDDINGS]: "embeddings" };

let server: TestServer;
let stop: Work["stop"] | undefined;
let told: Work["told"];
let after: Work["after"];
let during: Work["during"];
let json: Work["json"];
let [batchRequests, usedBytes, startedAt] = [0, 0, 0];
beforeAll(async () => {
  ({ server, told, batchRequests, after, during, json, usedBytes, startedAt, stop } = await knownWork());
}, 100_000);
afterAll(() => stop?.());

const is = (name: string, labels?: Readonly<Record<string, string>>) => value(after, name, labels);
const of = (fits: (one: Told) => boolean) => told.filter(fits);
const total = (ones: readonly Told[], key: "prompt" | "cached" | "completion") => ones.reduce((sum, one) => sum + one[key], 0);
const well = (one: Told) => one.status === 200;
const generated = (one: Told) => well(one) && one.route !== EMBEDDINGS;
const MODELS = ["shimmy-tiny", "second", "far"] as const;
const TINY_LABEL = { model: "shimmy-tiny" };

/** Of each model that generated: so many values, all of them times. */
function times(name: string, fits: (one: Told) => boolean, most = 20): void {
  for (const model of MODELS) {
    expect([model, is(`${name}_count`, { model })]).toEqual([model, of((one) => fits(one) && one.model === model).length]);
    expect(is(`${name}_sum`, { model })).toBeLessThan(most);
  }
}

/** By operation and model. */
function genAi(name: string, fits: (one: Told) => boolean, labels: Readonly<Record<string, string>> = {}): void {
  for (const [route, operation] of Object.entries(OPERATIONS))
    for (const model of [...MODELS, "broken"]) {
      const counted = is(`${name}_count`, { gen_ai_operation_name: operation, gen_ai_response_model: model, ...labels });
      expect([operation, model, counted]).toEqual([
        operation,
        model,
        of((one) => fits(one) && one.route === route && one.model === model).length,
      ]);
    }
}

function tokens(name: string, key: "prompt" | "cached" | "completion"): void {
  for (const model of MODELS)
    expect([model, is(name, { model })]).toEqual([
      model,
      total(
        of((one) => one.model === model),
        key,
      ),
    ]);
}

const exactly = (name: string, wanted: number, labels?: Readonly<Record<string, string>>) => () => expect(is(name, labels)).toBe(wanted);
const between = (name: string, low: number, high: number) => () => {
  expect(is(name)).toBeGreaterThanOrEqual(low);
  expect(is(name)).toBeLessThanOrEqual(high);
};

const residentBytes = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024;

/** What is true of each metric. */
const CHECKS: Readonly<Record<string, () => void | Promise<void>>> = {
  shimmy_requests_total: () => {
    for (const route of [CHAT, COMPLETIONS, EMBEDDINGS])
      for (const model of [...MODELS, "broken"])
        for (const status of [200, 503]) {
          const here = of((one) => one.route === route && one.model === model && one.status === status).length;
          expect([route, model, status, is("shimmy_requests_total", { route, model, status: `${status}` })]).toEqual([
            route,
            model,
            status,
            here,
          ]);
        }
    expect(is("shimmy_requests_total")).toBe(told.length + batchRequests);
  },
  shimmy_request_failures_total: () => {
    expect(is("shimmy_request_failures_total", { route: COMPLETIONS, model: "broken", code: "model_load_failed" })).toBe(1);
    expect(is("shimmy_request_failures_total")).toBe(1);
  },
  shimmy_request_duration_seconds: () => {
    for (const route of [CHAT, COMPLETIONS, EMBEDDINGS])
      expect(is("shimmy_request_duration_seconds_count", { route })).toBe(of((one) => one.route === route).length);
  },
  shimmy_requests_in_progress: () => {
    expect(is("shimmy_requests_in_progress")).toBe(0);
    expect(value(during, "shimmy_requests_in_progress")).toBe(3);
  },
  shimmy_queue_depth: () => expect([is("shimmy_queue_depth", TINY_LABEL), value(during, "shimmy_queue_depth", TINY_LABEL)]).toEqual([0, 1]),
  shimmy_running_requests: () =>
    expect([is("shimmy_running_requests", TINY_LABEL), value(during, "shimmy_running_requests", TINY_LABEL)]).toEqual([0, 2]),
  shimmy_time_to_first_token_seconds: () => times("shimmy_time_to_first_token_seconds", generated),
  shimmy_queue_wait_seconds: () => times("shimmy_queue_wait_seconds", generated),
  shimmy_prefill_seconds: () => times("shimmy_prefill_seconds", generated),
  shimmy_load_wait_seconds: () => {
    for (const model of ["shimmy-tiny", "second"]) expect(is("shimmy_load_wait_seconds_count", { model })).toBe(1);
    expect(is("shimmy_load_wait_seconds_sum")).toBeLessThanOrEqual(is("shimmy_model_load_seconds_sum") + 1);
  },
  shimmy_inter_token_seconds: () => {
    // Pieces: tokens of one step come together, and a token may be no whole text.
    const pieces = of(generated).reduce((sum, { completion }) => sum + completion - 1, 0);
    expect(is("shimmy_inter_token_seconds_count")).toBeLessThanOrEqual(pieces);
    expect(is("shimmy_inter_token_seconds_count")).toBeGreaterThanOrEqual(pieces - is("shimmy_accepted_tokens_total") - 4);
    expect(is("shimmy_inter_token_seconds_sum")).toBeLessThan(is("shimmy_request_duration_seconds_sum"));
  },
  shimmy_prompt_tokens_total: () => tokens("shimmy_prompt_tokens_total", "prompt"),
  shimmy_cached_tokens_total: () => {
    tokens("shimmy_cached_tokens_total", "cached");
    expect(is("shimmy_cached_tokens_total", TINY_LABEL)).toBeGreaterThan(0);
  },
  shimmy_completion_tokens_total: () => tokens("shimmy_completion_tokens_total", "completion"),
  shimmy_prompt_cache_requests_total: () => {
    const hits = of((one) => generated(one) && one.cached > 0).length;
    expect(is("shimmy_prompt_cache_requests_total", { result: "hit" })).toBe(hits);
    expect(is("shimmy_prompt_cache_requests_total", { result: "miss" })).toBe(of(generated).length - hits);
  },
  gen_ai_server_request_duration_seconds: () => {
    genAi("gen_ai_server_request_duration_seconds", () => true);
    expect(is("gen_ai_server_request_duration_seconds_count", { error_type: "model_load_failed" })).toBe(1);
  },
  gen_ai_server_time_to_first_token_seconds: () => genAi("gen_ai_server_time_to_first_token_seconds", generated),
  gen_ai_server_time_per_output_token_seconds: () => genAi("gen_ai_server_time_per_output_token_seconds", generated),
  gen_ai_client_token_usage: () => {
    genAi("gen_ai_client_token_usage", well, { gen_ai_token_type: "input" });
    genAi("gen_ai_client_token_usage", generated, { gen_ai_token_type: "output" });
    expect(is("gen_ai_client_token_usage_sum", { gen_ai_token_type: "input" })).toBe(total(of(well), "prompt"));
    expect(is("gen_ai_client_token_usage_sum", { gen_ai_token_type: "output" })).toBe(total(of(generated), "completion"));
  },
  shimmy_batch_tokens: () => {
    // The last token of an answer is not computed, and one that was guessed right is computed with its guess.
    const mine = of((one) => generated(one) && one.model === "shimmy-tiny");
    const computed = total(mine, "prompt") - total(mine, "cached") + total(mine, "completion") - mine.length;
    const guesses = is("shimmy_drafted_tokens_total") - is("shimmy_accepted_tokens_total");
    expect(is("shimmy_batch_tokens_sum", TINY_LABEL) - guesses).toBeGreaterThanOrEqual(computed);
    expect(is("shimmy_batch_tokens_sum", TINY_LABEL) - guesses).toBeLessThanOrEqual(computed + mine.length);
  },
  shimmy_batch_sequences: () => {
    expect(is("shimmy_batch_sequences_count", TINY_LABEL)).toBe(is("shimmy_step_seconds_count", TINY_LABEL));
    // One after the other.
    expect(is("shimmy_batch_sequences_sum", TINY_LABEL)).toBe(is("shimmy_step_seconds_count", TINY_LABEL));
  },
  shimmy_step_seconds: () => {
    expect(is("shimmy_step_seconds_count", TINY_LABEL)).toBe(is("shimmy_batch_tokens_count", TINY_LABEL));
    expect(is("shimmy_step_seconds_sum", TINY_LABEL)).toBeLessThan(is("shimmy_request_duration_seconds_sum"));
  },
  shimmy_step_budget_tokens: between("shimmy_step_budget_tokens", 1, 512),
  shimmy_drafted_tokens_total: between("shimmy_drafted_tokens_total", 1, 1000),
  shimmy_accepted_tokens_total: () => {
    expect(is("shimmy_accepted_tokens_total")).toBeGreaterThan(0);
    expect(is("shimmy_accepted_tokens_total")).toBeLessThanOrEqual(
      Math.min(is("shimmy_drafted_tokens_total"), is("shimmy_completion_tokens_total")),
    );
  },
  shimmy_slots: exactly("shimmy_slots", 2, TINY_LABEL),
  shimmy_kv_cells: exactly("shimmy_kv_cells", 2 * 512, TINY_LABEL),
  shimmy_kv_cells_used: () => {
    const longest = Math.max(...of(generated).map(({ prompt, completion }) => prompt + completion));
    expect(is("shimmy_kv_cells_used")).toBeGreaterThanOrEqual(longest - 1);
    expect(is("shimmy_kv_cells_used")).toBeLessThanOrEqual(is("shimmy_kv_cells"));
  },
  shimmy_kv_store_tokens: between("shimmy_kv_store_tokens", 0, 2 * 512),
  shimmy_kv_store_bytes: () => expect(is("shimmy_kv_store_bytes") > 0).toBe(is("shimmy_kv_store_tokens") > 0),
  shimmy_engine_threads: exactly("shimmy_engine_threads", 1, TINY_LABEL),
  shimmy_engine_cpu_seconds_total: between("shimmy_engine_cpu_seconds_total", 0.01, 60),
  shimmy_engine_resident_memory_bytes: async () => {
    const real = residentBytes((await server.engines())[0]!);
    expect(Math.abs(is("shimmy_engine_resident_memory_bytes") / real - 1)).toBeLessThan(0.3);
  },
  shimmy_model_gpu_layers: exactly("shimmy_model_gpu_layers", 0, TINY_LABEL),
  shimmy_model_device: exactly("shimmy_model_device", 1, { model: "shimmy-tiny", device: "CPU" }),
  shimmy_models_loaded: exactly("shimmy_models_loaded", 1),
  shimmy_model_memory_bytes: () => expect(is("shimmy_model_memory_bytes", TINY_LABEL)).toBe(usedBytes),
  shimmy_memory_budget_bytes: exactly("shimmy_memory_budget_bytes", BUDGET),
  shimmy_memory_budget_used_bytes: () => expect(is("shimmy_memory_budget_used_bytes")).toBe(usedBytes),
  // The one that crashed was loaded twice.
  shimmy_model_load_seconds: () => {
    for (const [model, loads] of [
      ["shimmy-tiny", 1],
      ["second", 2],
      ["broken", 0],
    ] as const)
      expect([model, is("shimmy_model_load_seconds_count", { model })]).toEqual([model, loads]);
  },
  shimmy_model_load_failures_total: exactly("shimmy_model_load_failures_total", 1, { model: "broken" }),
  shimmy_model_unloads_total: () => {
    expect(is("shimmy_model_unloads_total", { model: "second", reason: "room" })).toBe(1);
    expect(is("shimmy_model_unloads_total")).toBe(1);
  },
  shimmy_model_fallbacks_total: () => {
    expect(is("shimmy_model_fallbacks_total", { step: "default" })).toBe(1);
    expect(is("shimmy_model_fallbacks_total")).toBe(1);
  },
  shimmy_engine_restarts_total: () => {
    expect(is("shimmy_engine_restarts_total", { model: "second" })).toBe(1);
    expect(is("shimmy_engine_restarts_total")).toBe(1);
  },
  shimmy_upstream_requests_total: () => {
    expect(is("shimmy_upstream_requests_total", { end: "answered" })).toBe(1);
    expect(is("shimmy_upstream_requests_total")).toBe(1);
  },
  shimmy_upstream_breaker_state: exactly("shimmy_upstream_breaker_state", 0),
  shimmy_upstream_breaker_opens_total: exactly("shimmy_upstream_breaker_opens_total", 0),
  shimmy_upstream_in_flight: exactly("shimmy_upstream_in_flight", 0),
  shimmy_alert_firing: () => {
    expect(is("shimmy_alert_firing", { alert: "always" })).toBe(1);
    expect(is("shimmy_alert_firing", { alert: "never" })).toBe(0);
  },
  shimmy_trace_spans_total: () => {
    // A request, its three phases, and a wait for a model.
    expect(is("shimmy_trace_spans_total", { outcome: "exported" })).toBeGreaterThanOrEqual(told.length + 3 * of(generated).length);
    expect(is("shimmy_trace_spans_total", { outcome: "dropped" })).toBe(0);
  },
  shimmy_startup_seconds: between("shimmy_startup_seconds", 0.01, 5),
  shimmy_base_memory_bytes: between("shimmy_base_memory_bytes", 20e6, 150e6),
  shimmy_memory_bytes: () => {
    const parts = is("process_resident_memory_bytes") + is("shimmy_engine_resident_memory_bytes");
    expect(Math.abs(is("shimmy_memory_bytes") - parts)).toBeLessThan(10e6);
  },
  shimmy_expected_memory_bytes: () =>
    expect(is("shimmy_expected_memory_bytes")).toBe(is("shimmy_base_memory_bytes") + is("shimmy_model_memory_bytes")),
  shimmy_gateway_private_memory_bytes: () => {
    expect(is("shimmy_gateway_private_memory_bytes")).toBeGreaterThan(5e6);
    expect(is("shimmy_gateway_private_memory_bytes")).toBeLessThan(is("process_resident_memory_bytes"));
  },
  shimmy_machine_memory_bytes: () => {
    const kibibytes = /MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))![1];
    expect(is("shimmy_machine_memory_bytes")).toBe(Number(kibibytes) * 1024);
  },
  shimmy_machine_free_memory_bytes: () => {
    expect(is("shimmy_machine_free_memory_bytes")).toBeGreaterThan(0);
    expect(is("shimmy_machine_free_memory_bytes")).toBeLessThan(is("shimmy_machine_memory_bytes"));
  },
  shimmy_machine_cpus: async () => exactly("shimmy_machine_cpus", (await import("node:os")).availableParallelism())(),
  shimmy_build_info: exactly("shimmy_build_info", 1, { version: JSON.parse(readFileSync("package.json", "utf8")).version }),
  process_resident_memory_bytes: () => {
    expect(Math.abs(is("process_resident_memory_bytes") / residentBytes(server.pid) - 1)).toBeLessThan(0.3);
  },
  process_cpu_seconds_total: between("process_cpu_seconds_total", 0.05, 60),
  process_start_time_seconds: () => expect(Math.abs(is("process_start_time_seconds") - startedAt)).toBeLessThan(3),
  nodejs_active_resources: between("nodejs_active_resources", 2, 200),
  nodejs_eventloop_delay_seconds: between("nodejs_eventloop_delay_seconds", 0, 6),
  nodejs_eventloop_utilization: between("nodejs_eventloop_utilization", 0, 1),
};

/** They need a GPU: these tests have one in software. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  shimmy_device_info: "test/hardware/vulkan.test.ts",
  shimmy_device_memory_bytes: "test/hardware/vulkan.test.ts",
  shimmy_device_free_memory_bytes: "test/hardware/vulkan.test.ts",
  shimmy_device_held_memory_bytes: "test/hardware/vulkan.test.ts",
  shimmy_backend_failures_total: "test/hardware/broken-backend.test.ts",
};

test.skipIf(process.platform !== "linux").each(Object.entries(CHECKS))("%s (Linux)", async (_, holds) => holds());

test("every metric is checked, here or where there is a GPU", async () => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!);
  expect(names.sort()).toEqual([...Object.keys(CHECKS), ...Object.keys(ELSEWHERE)].sort());
  for (const name of Object.keys(ELSEWHERE)) expect([...after.keys()].filter((series) => series.startsWith(name))).toEqual([]);
});

test("the JSON has the original's shape, and the same counts", () => {
  expect(json).toMatchObject({
    service: "shimmy",
    version: expect.any(String),
    gpu_detected: expect.any(Boolean),
    models: { total_count: 4, total_size_mb: expect.any(Number), by_type: { discovered: 4, manual: 0 } },
    system: { memory_total_mb: Math.round(is("shimmy_machine_memory_bytes") / 2 ** 20), memory_free_mb: expect.any(Number) },
    features: { llama: true, huggingface: true },
    devices: [],
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  });
  expect(json).toHaveProperty("gpu_vendor");
  expect(json).toHaveProperty("system.memory_available_mb");
  expect(json.endpoints).toContain("/v1/chat/completions");
  expect(json.key_metrics).toMatchObject({
    startup_seconds: is("shimmy_startup_seconds"),
    base_memory_bytes: is("shimmy_base_memory_bytes"),
    expected_memory_bytes: is("shimmy_expected_memory_bytes"),
    requests: told.length + batchRequests,
    error_rate: 1 / (told.length + batchRequests),
    time_to_first_token_seconds: { count: of(generated).length },
    request_duration_seconds: { count: told.length },
    model_load_seconds: { count: 3 },
  });
  for (const { name, type, values } of json.metrics) {
    if (
      type === "gauge" ||
      name.startsWith("process_") ||
      name === "shimmy_engine_cpu_seconds_total" ||
      name === "shimmy_trace_spans_total"
    )
      continue;
    for (const { labels, ...told } of values) {
      const [fields, suffix] = [labels as Readonly<Record<string, string>>, type === "histogram" ? "_count" : ""];
      expect([name, labels, told.value ?? told.count]).toEqual([name, labels, value(after, name + suffix, fields)]);
      if (told.sum !== undefined) expect(told.sum).toBe(value(after, `${name}_sum`, fields));
    }
  }
});
