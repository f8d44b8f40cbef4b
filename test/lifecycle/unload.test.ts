/** Letting go: by request, by keep-alive, because the file changed. The process ends and the memory is the system's again. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isGone, residentBytes } from "../support/process.ts";
import { ask, askJson, begin, metric } from "../support/raw.ts";
import { startServer, type TestServer, TINY, until } from "../support/server.ts";
import { ENDLESS, WIDE } from "../support/work.ts";
import { folderOf, loadedModels, ps, short } from "./support.ts";

const folder = folderOf("first", "second");
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ["--model-dirs", folder.path, "--strict-models", ...WIDE] });
});
afterAll(async () => {
  await server.stop();
  folder.remove();
});

const post = (path: string, body: object = {}) => askJson(server, path, body);
const unloads = (model: string, reason: string) => metric(server, "shimmy_model_unloads_total", `{model="${model}",reason="${reason}"}`);
const pidOf = async (model: string) => (await ps(server)).models.find((each) => each.model === model)!.pid!;

describe("POST load, unload and GET status", () => {
  afterEach(async () => {
    for (const model of await loadedModels(server)) await post(`/api/models/${model}/unload`, { force: true });
  });

  test("a model is loaded, told of, and let go; its process is gone when that is said", async () => {
    const loaded = await post("/api/models/first/load");
    expect(loaded).toMatchObject({ status: 200, json: { model: "first", state: "loaded", expires_at: null, pinned: false } });
    const { pid, memory_bytes, resident_bytes } = loaded.json;
    expect(await server.engines()).toEqual([pid]);
    expect(resident_bytes).toBeGreaterThan(10e6);
    expect(memory_bytes).toBeGreaterThan(resident_bytes / 2);
    expect(JSON.parse((await ask(server, "/api/models/first/status")).text)).toMatchObject({ state: "loaded", pid });
    const { json } = await post("/api/models/first/unload");
    expect(json).toMatchObject({
      model: "first",
      state: "unloaded",
      unloaded: true,
      exit: expect.any(String),
      freed_bytes: expect.any(Number),
    });
    expect(isGone(pid)).toBe(true);
    expect(JSON.parse((await ask(server, "/api/models/first/status")).text)).toMatchObject({ state: "unloaded" });
    expect((await post("/api/models/first/unload")).json).toEqual({ model: "first", state: "unloaded", unloaded: false });
  });

  test("llama.cpp's routes do the same", async () => {
    expect(await post("/models/load", { model: "first" })).toMatchObject({ status: 200, json: { success: true } });
    expect(await loadedModels(server)).toEqual(["first"]);
    expect(await post("/models/unload", { model: "first" })).toMatchObject({ status: 200, json: { success: true } });
    expect(await loadedModels(server)).toEqual([]);
    expect(await post("/models/load", {})).toMatchObject({ status: 400, json: { error: { param: "model" } } });
  });

  test("a streamed load tells how far it is and ends with the status", async () => {
    const { text, headers } = await ask(server, "/api/models/first/load", {
      body: JSON.stringify({ stream: true }),
      headers: { "content-type": "application/json" },
    });
    expect(headers["content-type"]).toContain("text/event-stream");
    const events = text
      .trim()
      .split("\n\n")
      .filter((frame) => frame.startsWith("event"));
    expect(events.at(0)).toContain('event: progress\ndata: {"phase":"waiting"');
    expect(events.some((frame) => frame.includes('"phase":"context"'))).toBe(true);
    expect(events.at(-1)).toMatch(/^event: status\ndata: \{"model":"first","state":"loaded"/);
  });

  test("a body is not needed", async () => {
    expect((await ask(server, "/api/models/first/load", { method: "POST" })).status).toBe(200);
    expect((await fetch(`${server.url}/api/models/first/unload`, { method: "POST" })).status).toBe(200);
    expect(await loadedModels(server)).toEqual([]);
  });

  test("no other model answers for a name that is not there", async () => {
    for (const path of ["/api/models/nobody/load", "/api/models/nobody/unload"])
      expect(await post(path)).toMatchObject({ status: 404, json: { error: { code: "model_not_found" } } });
    expect((await ask(server, "/api/models/nobody/status")).status).toBe(404);
  });

  test.each([{ keep_alive: "soon" }, { ttl: [] }, { stream: "yes" }])("a wrong field is a 400 that names it: %j", async (body) => {
    expect(await post("/api/models/first/load", body)).toMatchObject({ status: 400, json: { error: { param: Object.keys(body)[0] } } });
  });

  test("unload waits for what runs, and new requests load the model again", async () => {
    const stream = await begin(server, "/v1/completions", { ...ENDLESS, model: "first", max_tokens: 600, stream: true });
    await until(() => stream.received().includes("data: "));
    const pid = await pidOf("first");
    const unloading = post("/api/models/first/unload");
    const later = short(server, "first");
    await unloading;
    await until(() => stream.received().includes('"finish_reason":"length"'));
    expect(isGone(pid)).toBe(true);
    expect((await later).status).toBe(200);
    expect(await pidOf("first")).not.toBe(pid);
    stream.destroy();
  });

  test("force does not wait: what runs fails, and says why", async () => {
    const answer = askJson(server, "/v1/completions", { ...ENDLESS, model: "first" });
    await until(async () => (await metric(server, "shimmy_running_requests", '{model="first"}')) === 1);
    expect((await post("/api/models/first/unload", { force: true })).json.unloaded).toBe(true);
    expect(await answer).toMatchObject({
      status: 503,
      json: { error: { code: "engine_gone", message: expect.stringContaining("it was unloaded") } },
    });
    expect(await loadedModels(server)).toEqual([]);
  });
});

describe("keep-alive", () => {
  test.each([{ keep_alive: 0 }, { keep_alive: "0s" }, { ttl: 0 }])("T60 %j: the model goes when the answer is there", async (field) => {
    const before = await unloads("first", "keep_alive");
    const { status } = await short(server, "first", field);
    expect(status).toBe(200);
    await until(async () => (await server.engines()).length === 0);
    expect(await unloads("first", "keep_alive")).toBe(before + 1);
  });

  test("T60 a time ends after the last request, a request in between begins it anew, and -1 keeps", async () => {
    await short(server, "first", { keep_alive: "1s" });
    const first = Date.parse((await ps(server)).models[0]!.expires_at!);
    expect(first - Date.now()).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await short(server, "first");
    expect(Date.parse((await ps(server)).models[0]!.expires_at!)).toBeGreaterThan(first);
    await until(async () => (await loadedModels(server)).length === 0);
    await short(server, "first", { keep_alive: "1s" });
    await short(server, "first", { keep_alive: -1 });
    expect((await ps(server)).models[0]!.expires_at).toBeNull();
    await short(server, "first", { keep_alive: "5m" });
    const left = Date.parse((await ps(server)).models[0]!.expires_at!) - Date.now();
    expect([left > 290_000, left <= 300_000]).toEqual([true, true]);
    await post("/api/models/first/unload");
  });

  test("T60 a value that is none is a 400 that names the field", async () => {
    expect(await short(server, "first", { keep_alive: "soon" })).toMatchObject({ status: 400, json: { error: { param: "keep_alive" } } });
  });
});

test("after a model is let go the gateway is back within 10 MB of where it was", async () => {
  await short(server, "first"); // what is loaded once for all models
  await post("/api/models/first/unload");
  const before = residentBytes(server.pid);
  for (let round = 0; round < 3; round++) {
    const pids: number[] = [];
    for (const model of ["first", "second"]) {
      expect((await short(server, model)).status).toBe(200);
      pids.push(await pidOf(model));
    }
    for (const model of ["first", "second"]) await post(`/api/models/${model}/unload`);
    expect(pids.every(isGone)).toBe(true);
  }
  expect(residentBytes(server.pid) - before).toBeLessThan(10e6);
});

test("a file that changed while it was loaded is loaded again for new requests; what runs finishes on the old one", async () => {
  await short(server, "second");
  const pid = await pidOf("second");
  const stream = await begin(server, "/v1/completions", { ...ENDLESS, model: "second", max_tokens: 900, stream: true });
  await until(() => stream.received().includes("data: "));
  writeFileSync(join(folder.path, "new"), readFileSync(TINY));
  renameSync(join(folder.path, "new"), join(folder.path, "second.gguf"));
  await new Promise((resolve) => setTimeout(resolve, 1100)); // a file is looked at once a second
  expect((await short(server, "second")).status).toBe(200);
  await until(() => stream.received().includes('"finish_reason":"length"'));
  expect(await pidOf("second")).not.toBe(pid);
  expect(isGone(pid)).toBe(true);
  expect(await unloads("second", "changed")).toBe(1);
  expect(server.stderr()).toContain("the file of a loaded model has changed");
  stream.destroy();
});
