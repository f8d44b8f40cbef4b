/** The metrics after some hundred random requests are what the answers themselves say: none lost, none counted twice. */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/command.ts";
import { scrape } from "../support/exposition.ts";
import { post, startServer, type TestServer, TINY, until } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  const cwd = temporaryFolder();
  mkdirSync(join(cwd, "models"));
  copyFileSync(TINY, join(cwd, "models", "left.gguf"));
  server = await startServer({ cwd, args: ["--parallel", "2", "--max-queue", "2", "--ctx", "512"] });
});
afterAll(async () => void (await server.stop()));

type Kind = "chat" | "completion" | "embeddings" | "invalid" | "broken" | "nowhere" | "abort";
interface Wanted {
  readonly kind: Kind;
  readonly stream: boolean;
  readonly n: number;
  readonly tokens: number;
  readonly word: string;
}

const wanted: fc.Arbitrary<Wanted> = fc.record({
  kind: fc.constantFrom<Kind>("chat", "chat", "chat", "completion", "completion", "embeddings", "invalid", "broken", "nowhere", "abort"),
  stream: fc.boolean(),
  n: fc.integer({ min: 1, max: 2 }),
  tokens: fc.integer({ min: 1, max: 12 }),
  word: fc.constantFrom("cat", "dog", "sun", "a long way from home and back again"),
});

/** What a client saw. */
interface Seen {
  readonly route: string;
  readonly status: number;
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  /** It had a first token. */
  readonly began: boolean;
}

const [CHAT, COMPLETIONS, EMBEDDINGS] = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"] as const;
const NOTHING = { prompt: 0, cached: 0, completion: 0, began: false };

async function send({ kind, stream, n, tokens, word }: Wanted): Promise<Seen> {
  const messages = [{ role: "user", content: `Tell me about the ${word}.` }];
  const more = { model: "shimmy-tiny", max_tokens: tokens, stream, n, ...(stream && { stream_options: { include_usage: true } }) };
  switch (kind) {
    case "chat":
      return openai(CHAT, { ...more, messages });
    case "completion":
      return openai(COMPLETIONS, { ...more, prompt: [`The ${word}`, "Once"] });
    case "embeddings":
      return vectors([word, "once more"]);
    case "invalid":
      return refused(CHAT, { ...more, messages, temperature: "hot" });
    case "broken":
      return refused(COMPLETIONS, "{");
    case "nowhere":
      return refused("/v1/nowhere", {}, "unmatched");
    default:
      return aborted({ ...more, model: "left", messages, max_tokens: 400, logit_bias: { 2: -100 } });
  }
}

async function refused(path: string, body: unknown, route = path): Promise<Seen> {
  const response = await post(server, path, body);
  await response.text();
  return { route, status: response.status, ...NOTHING };
}

async function vectors(input: readonly string[]): Promise<Seen> {
  const response = await post(server, EMBEDDINGS, { model: "shimmy-tiny", input });
  const { usage } = (await response.json()) as { readonly usage?: { readonly prompt_tokens: number } };
  return { route: EMBEDDINGS, status: response.status, ...NOTHING, prompt: usage?.prompt_tokens ?? 0 };
}

/** OpenAI's usage of a whole answer, or of the last chunk of a stream. */
async function openai(route: string, body: object): Promise<Seen> {
  const response = await post(server, route, body);
  const text = await response.text();
  const objects = text.startsWith("data:")
    ? [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!))
    : [JSON.parse(text)];
  const { usage } = objects.findLast((object) => object.usage) ?? {};
  if (!usage) return { route, status: objects.at(-1).error ? response.status : -1, ...NOTHING };
  const cached = usage.prompt_tokens_details.cached_tokens;
  const began = /"(content|text)":"[^"]/.test(text);
  return { route, status: 200, prompt: usage.prompt_tokens, cached, completion: usage.completion_tokens, began };
}

/** Leaves at the first piece of the stream. From a model of its own: what others used is known to the token. */
async function aborted(body: object): Promise<Seen> {
  const leave = new AbortController();
  const response = await post(server, CHAT, { ...body, stream: true, n: 1 }, { signal: leave.signal });
  if (response.status !== 200) {
    await response.text();
    return { route: CHAT, status: response.status, ...NOTHING };
  }
  const reader = response.body!.getReader();
  await reader.read();
  leave.abort();
  await reader.cancel().catch(() => undefined);
  return { route: CHAT, status: 499, ...NOTHING };
}

test("some hundred requests, in turn and at once", { timeout: 110_000 }, async () => {
  await send({ kind: "chat", stream: false, n: 1, tokens: 1, word: "cat" });
  const before = await scrape(server.url);
  const plan = fc.sample(wanted, { numRuns: 240, seed: 7 });
  const seen: Seen[] = [];
  // Six at once on four places: some are refused with 429.
  let next = 0;
  const client = async () => {
    while (next < plan.length) seen.push(await send(plan[next++]!));
  };
  await Promise.all(Array.from({ length: 6 }, client));
  await until(async () => (await scrape(server.url)).get("shimmy_requests_in_progress") === 0);
  const after = await scrape(server.url);

  const grown = (name: string, ...labels: string[]) =>
    [...after].reduce((sum, [series, value]) => {
      const [own = "", rest = ""] = series.split("{");
      const fits = own === name && labels.every((label) => rest.includes(label));
      return fits ? sum + value - (before.get(series) ?? 0) : sum;
    }, 0);
  const statuses = new Set(seen.map(({ status }) => status));
  expect([200, 400, 404, 429, 499].filter((status) => !statuses.has(status))).toEqual([]);
  for (const route of new Set(seen.map((one) => one.route))) {
    const here = seen.filter((one) => one.route === route);
    for (const status of statuses) {
      // Who left may have been told the whole answer just before.
      if (status === 499 || (status === 200 && here.some((one) => one.status === 499))) continue;
      const counted = grown("shimmy_requests_total", `route="${route}"`, `status="${status}"`);
      expect([route, status, counted]).toEqual([route, status, here.filter((one) => one.status === status).length]);
    }
    expect(grown("shimmy_requests_total", `route="${route}"`)).toBe(here.length);
    expect(grown("shimmy_request_duration_seconds_count", `route="${route}"`)).toBe(here.length);
  }
  expect(grown("shimmy_request_failures_total")).toBe(seen.filter(({ status }) => status === 429 || status >= 500).length);

  const sum = (key: "prompt" | "cached" | "completion") => seen.reduce((all, one) => all + one[key], 0);
  const [mine, left] = ['model="shimmy-tiny"', 'model="left"'];
  expect(grown("shimmy_prompt_tokens_total", mine)).toBe(sum("prompt"));
  expect(grown("shimmy_cached_tokens_total", mine)).toBe(sum("cached"));
  expect(grown("shimmy_completion_tokens_total", mine)).toBe(sum("completion"));
  // Those who left were not told their usage; their prompts have some thirty tokens, and each was told a piece at least.
  const leavers = seen.filter(({ status }) => status === 499).length;
  expect(grown("shimmy_prompt_tokens_total", left)).toBeGreaterThan(leavers);
  expect(grown("shimmy_prompt_tokens_total", left)).toBeLessThanOrEqual(leavers * 60);
  expect(grown("shimmy_completion_tokens_total", left)).toBeGreaterThan(0);
  expect(grown("shimmy_completion_tokens_total", left)).toBeLessThanOrEqual(leavers * 400);

  const began = seen.filter((one) => one.began).length;
  expect(grown("shimmy_time_to_first_token_seconds_count", mine)).toBeGreaterThanOrEqual(began);
  const asked = grown("gen_ai_server_request_duration_seconds_count");
  expect(asked).toBe(seen.filter(({ route }) => route !== "unmatched").length);
  const ours = 'gen_ai_response_model="shimmy-tiny"';
  expect(grown("gen_ai_client_token_usage_sum", 'gen_ai_token_type="input"', ours)).toBe(sum("prompt"));
  expect(grown("gen_ai_client_token_usage_sum", 'gen_ai_token_type="output"', ours)).toBe(sum("completion"));
  const generated = seen.filter(({ status, route }) => status === 200 && route !== EMBEDDINGS).length;
  expect(grown("shimmy_prompt_cache_requests_total", mine)).toBe(generated);
  expect(after.get('shimmy_running_requests{model="shimmy-tiny"}')).toBe(0);
});
