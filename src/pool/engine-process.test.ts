import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { GenerationEvent } from "../contract/generation.ts";
import type { EngineOptions, GenerateMessage } from "../engine/ipc.ts";
import { EngineProcess } from "./engine-process.ts";

const FAKE = fileURLToPath(new URL("../../test/fixtures/fake-engine.mjs", import.meta.url));
const MISSING = fileURLToPath(new URL("../../test/fixtures/no-such-engine.mjs", import.meta.url));
const OPTIONS = { model: "fake", path: "", slots: 1 } as EngineOptions;

let engine: EngineProcess;
beforeEach(async () => {
  engine = new EngineProcess("fake", FAKE);
  await engine.load(OPTIONS);
});
afterEach(() => engine.stop());

function ask(tokens: number[], signal: AbortSignal = new AbortController().signal): AsyncGenerator<GenerationEvent, void, undefined> {
  return engine.generate({ prompt: { tokens }, choices: 1, stop: [] } as unknown as Omit<GenerateMessage, "type" | "id">, signal);
}

/** What the engine was told to abort; messages arrive in order, so this asks after all before. */
async function aborted(): Promise<number[]> {
  for await (const event of ask([0])) if (event.type === "text") return JSON.parse(event.text);
  throw new Error("no answer");
}

test("a signal aborts in the engine at once, though nobody reads the events", async () => {
  const leave = new AbortController();
  const events = ask([1], leave.signal);
  expect((await events.next()).value).toMatchObject({ type: "started" });
  leave.abort();
  expect(await aborted()).toEqual([0]);
  expect(engine.unfinished()).toBe(0);
});

test("what is unfinished is counted by urgency", async () => {
  const later = engine.generate(
    { prompt: { tokens: [1] }, choices: 3, stop: [], priority: 1 } as unknown as Omit<GenerateMessage, "type" | "id">,
    new AbortController().signal,
  );
  const now = ask([1]);
  await Promise.all([later.next(), now.next()]);
  expect([engine.unfinished(0), engine.unfinished(1), engine.unfinished()]).toEqual([1, 4, 4]);
  await Promise.all([later.return(), now.return()]);
});

test("a reader that waits hears client_closed", async () => {
  const leave = new AbortController();
  const events = ask([1], leave.signal);
  await events.next();
  await events.next();
  const third = events.next();
  leave.abort();
  await expect(third).rejects.toMatchObject({ code: "client_closed" });
  expect(await aborted()).toEqual([0]);
});

test("a reader that stops reading aborts in the engine too, and only once", async () => {
  const leave = new AbortController();
  const events = ask([1], leave.signal);
  await events.next();
  await events.return();
  leave.abort();
  expect(await aborted()).toEqual([0]);
});

test("the state of the engine is what it told last", async () => {
  expect(engine.state).toMatchObject({ threads: 1, stepTokens: 0 });
  await ask([1]).next();
  expect(engine.state).toEqual({ stepTokens: 9 });
});

test("a signal that was aborted before starts nothing", async () => {
  await expect(ask([1], AbortSignal.abort()).next()).rejects.toMatchObject({ code: "client_closed" });
  expect(await aborted()).toEqual([]);
});

test("when the process ends, every request fails with how it ended, and later ones too", async () => {
  const requests = [ask([1]), ask([1])];
  for (const events of requests) {
    await events.next();
    await events.next();
  }
  const failures = Promise.allSettled(requests.map((events) => events.next()));
  process.kill(engine.pid!, "SIGKILL");
  const reason = { code: "engine_gone", details: { model: "fake", reason: "killed by SIGKILL" } };
  expect(await failures).toEqual(Array(2).fill({ status: "rejected", reason: expect.objectContaining(reason) }));
  await engine.exited;
  expect(engine.gone).toBe(true);
  await expect(ask([1]).next()).rejects.toMatchObject({ code: "engine_gone" });
});

test("a driver that hangs is not waited for longer than the limit", async () => {
  const hanging = new EngineProcess("devices", FAKE);
  const reason = "it told no devices within 0.05 s";
  await expect(hanging.devices(50)).rejects.toMatchObject({ code: "engine_unavailable", details: { reason } });
  await hanging.stop();
});

test("a process that ends before it is ready cannot load, and says why", async () => {
  const broken = new EngineProcess("fake", MISSING);
  await expect(broken.load(OPTIONS)).rejects.toMatchObject({ code: "model_load_failed", details: { model: "fake" } });
  await broken.exited;
  expect(broken.gone).toBe(true);
});
