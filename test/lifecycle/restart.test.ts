/** A conversation outlives the server: after a restart its next turn computes only what is new. */
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type OpenAI from "openai";
import { afterEach, beforeEach, expect, test } from "vitest";
import { post, startServer, type TestServer, until } from "../support/server.ts";

let folder: string;
let server: TestServer;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-restart-"));
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const start = async (...args: string[]) => {
  server = await startServer({ args: ["--cache-dir", folder, ...args] });
};
const files = () => readdirSync(folder).filter((name) => name.endsWith(".kv"));
const system = `You tell stories. ${"The fox and the hen live by the river near the old mill. ".repeat(20)}`;

type Message = OpenAI.ChatCompletionMessageParam;
async function ask(messages: Message[]) {
  const response = await post(server, "/v1/chat/completions", { model: "shimmy-tiny", messages, temperature: 0, max_tokens: 24 });
  const answer = (await response.json()) as OpenAI.ChatCompletion;
  return {
    text: answer.choices[0]!.message.content!,
    prompt: answer.usage!.prompt_tokens,
    cached: answer.usage!.prompt_tokens_details!.cached_tokens!,
  };
}

async function firstTurn(): Promise<Message[]> {
  await start();
  const messages: Message[] = [
    { role: "system", content: system },
    { role: "user", content: "Tell me a story about a fox." },
  ];
  const { text, cached } = await ask(messages);
  expect(cached).toBe(0);
  return [...messages, { role: "assistant", content: text }, { role: "user", content: "And the hen?" }];
}

test("the next turn after a restart computes only the new turn", async () => {
  const messages = await firstTurn();
  const before = await ask([...messages.slice(0, 1), { role: "user", content: "Who lives by the river?" }]);
  await server.stop();
  expect(files().length).toBeGreaterThan(0);
  expect(statSync(join(folder, files()[0]!)).mode & 0o077).toBe(0);
  await start();
  const { prompt, cached } = await ask(messages);
  expect(prompt - cached).toBeLessThan(32);
  // And what comes from a file is as good as what was computed.
  expect((await ask([...messages.slice(0, 1), { role: "user", content: "Who lives by the river?" }])).text).toBe(before.text);
});

test("a file serves the type of cache that it was written for, and no other", async () => {
  const messages = await firstTurn();
  await server.stop();
  for (const first of [true, false]) {
    await start("--kv-type", "q8_0");
    const { prompt, cached } = await ask(messages);
    if (first) expect(cached).toBe(0);
    else expect(prompt - cached).toBeLessThan(32);
    await server.stop();
  }
  await start();
  const { prompt, cached } = await ask(messages);
  expect(prompt - cached).toBeLessThan(32);
});

test("conversations are written while nobody asks, so a server that is killed has lost little", async () => {
  const messages = await firstTurn();
  await until(() => files().length > 0);
  server.process.kill("SIGKILL");
  await until(async () => (await fetch(server.url).catch(() => undefined)) === undefined);
  await start();
  const { prompt, cached } = await ask(messages);
  expect(prompt - cached).toBeLessThan(32);
});

test("a file that was cut is computed again, and the answer is right", async () => {
  const messages = await firstTurn();
  const { text } = await ask(messages);
  await server.stop();
  for (const name of files()) truncateSync(join(folder, name), statSync(join(folder, name)).size - 1);
  await start();
  expect(await ask(messages)).toMatchObject({ text });
});
