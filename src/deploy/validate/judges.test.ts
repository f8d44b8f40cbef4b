/** The verdicts and words of `shimmy validate`, for what was seen. */
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { listeningInodes } from "../processes.ts";
import { judgeCores, judgeEngines, judgePort } from "./machine.ts";
import { judgeFiles, judgeMemory, judgeModels } from "./models.ts";
import { isPython } from "./package.ts";
import { packageFiles, packedBytes } from "./package-files.ts";
import { judgeAccess, judgeFirstToken, judgeHealth, judgeTotal, judgeUse, noText } from "./running.ts";
import { chatProblem, embeddingProblem, errorProblem, listProblem, readChatStream } from "./shapes.ts";
import { refusal } from "./silence.ts";
import { judgeBase, judgeStart } from "./start-up.ts";
import { chooseModel, type Model, type ModelFacts } from "./subject.ts";

const model = (id: string, more: Partial<Model> = {}): Model => ({
  id,
  aliases: [],
  sizeBytes: 1e6,
  neededBytes: 2e6,
  generates: true,
  embeds: false,
  loaded: false,
  ...more,
});
const facts = (more: Partial<ModelFacts>): ModelFacts => ({ models: [], folders: [], unusable: [], budgetBytes: 1e9, ...more });

test("the packed size is npm's to a hundredth", async () => {
  const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { encoding: "utf8", stdio: "pipe" });
  const [{ size, files }] = JSON.parse(output);
  const ours = packageFiles(".");
  expect(ours.map(({ path }) => path).sort()).toEqual(files.map(({ path }: { path: string }) => path).sort());
  expect(Math.abs((await packedBytes(ours)) / size - 1)).toBeLessThan(0.01);
}, 30_000);

test("Python is known by its name and by its first line", () => {
  const file = (path: string, text = "") => ({ path, content: Buffer.from(text) });
  expect(
    [
      file("a.py"),
      file("x/__pycache__/a.js"),
      file("tool", "#!/usr/bin/env python3\n"),
      file("a.js", "// #!python"),
      file("b.sh", "#!/bin/sh"),
    ].map(isPython),
  ).toEqual([true, true, true, false, false]);
});

test("start-up and base memory against the constitution's limits", () => {
  expect([judgeStart(1999).verdict, judgeStart(2000).verdict]).toEqual(["pass", "fail"]);
  expect([judgeBase(12.7e6, 7.7e6).verdict, judgeBase(12.8e6, 7.7e6).verdict]).toEqual(["pass", "fail"]);
  // What was configured is not the constitution's matter.
  expect(judgeBase(14.8e6, 7.7e6, ["alerts"])).toMatchObject({ verdict: "warn", measured: expect.stringMatching(/, with alerts$/) });
});

test("a folder that cannot be read is not called empty", () => {
  const found = judgeModels(facts({ folders: [{ name: "/m", exists: true, readable: false, models: 0 }] }), undefined);
  expect(found).toMatchObject({ verdict: "fail", measured: "the folder /m cannot be read by this user", command: "shimmy doctor" });
});

describe("models", () => {
  test("an empty folder is red although the embedded model is there", () => {
    const found = judgeModels(
      facts({ models: [model("shimmy-tiny")], folders: [{ name: "/m", exists: true, readable: true, models: 0 }] }),
      undefined,
    );
    expect(found).toMatchObject({
      verdict: "fail",
      measured: "the folder /m holds no model",
      command: expect.stringContaining("shimmy pull"),
    });
  });

  test("a folder that does not exist, no model at all, a model that is not there", () => {
    const verdicts = [
      judgeModels(facts({ folders: [{ name: "/m", exists: false, readable: false, models: 0 }] }), undefined),
      judgeModels(facts({}), undefined),
      judgeModels(facts({ models: [model("a")] }), ["b"]),
      judgeModels(facts({ models: [model("a", { aliases: ["b"] })] }), ["b"]),
    ].map(({ verdict, measured }) => [verdict, measured]);
    expect(verdicts).toEqual([
      ["fail", "the folder /m does not exist"],
      ["fail", "no model was found"],
      ["fail", "the model b is not among the 1 found"],
      ["pass", "1 model: a"],
    ]);
  });

  test("a broken file is red, one that was passed over is a warning", () => {
    const file = { file: "a.gguf", reason: "truncated" };
    expect(judgeFiles(facts({ unusable: [{ ...file, certain: true }] }))).toMatchObject({
      verdict: "fail",
      measured: "1 broken file: a.gguf: truncated",
      command: "shimmy verify",
    });
    expect(judgeFiles(facts({ unusable: [{ ...file, certain: false }] })).verdict).toBe("warn");
  });

  test("memory: the largest fits; only smaller ones do; none does", () => {
    const models = [model("small"), model("large", { neededBytes: 5e9 })];
    const judged = [6e9, 1e9, 1e6].map((budgetBytes) => judgeMemory(facts({ models, budgetBytes })));
    expect(judged.map(({ verdict }) => verdict)).toEqual(["pass", "warn", "fail"]);
    expect(judged[2]!.measured).toBe("the memory is too small: the largest, large, needs 5.0 GB");
  });

  test("tests are made with what was named, is loaded, or is the smallest that fits", () => {
    const models = [
      model("big", { sizeBytes: 9e9, neededBytes: 9e9 }),
      model("mid", { sizeBytes: 5e6 }),
      model("vectors", { generates: false, sizeBytes: 1 }),
    ];
    expect(chooseModel(facts({ models }), undefined)?.id).toBe("mid");
    expect(chooseModel(facts({ models, budgetBytes: 1 }), undefined)?.id).toBe("mid");
    expect(chooseModel(facts({ models: [model("a"), model("b", { loaded: true, sizeBytes: 5e8 })] }), undefined)?.id).toBe("b");
    expect(chooseModel(facts({ models }), ["big"])?.id).toBe("big");
    expect(chooseModel(facts({ models }), ["Big.gguf", "big"])?.id).toBe("big");
    expect(chooseModel(facts({ models }), ["none"])).toBeUndefined();
  });

  test("no text: without any model that is wrong; where models make vectors only, or another was named, nothing is", () => {
    const vectors = model("vectors", { generates: false });
    const judged = [[], [vectors], [vectors, model("a")]].map((models) => noText("vectors generates no text", { models }));
    expect(judged.map(({ verdict, measured }) => [verdict, measured])).toEqual([
      ["fail", "there is no model that generates text"],
      ["unmeasured", "no model here generates text"],
      ["unmeasured", "vectors generates no text"],
    ]);
  });

  test("a model that does not load is told from a server that fails", () => {
    const unloadable = "The model 'm' could not be loaded: libllama refused the file";
    expect([refusal(503, unloadable), refusal(503, "The engine stopped")].map(({ command }) => command)).toEqual([
      "shimmy probe MODEL",
      "shimmy doctor",
    ]);
  });
});

describe("the port", () => {
  const wanted = { host: "127.0.0.1", port: 11_435, nextFree: false };
  const taken = { free: false, code: "EADDRINUSE" };

  test("free, ours, somebody's, forbidden", () => {
    const judged = [
      judgePort(wanted, { free: true }),
      judgePort(wanted, { ...taken, holder: "shimmy", pid: 7 }),
      judgePort(wanted, { ...taken, holder: "ollama", pid: 7 }),
      judgePort({ ...wanted, nextFree: true }, taken),
      judgePort({ ...wanted, port: 80 }, { free: false, code: "EACCES" }),
    ];
    expect(judged.map(({ verdict }) => verdict)).toEqual(["pass", "pass", "fail", "warn", "fail"]);
    expect(judged[2]!.measured).toBe("127.0.0.1:11435 is taken by ollama (process 7)");
  });

  test("who listens is read from the kernel's table", () => {
    const table = [
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
      "   0: 0100007F:2CAB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0",
      "   1: 0100007F:2CAB 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 100 0 0 10 0",
    ].join("\n");
    expect(listeningInodes(table, 11_435)).toEqual(["4711"]);
    expect(listeningInodes(table, 80)).toEqual([]);
  });
});

test("threads: as many as cores, as processors, more", () => {
  const facts = { cores: 2, processors: 4, engines: [], installable: [] };
  const [none, cores, processors, more] = [0, 2, 4, 500].map((threads) => judgeCores(facts, threads));
  expect([none, cores, processors, more].map((finding) => finding!.verdict)).toEqual(["pass", "pass", "warn", "warn"]);
  expect(processors!.advice).toContain("More threads than cores");
  expect(more!.advice).toBe("Engines get 4 threads, not 500, for no more can run at once: leave --threads out.");
});

test("engines: none, one, one of two", () => {
  const good = { name: "linux-x64", backend: "cpu" };
  const bad = { name: "linux-x64-cuda", backend: "cuda", problem: "no device" };
  const verdicts = [[], [bad], [good], [good, bad]].map(
    (engines) => judgeEngines({ cores: 2, processors: 2, engines, installable: [] }).verdict,
  );
  expect(verdicts).toEqual(["fail", "fail", "pass", "warn"]);
});

test("health, access, latencies, memory in use", () => {
  const health = (json: unknown) => judgeHealth({ status: 200, text: "", json, ms: 1 }, "http://localhost:1").verdict;
  const ok = { service: "shimmy", status: "ok", version: "1" };
  expect(
    [
      ok,
      { ...ok, status: "loading" },
      { ...ok, status: "draining" },
      { ...ok, degraded: [{ backend: "cuda" }] },
      { ok: true },
      undefined,
    ].map(health),
  ).toEqual(["pass", "warn", "fail", "warn", "fail", "fail"]);
  const upstream = judgeHealth({ status: 200, text: "", json: { ...ok, degraded: [{ upstream: 0, reason: "no" }] }, ms: 1 }, "http://a");
  expect(upstream.measured).toBe("degraded: upstream 0: no");
  expect([judgeAccess(401, false), judgeAccess(200, true), judgeAccess(200, false)].map(({ verdict }) => verdict)).toEqual([
    "pass",
    "pass",
    "warn",
  ]);
  expect([judgeFirstToken(5000), judgeFirstToken(5001), judgeFirstToken(undefined)].map(({ verdict }) => verdict)).toEqual([
    "pass",
    "fail",
    "fail",
  ]);
  expect([judgeTotal(5000), judgeTotal(5001)].map(({ verdict }) => verdict)).toEqual(["pass", "warn"]);
  expect([judgeUse(200e6, 100e6, 1), judgeUse(201e6, 100e6, 1)].map(({ verdict }) => verdict)).toEqual(["pass", "fail"]);
});

test("shapes: what a client would stumble over is named", () => {
  const chat = {
    object: "chat.completion",
    choices: [{ message: { role: "assistant", content: "x" }, finish_reason: "stop" }],
    usage: { completion_tokens: 1 },
  };
  expect(chatProblem(chat)).toBeUndefined();
  expect(chatProblem({ ...chat, choices: [] })).toContain("choices[0].message");
  expect(chatProblem({ ...chat, usage: {} })).toContain("usage");
  expect([
    listProblem({ object: "list", data: [{ id: "a", object: "model" }] }),
    listProblem([]),
    listProblem({ object: "list", data: [{}] }),
  ]).toEqual([undefined, expect.any(String), expect.any(String)]);
  expect([embeddingProblem({ data: [{ embedding: [0.1] }] }), embeddingProblem({ data: [{ embedding: ["x"] }] })]).toEqual([
    undefined,
    expect.any(String),
  ]);
  expect([errorProblem({ error: { message: "m", type: "t" } }), errorProblem("oops")]).toEqual([undefined, expect.any(String)]);
});

test("a stream must end, and say something", () => {
  const chunk = (delta: object) => `data: ${JSON.stringify({ object: "chat.completion.chunk", choices: [{ delta }] })}\n\n`;
  expect(readChatStream(`: ping\n\n${chunk({ content: "a" })}${chunk({ content: "b" })}data: [DONE]\n\n`)).toEqual({
    text: "ab",
    chunks: 2,
  });
  expect(readChatStream(chunk({ content: "a" })).problem).toContain("[DONE]");
  expect(readChatStream(`${chunk({})}data: [DONE]\n\n`).problem).toBe("no text came");
  expect(readChatStream(`data: {"error":{}}\n\ndata: [DONE]\n\n`).problem).toContain('no "chat.completion.chunk"');
});
