/** The templates express and fastify: installed as their README says, and answering from Shimmy Tiny to a browser's requests. */
import { type ChildProcess, spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bareEnvironment, temporaryFolder } from "../support/command.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { made, ran } from "./made.ts";

const registry = process.env.npm_config_registry ?? "https://registry.npmjs.org/";
const reachable = await fetch(registry, { signal: AbortSignal.timeout(5000) }).then(
  () => true,
  () => false,
);
const reason = reachable ? undefined : `the registry ${registry} cannot be reached`;

describe.skipIf(reason).each(["express", "fastify"])(`%s${reason ? ` (${reason})` : ""}`, (name) => {
  const folder = temporaryFolder();
  let shimmy: TestServer;
  let application: ChildProcess;
  let url: string;

  beforeAll(async () => {
    const [out] = await Promise.all([made(folder, name), startServer().then((server) => (shimmy = server))]);
    // In the person's own cache of packages, which a fresh home folder has not.
    const npm = await ran(out, "npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], { HOME: process.env.HOME ?? out });
    expect([npm.code, npm.code === 0 ? "" : npm.stderr]).toEqual([0, ""]);
    const env = { ...bareEnvironment(folder), PORT: "0", SHIMMY_URL: `${shimmy.url}/v1` };
    application = spawn(process.execPath, ["server.js"], { cwd: out, env, stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    application.stdout!.setEncoding("utf8").on("data", (part) => {
      text += part;
    });
    await until(() => /^listening on (\S+)$/m.test(text));
    url = /^listening on (\S+)$/m.exec(text)![1]!;
  }, 120_000);

  afterAll(async () => {
    application?.kill("SIGTERM");
    await shimmy?.stop();
  });

  const chat = (body: unknown, signal?: AbortSignal) =>
    fetch(`${url}/api/chat`, {
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
    for (const body of [{}, { messages: [] }, { messages: [{ role: "system", content: "x" }] }, { messages: [{ role: "user" }] }, 1]) {
      const { status } = await chat(body);
      expect([body, status]).toEqual([body, 400]);
    }
  });

  test("a browser that leaves ends the work in the engine", async () => {
    const leave = new AbortController();
    const response = await chat({ messages: [{ role: "user", content: "Tell me a long story about a fox" }] }, leave.signal);
    await response.body!.getReader().read();
    leave.abort();
    const running = async () => /^shimmy_running_requests\{.*\} [1-9]/m.test(await (await fetch(`${shimmy.url}/metrics`)).text());
    await until(async () => !(await running()));
  });

  test("tells that the model is not there, and nothing of why", async () => {
    await shimmy.stop();
    const response = await chat({ messages: [{ role: "user", content: "Hello" }] });
    expect([response.status, await response.json()]).toEqual([502, { error: "The model cannot be reached" }]);
  });
});
