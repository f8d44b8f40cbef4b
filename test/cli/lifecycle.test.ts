/** `ps`, `load`, `unload`: the commands that talk to a running server. */
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
  expect(table.stderr).toMatch(/^1 loaded, \d+ MB of \d+ MB counted\n$/);
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
  expect([noKey.code, noKey.stderr]).toEqual([1, expect.stringContaining("answered 401")]);
});

test("where no server runs that is said, with what to do", async () => {
  const { code, stderr } = await shimmy(["ps", "--bind", "127.0.0.1:9"], { cwd });
  expect(code).toBe(1);
  expect(stderr).toMatch(/No Shimmy server answers at http:\/\/127\.0\.0\.1:9: .*\nhint: Start one with `shimmy serve`/);
});
