/** POST /api/pull: NDJSON in Ollama's shape, one pull for all who ask, and a list that knows the model at once. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { begin } from "../support/raw.ts";
import { post, startServer, type TestServer, TINY, until } from "../support/server.ts";
import { type Hub, startHub } from "./hub.ts";

const REPO = "shimmy/Tiny-GGUF";
const tiny = readFileSync(TINY);
const NAMES = ["one", "two", "three", "four"].map((name) => `${name}-Q8_0.gguf`);
let hub: Hub;
let server: TestServer;

beforeAll(async () => {
  hub = await startHub({ repos: { [REPO]: Object.fromEntries(NAMES.map((name) => [name, tiny])) } });
  server = await startServer({ env: { HF_ENDPOINT: hub.url } });
});
afterAll(async () => {
  await server.stop();
  await hub.close();
});
beforeEach(() => {
  hub.slowMs = 0;
});

const events = async (response: Response) =>
  (await response.text())
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const ids = async (at: TestServer) =>
  ((await (await fetch(`${at.url}/v1/models`)).json()) as { data: Array<{ id: string }> }).data.map(({ id }) => id);

test("streams how far it is; the model is listed right after and answers", async () => {
  expect(await ids(server)).toEqual(["shimmy-tiny"]);
  const response = await post(server, "/api/pull", { model: `${REPO}/one-Q8_0.gguf` });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/x-ndjson"]);
  const all = await events(response);
  expect(all[0]).toEqual({ status: `looking up ${REPO}` });
  expect(all).toContainEqual({
    status: "downloading one-Q8_0.gguf",
    digest: expect.stringMatching(/^sha256:/),
    total: tiny.length,
    completed: tiny.length,
  });
  expect(all.at(-1)).toEqual({ status: "success", model: "one-q8-0" });
  expect(await ids(server)).toContain("one-q8-0");
  const answer = await post(server, "/v1/completions", { model: "one-q8-0", prompt: "Once", max_tokens: 4 });
  expect(await answer.json()).toMatchObject({ model: "one-q8-0" });
});

test("without a stream: the last word only", async () => {
  const response = await post(server, "/api/pull", { name: `${REPO}/two-Q8_0.gguf`, stream: false });
  expect([response.status, await response.json()]).toEqual([200, { status: "success", model: "two-q8-0" }]);
});

test("callers share one pull, and one that leaves does not end it for the others", async () => {
  hub.slowMs = 5;
  const before = hub.sent();
  const body = { model: `${REPO}/three-Q8_0.gguf` };
  const leaving = await begin(server, "/api/pull", body);
  const staying = post(server, "/api/pull", body);
  await until(() => hub.sent() - before > 300_000);
  leaving.destroy();
  expect((await events(await staying)).at(-1)).toMatchObject({ status: "success" });
  expect(hub.sent() - before).toBe(tiny.length);
});

test("when the only caller leaves, it stops", async () => {
  hub.slowMs = 10;
  const before = hub.sent();
  const leaving = await begin(server, "/api/pull", { model: `${REPO}/four-Q8_0.gguf` });
  await until(() => hub.sent() - before > 200_000);
  leaving.destroy();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const stopped = hub.sent();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(hub.sent()).toBe(stopped);
  expect(stopped - before).toBeLessThan(tiny.length);
  expect(await ids(server)).not.toContain("four-q8-0");
});

describe("errors are Ollama's", () => {
  test.each([
    [{}, 400, "model"],
    [{ model: 5 }, 400, "model"],
    [{ model: "../../etc/passwd" }, 400, "names no model on the hub"],
    [{ model: REPO, stream: "yes" }, 400, "stream"],
  ])("%j is refused before the stream", async (body, status, text) => {
    const response = await post(server, "/api/pull", body);
    expect([response.status, await response.json()]).toEqual([status, expect.objectContaining({ error: expect.stringContaining(text) })]);
  });

  test("what the hub does not have: the last line of the stream, and a status without one", async () => {
    const streamed = await events(await post(server, "/api/pull", { model: "shimmy/nothing" }));
    expect(streamed.at(-1)).toMatchObject({ error: expect.stringContaining("no model repository"), code: "hub_repo_missing" });
    const whole = await post(server, "/api/pull", { model: `${REPO}:Q2_K`, stream: false });
    expect([whole.status, await whole.json()]).toEqual([404, expect.objectContaining({ code: "hub_variant_missing" })]);
  });
});

test("a server that is told to end does not wait for a pull", async () => {
  const other = await startServer({ env: { HF_ENDPOINT: hub.url } });
  hub.slowMs = 100;
  const before = hub.sent();
  const watching = post(other, "/api/pull", { model: `${REPO}/one-Q8_0.gguf` }).then(events);
  await until(() => hub.sent() > before);
  const startedAt = performance.now();
  expect(await other.stop()).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(3000);
  expect((await watching).at(-1)).toMatchObject({ code: "shutting_down" });
});

test("offline: 403 without asking anybody", async () => {
  const offline = await startServer({ args: ["--offline"], env: { HF_ENDPOINT: hub.url } });
  const before = hub.asked.length;
  const response = await post(offline, "/api/pull", { model: REPO });
  expect([response.status, await response.json()]).toEqual([403, expect.objectContaining({ error: expect.stringContaining("offline") })]);
  expect(hub.asked.length).toBe(before);
  await offline.stop();
});

test("with a key set, nobody pulls without it", async () => {
  const keyed = await startServer({ args: ["--api-key", "secret"], env: { HF_ENDPOINT: hub.url } });
  expect((await post(keyed, "/api/pull", { model: REPO })).status).toBe(401);
  await keyed.stop();
});
