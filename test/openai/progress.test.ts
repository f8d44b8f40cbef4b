/** `return_progress` of llama-server: a stream tells how far its prompt is, and nobody who did not ask ever sees it. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { tokenPrompt } from "../support/work.ts";
import { ask, CHAT, COMPLETIONS, streamed, wholeCompletion } from "./support.ts";

interface Progress {
  readonly total: number;
  readonly cache: number;
  readonly processed: number;
  readonly time_ms: number;
}
interface Chunk {
  readonly choices: ReadonlyArray<{ readonly index: number; readonly text?: string; readonly delta?: { readonly content?: string } }>;
  readonly prompt_progress?: Progress;
}

let server: TestServer;
beforeAll(async () => {
  // Small steps, so that a prompt has several.
  server = await startServer({ args: ["--batch-tokens", "64"] });
});
afterAll(() => server.stop());

const progressOf = (chunks: readonly Chunk[]) => chunks.flatMap(({ prompt_progress: progress }) => (progress ? [progress] : []));
const long = (first: number) => [first, ...tokenPrompt(299)];
const complete = (prompt: number[], more: object = {}) =>
  streamed<Chunk>(server, COMPLETIONS, { model: "shimmy-tiny", prompt, temperature: 0, max_tokens: 4, return_progress: true, ...more });

describe("a stream that asks", () => {
  test("is told 0 %, each part as it is computed, and 100 %, before the first text", async () => {
    const chunks = await complete(long(400));
    const progress = progressOf(chunks);
    expect(progress[0]).toMatchObject({ total: 300, cache: 0, processed: 0, time_ms: 0 });
    expect(progress.at(-1)).toMatchObject({ total: 300, cache: 0, processed: 300 });
    expect(progress.length).toBeGreaterThan(4);
    for (const [i, { processed, time_ms }] of progress.slice(1).entries()) {
      expect(processed).toBeGreaterThan(progress[i]!.processed);
      expect(time_ms).toBeGreaterThanOrEqual(progress[i]!.time_ms);
    }
    const firstText = chunks.findIndex(({ choices }) => choices[0]?.text);
    expect(chunks.findLastIndex((chunk) => chunk.prompt_progress !== undefined)).toBeLessThan(firstText);
  });

  test("begins at what is cached", async () => {
    await complete(long(401));
    const [first, ...others] = progressOf(await complete([...long(401), 500, 501, 502]));
    expect(first!.cache).toBeGreaterThanOrEqual(299);
    expect(first!.processed).toBe(first!.cache);
    expect(others.at(-1)).toMatchObject({ total: 303, cache: first!.cache, processed: 303 });
  });

  test("is told of each choice", async () => {
    const chunks = await complete(long(402), { n: 2 });
    for (const index of [0, 1]) {
      const own = chunks.filter(({ choices }) => choices[0]?.index === index);
      expect(progressOf(own).at(-1)).toMatchObject({ total: 300, processed: 300 });
    }
  });

  test("has the same text as one that does not, in the official client too", async () => {
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
    const question = {
      model: "shimmy-tiny",
      messages: [{ role: "user", content: "What is the capital of France?" }],
      temperature: 0,
    } as const;
    const texts: string[] = [];
    for (const more of [{}, { return_progress: true }]) {
      const runner = client.chat.completions.stream({ ...question, messages: [...question.messages], ...more });
      texts.push((await runner.finalChatCompletion()).choices[0]!.message.content!);
    }
    expect(texts[0]).toContain("Paris");
    expect(texts[1]).toBe(texts[0]);
  });
});

test("nobody else is told: a stream that did not ask, and a whole answer that did", async () => {
  expect(progressOf(await complete(long(403), { return_progress: false }))).toEqual([]);
  const chat = { model: "shimmy-tiny", messages: ask("Hello"), max_tokens: 4 };
  expect(progressOf(await streamed<Chunk>(server, CHAT, chat))).toEqual([]);
  const whole = await wholeCompletion(server, { model: "shimmy-tiny", prompt: long(404), max_tokens: 4, return_progress: true });
  expect(whole).not.toHaveProperty("prompt_progress");
});
