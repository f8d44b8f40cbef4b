/** `shimmy serve` as a supervisor or a script meets it: what it prints, when, and how it ends. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { bareEnvironment, finished, shimmy, temporaryFolder } from "../support/command.ts";
import { CLI, startServer, TINY } from "../support/server.ts";

const folder = temporaryFolder();

/** Starts it and gives the first line of stdout, as soon as it is there; ends it with the test. */
async function firstLine(args: readonly string[], env: Record<string, string> = {}): Promise<{ line: string; rest: () => string }> {
  const child = spawn(process.execPath, [CLI, "serve", ...args], { cwd: folder, env: { ...bareEnvironment(folder), ...env } });
  const ended = finished(child);
  onTestFinished(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  let text = "";
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
    });
    ended.then(({ code, stderr }) => reject(new Error(`it ended with ${code}: ${stderr}`)));
  });
  return { line, rest: () => text.slice(line.length + 1) };
}

/** A port that somebody else holds during the test. */
async function takenPort(): Promise<number> {
  const holder = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => holder.once("listening", resolve));
  onTestFinished(() => void holder.close());
  return (holder.address() as { port: number }).port;
}

describe("the ready line", () => {
  test("is printed when the socket listens: who connects at once is answered", async () => {
    const { line } = await firstLine(["--bind", "127.0.0.1:0"]);
    expect(line).toMatch(/^shimmy \S+ is ready on http:\/\/127\.0\.0\.1:\d+$/);
    const url = line.slice(line.lastIndexOf(" ") + 1);
    const answer = await fetch(`${url}/health`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ status: "ok", service: "shimmy" });
  });

  test("is one line of JSON with --json, and all there is on stdout", async () => {
    const { line, rest } = await firstLine(["--bind", "127.0.0.1:0", "--json"]);
    const ready = JSON.parse(line);
    expect(ready).toMatchObject({ event: "ready", host: "127.0.0.1", url: `http://127.0.0.1:${ready.port}`, pid: expect.any(Number) });
    expect((await fetch(`${ready.url}/v1/models`)).status).toBe(200);
    expect(rest()).toBe("");
  });

  test("tells the port that --port names", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    expect(JSON.parse((await firstLine(["--port", String(port), "--json"])).line).port).toBe(port);
  });

  test("tells the kernel's port for --port 0", async () => {
    expect(JSON.parse((await firstLine(["--port", "0", "--json"])).line).port).toBeGreaterThan(0);
  });

  test("tells what SHIMMY_PORT named, and a flag wins over it", async () => {
    const port = await takenPort();
    const { code, stderr } = await shimmy(["serve"], { cwd: folder, env: { SHIMMY_PORT: String(port) } });
    expect([code, stderr]).toEqual([1, expect.stringContaining(`127.0.0.1:${port} is already in use`)]);
    expect(JSON.parse((await firstLine(["--port", "0", "--json"], { SHIMMY_PORT: String(port) })).line).port).not.toBe(port);
  });
});

describe("a port that is taken", () => {
  // The next free one after the default port: test/template.test.ts, which holds the default port.
  test("and was named ends the start with exit code 1, the address and a hint", async () => {
    const port = await takenPort();
    const { code, stdout, stderr } = await shimmy(["serve", "--bind", `127.0.0.1:${port}`], { cwd: folder });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`The address 127.0.0.1:${port} is already in use`);
    expect(stderr).toContain("--bind auto");
  });
});

describe("a start that cannot work", () => {
  test("a missing --model-path: exit code 1 and its path", async () => {
    const { code, stdout, stderr } = await shimmy(["serve", "--port", "0", "--model-path", "nowhere.gguf"], { cwd: folder });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`There is no model file at ${join(folder, "nowhere.gguf")}`);
  });

  test("a --model-path that is no GGUF file: exit code 1 and the reason", async () => {
    writeFileSync(join(folder, "text.gguf"), "this is no model");
    const { code, stderr } = await shimmy(["serve", "--port", "0", "--model-path", "text.gguf"], { cwd: folder });
    expect([code, stderr]).toEqual([1, expect.stringContaining("text.gguf is not a usable GGUF file")]);
  });

  test("another address than loopback without a key: exit code 2, nothing listens", async () => {
    const { code, stdout, stderr } = await shimmy(["serve", "--bind", "0.0.0.0:0"], { cwd: folder });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("--api-key");
  });

  test("a preloaded model that cannot be loaded: exit code 1 with the reason, instead of a server that is never ready", async () => {
    const args = ["serve", "--port", "0", "--preload", "shimmy-tiny", "--chat-template-file", "nowhere.jinja"];
    const { code, stderr } = await shimmy(args, { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toContain("the configured chat template file cannot be read");
  });
});

test("--model-path serves the file as the default model", async () => {
  const server = await startServer({ args: ["--model-path", TINY, "--no-embedded-model"] });
  onTestFinished(() => void server.stop());
  const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: Array<{ id: string }> };
  expect(data.map(({ id }) => id)).toEqual(["shimmy-tiny-q8-0"]);
});

test("SIGTERM ends it with exit code 0", async () => {
  expect(await (await startServer()).stop()).toBe(0);
});
