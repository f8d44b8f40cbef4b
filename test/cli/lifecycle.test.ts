/** `ps`, `load`, `unload`: the commands that talk to a running server. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { startServer, type TestServer } from "../support/server.ts";

const cwd = temporaryFolder();
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ env: { SHIMMY_API_KEY: "secret" } });
});
afterAll(() => server.stop());

const env = { SHIMMY_API_KEY: "secret" };
const run = (...args: string[]) => shimmy([...args, "--url", server.url], { cwd, env });

test("a model is loaded, shown and unloaded", async () => {
  expect(await run("load", "shimmy-tiny", "--keep-alive", "30m")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^shimmy-tiny is loaded \(context 1024 tokens, \d+ slots\)\n$/),
  });
  const table = await run("ps");
  expect(table.stdout).toMatch(
    /^MODEL +STATE +MEMORY +CONTEXT +SLOTS +LAST USE +UNTIL\nshimmy-tiny +loaded +\d+ MB +1024 +0\/\d+ +\d+ s ago +in 30 min\n$/,
  );
  expect(table.stderr).toMatch(/^1 loaded, \d+ MB of [\d.]+ [GM]B counted\n$/);
  const json = JSON.parse((await run("ps", "--json")).stdout);
  expect(json).toMatchObject({ models: [{ model: "shimmy-tiny", state: "loaded" }], memory: { budget_bytes: expect.any(Number) } });
  expect((await run("unload", "shimmy-tiny")).stdout).toMatch(/^shimmy-tiny is unloaded( \(\d+ MB given back\))?\n$/);
  expect((await run("unload", "shimmy-tiny")).stdout).toBe("shimmy-tiny was not loaded\n");
  expect((await run("ps")).stdout).toBe("");
}, 60_000);

test("without --url the configured address is asked", async () => {
  const { code, stdout } = await shimmy(["ps", "--json", "--bind", `127.0.0.1:${server.port}`], { cwd, env });
  expect([code, JSON.parse(stdout).models]).toEqual([0, []]);
});

test("what the server refuses is told, with exit code 1", async () => {
  const unknown = await run("load", "nobody");
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining("answered 404: The model 'nobody' does not exist")]);
  const strictKey = await shimmy(["ps", "--url", server.url], { cwd, env: { SHIMMY_STRICT_KEYS: "secret" } });
  expect(strictKey.code).toBe(0);
  const noKey = await shimmy(["ps", "--url", server.url], { cwd });
  expect([noKey.code, noKey.stderr]).toEqual([1, expect.stringMatching(/answered 401: .*\nhint: Give a key .*SHIMMY_API_KEY/)]);
});

test("--url may be what clients of OpenAI's API are given, and a password in it is not told", async () => {
  expect((await shimmy(["ps", "--json", "--url", `${server.url}/v1/`], { cwd, env })).code).toBe(0);
  const { code, stderr } = await shimmy(["ps", "--url", "http://me:hush@127.0.0.1:9"], { cwd });
  expect([code, stderr]).toEqual([2, expect.stringContaining("it must not hold a password")]);
  expect(stderr).not.toContain("hush");
});

test("what answers and is no Shimmy is called so, in a line", async () => {
  const answers: Record<string, [number, string]> = {
    "/api/ps": [200, `{"models": []}`], // as Ollama answers
    "/api/alerts": [200, "[]"],
  };
  const other = createServer(({ url = "" }, response) => {
    const [status, text] = answers[url] ?? [404, "<html>\n<body>Not found</body></html>"];
    response.writeHead(status).end(text);
  }).listen(0, "127.0.0.1");
  await once(other, "listening");
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  try {
    for (const typed of [["ps"], ["alerts", "list"], ["load", "shimmy-tiny"], ["unload", "shimmy-tiny"], ["batch", "list"]]) {
      const { code, stdout, stderr } = await shimmy([...typed, "--url", url], { cwd });
      expect([code, stdout], typed.join(" ")).toEqual([1, ""]);
      expect(stderr).toMatch(
        /^error: No Shimmy server answers at http:\S+: what answers there is no Shimmy(, it answered 404)?\nhint: .*\n$/,
      );
    }
  } finally {
    other.close();
  }
}, 30_000);

test("where no server runs that is said, with what to do", async () => {
  const { code, stderr } = await shimmy(["ps", "--bind", "127.0.0.1:9"], { cwd });
  expect(code).toBe(1);
  expect(stderr).toMatch(/No Shimmy server answers at http:\/\/127\.0\.0\.1:9: .*\nhint: Start one with `shimmy serve`/);
});
