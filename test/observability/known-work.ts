/**
 * A known piece of work for a server: chats, a completion, vectors, a batch, a fallback, an eviction, a crash, an upstream, guesses and cached
 * prompts. Done once by list.test.ts, which compares every metric with what the answers themselves said.
 */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { tinyModel } from "../fixtures/gguf.ts";
import { temporaryFolder } from "../support/command.ts";
import { scrape, value } from "../support/exposition.ts";
import { post, startServer, type TestServer, TINY, until } from "../support/server.ts";

export const BUDGET = 150 * 2 ** 20;
export const [CHAT, COMPLETIONS, EMBEDDINGS] = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"] as const;
const messages = [{ role: "user", content: "Tell me about the cat." }];

/** What a client was told. */
export interface Told {
  readonly route: string;
  readonly model: string;
  readonly status: number;
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
}

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens?: number;
  readonly prompt_tokens_details?: { readonly cached_tokens: number };
}

export interface JsonMetrics {
  readonly [field: string]: unknown;
  readonly key_metrics: Readonly<Record<string, unknown>>;
  readonly metrics: ReadonlyArray<{
    readonly name: string;
    readonly type: string;
    readonly values: ReadonlyArray<{ readonly labels: object; readonly value?: number; readonly count?: number; readonly sum?: number }>;
  }>;
}

export interface Work {
  readonly server: TestServer;
  readonly told: readonly Told[];
  /** Of the batch: they are counted, and nobody told anything of tokens. */
  readonly batchRequests: number;
  /** Series of /metrics when all was done, and while there were more requests than places. */
  readonly after: ReadonlyMap<string, number>;
  readonly during: ReadonlyMap<string, number>;
  readonly json: JsonMetrics;
  readonly usedBytes: number;
  /** Seconds since 1970. */
  readonly startedAt: number;
  stop(): Promise<void>;
}

let server: TestServer;
let far: TestServer;
const sink = createServer((request, response) => request.resume().once("end", () => response.end("{}")));
const told: Told[] = [];
let batchRequests = 0;
let after: Map<string, number>;
let during: Map<string, number>;
let json: JsonMetrics;
let [usedBytes, startedAt] = [0, 0];

/** @returns what was seen; `stop` ends all that was started. */
export async function knownWork(): Promise<Work> {
  const [here, there] = [temporaryFolder(), temporaryFolder()];
  for (const [folder, name] of [
    [here, "second"],
    [there, "far"],
  ] as const) {
    mkdirSync(join(folder, "models"));
    copyFileSync(TINY, join(folder, "models", `${name}.gguf`));
  }
  writeFileSync(join(here, "models", "broken.gguf"), tinyModel());
  writeFileSync(
    join(here, "shimmy.yaml"),
    "alert_interval: 1s\nalerts:\n  always: shimmy_startup_seconds > 0s\n  never: shimmy_startup_seconds < 0s\n",
  );
  await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
  far = await startServer({ cwd: there, args: ["--no-embedded-model"] });
  startedAt = Date.now() / 1000;
  server = await startServer({
    cwd: here,
    args: [
      "--upstream",
      far.url,
      "--memory-budget",
      `${BUDGET}`,
      "--default-model",
      "shimmy-tiny",
      "--ctx",
      "512",
      "--parallel",
      "2",
      "--threads",
      "1",
    ],
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(sink.address() as AddressInfo).port}`, OTEL_BSP_SCHEDULE_DELAY: "20" },
  });
  await work();
  return { server, told, batchRequests, after, during, json, usedBytes, startedAt, stop };
}

async function stop(): Promise<void> {
  await server?.stop();
  await far?.stop();
  sink.close();
}

async function work(): Promise<void> {
  await ask(COMPLETIONS, { model: "broken", prompt: "Once", max_tokens: 4 });
  await ask(COMPLETIONS, { model: "second", prompt: "Once", max_tokens: 4 });
  process.kill((await server.engines())[0]!, "SIGKILL");
  await until(
    async () =>
      value(await scrape(server.url), "shimmy_models_loaded") === 1 &&
      value(await scrape(server.url), "shimmy_engine_restarts_total") === 1,
  );
  await ask(COMPLETIONS, { model: "far", prompt: "Once", max_tokens: 4 });
  await ask(CHAT, { model: "shimmy-tiny", messages, max_tokens: 8 });
  await ask(CHAT, { model: "shimmy-tiny", messages, max_tokens: 8, stream: true, stream_options: { include_usage: true } });
  await ask(EMBEDDINGS, { model: "shimmy-tiny", input: ["a cat", "a dog and a cat"] });
  // What a grammar leaves no choice about is drafted, and right, however long a step of this machine takes: guesses may not be worth it.
  const schema = { const: "the fox sees the red boat and the blue boat and the green boat" };
  const response_format = { type: "json_schema", json_schema: { name: "said", schema } };
  await ask(CHAT, { model: "shimmy-tiny", messages, max_tokens: 60, response_format });
  const repeated = "the fox sees the red boat, the fox sees the blue boat, the fox sees the green boat, ".repeat(4);
  await ask(COMPLETIONS, { model: "shimmy-tiny", prompt: repeated, max_tokens: 100, temperature: 0 });
  await ask(CHAT, { model: "nobody-has-this", messages, max_tokens: 8 });
  await batch();
  // The state of an engine comes after its answer, and a batch ends after its last line.
  await until(async () => {
    const m = await scrape(server.url);
    return (
      value(m, "shimmy_requests_in_progress") === 0 && value(m, "shimmy_running_requests") === 0 && value(m, "shimmy_alert_firing") === 1
    );
  });
  await until(async () => value(await scrape(server.url), "shimmy_trace_spans_total") >= 30);
  [after, json] = [await scrape(server.url), (await (await fetch(`${server.url}/metrics?format=json`)).json()) as JsonMetrics];
  const ps = (await (await fetch(`${server.url}/api/ps`)).json()) as { readonly memory: { readonly used_bytes: number } };
  usedBytes = ps.memory.used_bytes;
  await crowd();
}

async function ask(route: string, body: object): Promise<void> {
  const response = await post(server, route, body);
  const text = await response.text();
  const last = text.startsWith("data:")
    ? [...text.matchAll(/^data: (\{.*)$/gm)].map(([, line]) => JSON.parse(line!)).findLast((each) => each.usage)
    : JSON.parse(text);
  count(route, response.status, last.model ?? (body as { model: string }).model, last.usage);
}

function count(route: string, status: number, model: string, usage?: Usage): void {
  const { prompt_tokens: prompt = 0, completion_tokens: completion = 0, prompt_tokens_details } = usage ?? { prompt_tokens: 0 };
  told.push({ route, model, status, prompt, cached: prompt_tokens_details?.cached_tokens ?? 0, completion });
}

async function batch(): Promise<void> {
  const get = async (path: string) => {
    batchRequests++;
    return fetch(server.url + path);
  };
  const form = new FormData();
  const line = { custom_id: "a", method: "POST", url: CHAT, body: { model: "shimmy-tiny", messages, max_tokens: 5 } };
  form.set("purpose", "batch");
  form.set("file", new Blob([`${JSON.stringify(line)}\n`]), "in.jsonl");
  const file = (await (await fetch(`${server.url}/v1/files`, { method: "POST", body: form })).json()) as { id: string };
  const made = await post(server, "/v1/batches", { input_file_id: file.id, endpoint: CHAT, completion_window: "24h" });
  const { id } = (await made.json()) as { id: string };
  batchRequests += 2;
  let output = "";
  await until(async () => {
    const state = (await (await get(`/v1/batches/${id}`)).json()) as { status: string; output_file_id?: string };
    output = state.output_file_id ?? "";
    return state.status === "completed";
  });
  const { response } = JSON.parse(await (await get(`/v1/files/${output}/content`)).text());
  count(CHAT, response.status_code, response.body.model, response.body.usage);
}

/**
 * Three who ask again and again on two places, looked at while they are there. The engine is stopped for a look, so that what it said last
 * stays true; it may be stopped between two answers, and then it goes on for a moment.
 */
async function crowd(): Promise<void> {
  const leave = new AbortController();
  const body = { model: "shimmy-tiny", messages, max_tokens: 400, stream: true, ignore_eos: true };
  const three = [1, 2, 3].map(async (seed) => {
    while (!leave.signal.aborted) await (await post(server, CHAT, { ...body, seed }, { signal: leave.signal })).text();
  });
  const [engine] = await server.engines();
  for (let tried = 0; tried < MOST_STOPS; tried++) {
    process.kill(engine!, "SIGSTOP");
    during = await settled();
    process.kill(engine!, "SIGCONT");
    if (value(during, "shimmy_queue_depth") === 1 && value(during, "shimmy_running_requests") === 2) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  leave.abort();
  await Promise.allSettled(three);
}

const MOST_STOPS = 200;
const IN_THE_SERVER = ["shimmy_queue_depth", "shimmy_running_requests", "shimmy_requests_in_progress", "shimmy_completion_tokens_total"];

/** Once nothing of a stopped engine is on its way any more. */
async function settled(): Promise<Map<string, number>> {
  let before = await scrape(server.url);
  for (;;) {
    const now = await scrape(server.url);
    if (IN_THE_SERVER.every((name) => value(now, name) === value(before, name))) return now;
    before = now;
  }
}
