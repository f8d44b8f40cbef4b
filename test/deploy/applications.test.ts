/** The templates express, fastify and fastapi: installed as their README says, and answering from Shimmy Tiny to a browser's requests. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bareEnvironment, temporaryFolder } from "../support/command.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { made, missing, ran } from "./made.ts";

const noPython = missing("python3");
const NPM = { install: "npm install --no-audit --no-fund --prefer-offline", start: [process.execPath, "server.js"] };
const PIP = { install: "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt", start: [".venv/bin/python", "main.py"] };
/** Of the README: what is typed to install, and what is started. */
const APPLICATIONS = [{ name: "express", ...NPM }, { name: "fastify", ...NPM }, ...(noPython ? [] : [{ name: "fastapi", ...PIP }])];
/** The server wants it, so an application that does not pass it on gets no answer. */
const KEY = "a-key-of-the-test";

const registry = process.env.npm_config_registry ?? "https://registry.npmjs.org/";
const reachable = await fetch(registry, { signal: AbortSignal.timeout(5000) }).then(
  () => true,
  () => false,
);
const reason = reachable ? undefined : `the registry ${registry} cannot be reached`;

test.skipIf(noPython ?? reason)(`fastapi is among them${(noPython ?? reason) ? ` (${noPython ?? reason})` : ""}`, () => {
  expect(APPLICATIONS.map(({ name }) => name)).toContain("fastapi");
});

describe.skipIf(reason).each(APPLICATIONS)(`$name${reason ? ` (${reason})` : ""}`, ({ name, install, start }) => {
  const folder = temporaryFolder();
  let shimmy: TestServer;
  const applications: ChildProcess[] = [];
  let out: string;
  let url: string;

  /** @returns the application's address. */
  async function started(server: string): Promise<string> {
    const env = { ...bareEnvironment(folder), PORT: "0", SHIMMY_URL: `${server}/v1`, SHIMMY_API_KEY: KEY };
    const application = spawn(start[0]!, start.slice(1), { cwd: out, env, stdio: ["ignore", "pipe", "pipe"] });
    applications.push(application);
    let text = "";
    for (const stream of [application.stdout, application.stderr])
      stream.setEncoding("utf8").on("data", (part) => {
        text += part;
      });
    const listens = /(?:listening|running) on (http:\S+)\s/;
    await until(() => listens.test(text));
    return listens.exec(text)![1]!;
  }

  beforeAll(async () => {
    [out] = await Promise.all([made(folder, name), startServer({ env: { SHIMMY_API_KEY: KEY } }).then((server) => (shimmy = server))]);
    // In the person's own cache of packages, which a fresh home folder has not.
    const installed = await ran(out, "sh", ["-c", install], { HOME: process.env.HOME ?? out });
    expect([installed.code, installed.code === 0 ? "" : installed.stderr]).toEqual([0, ""]);
    url = await started(shimmy.url);
  }, 120_000);

  afterAll(async () => {
    for (const application of applications) application.kill("SIGTERM");
    await shimmy?.stop();
  });

  const chat = (body: unknown, signal?: AbortSignal, at = url) =>
    fetch(`${at}/api/chat`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });

  test("serves its page", async () => {
    const page = await (await fetch(url)).text();
    expect(page).toContain("<title>shimmy</title>");
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "ok" });
  });

  test("passes the answer on piece by piece, as plain text", async () => {
    const response = await chat({ messages: [{ role: "user", content: "What is the capital of France?" }] });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
    expect(await response.text()).toContain("Paris");
    // A long one: pieces that come quickly may be read as one.
    const { body } = await chat({ messages: [{ role: "user", content: "Tell me a long story about a fox" }] });
    const parts: string[] = [];
    for await (const part of body!.pipeThrough(new TextDecoderStream())) parts.push(part);
    expect(parts.length).toBeGreaterThan(3);
  });

  test("refuses what is no conversation, and takes nothing else of the API from a browser", async () => {
    for (const body of [
      {},
      { messages: [] },
      { messages: [{ role: "system", content: "x" }] },
      { messages: [{ role: "user" }] },
      { messages: [null] },
      1,
    ]) {
      const { status } = await chat(body);
      expect([body, status]).toEqual([body, 400]);
    }
  });

  test("a browser that leaves ends the work in the engine", async () => {
    const leave = new AbortController();
    const response = await chat({ messages: [{ role: "user", content: "Tell me a long story about a fox" }] }, leave.signal);
    await response.body!.getReader().read();
    leave.abort();
    const running = async () =>
      /^shimmy_running_requests\{.*\} [1-9]/m.test(
        await (await fetch(`${shimmy.url}/metrics`, { headers: { authorization: `Bearer ${KEY}` } })).text(),
      );
    await until(async () => !(await running()));
  });

  test("holds nothing back, and a browser that leaves is told to the server before the first piece as after it", async () => {
    const answers: ServerResponse[] = [];
    const server = createServer((_, response) => answers.push(response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const at = await started(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const question = { messages: [{ role: "user", content: "Hello" }] };
    // Nothing comes.
    const first = new AbortController();
    const silent = chat(question, first.signal, at).catch(() => undefined);
    await until(() => answers.length === 1);
    first.abort();
    await Promise.all([silent, until(() => answers[0]!.closed)]);
    // One piece comes, and no more.
    const second = new AbortController();
    const begun = chat(question, second.signal, at);
    await until(() => answers.length === 2);
    answers[1]!.writeHead(200, { "content-type": "text/event-stream" });
    answers[1]!.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "Hi" } }] })}\n\n`);
    const { value } = await (await begun).body!.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("Hi");
    second.abort();
    await until(() => answers[1]!.closed);
    server.close();
  });

  test("tells that the model is not there, and nothing of why", async () => {
    await shimmy.stop();
    const response = await chat({ messages: [{ role: "user", content: "Hello" }] });
    expect([response.status, await response.json()]).toEqual([502, { error: "The model cannot be reached" }]);
  });
});
