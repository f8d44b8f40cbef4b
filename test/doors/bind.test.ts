/** The doors at start: who may be reached from other machines, and what is said of it. */
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { ask } from "../support/raw.ts";
import { CLI, cleanEnvironment, startServer } from "../support/server.ts";

/** Runs `serve` that should refuse to; killed if it does not. */
function serve(...args: string[]) {
  const env = { ...cleanEnvironment(), XDG_CONFIG_HOME: tmpdir() };
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, "serve", ...args], {
    env,
    cwd: tmpdir(),
    encoding: "utf8",
    timeout: 10_000,
  });
  return { status, stdout, stderr };
}

test.each(["0.0.0.0:0", "[::]:0", "0.0.0.0:11999"])("--bind %s without a key is refused: exit code 2, and what to do", (bind) => {
  const { status, stdout, stderr } = serve("--bind", bind);
  expect([status, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("can be reached from other machines and no API key is set");
  expect(stderr).toContain("--api-key");
  expect(stderr).toContain("--insecure");
});

test("an empty key is no key", () => {
  expect(serve("--bind", "0.0.0.0:0", "--api-key", "").status).toBe(2);
});

test("with a key it listens, any Host is let in, and the key is asked for", async () => {
  const server = await startServer({ args: ["--bind", "0.0.0.0:0"], env: { SHIMMY_API_KEY: "secret" } });
  const host = "my-box.example";
  expect((await ask(server, "/health", { headers: { host } })).status).toBe(200);
  expect((await ask(server, "/v1/models", { headers: { host } })).status).toBe(401);
  expect((await ask(server, "/v1/models", { headers: { host, authorization: "Bearer secret" } })).status).toBe(200);
  expect(
    (await ask(server, "/v1/models", { headers: { host, origin: "https://evil.example", authorization: "Bearer secret" } })).status,
  ).toBe(403);
  await server.stop();
});

test("with --insecure it listens without a key", async () => {
  const server = await startServer({ args: ["--bind", "0.0.0.0:0", "--insecure"] });
  expect((await ask(server, "/v1/models", { headers: { host: "my-box.example" } })).status).toBe(200);
  await server.stop();
});

test("with --allowed-hosts the Host is checked on a public address too", async () => {
  const server = await startServer({ args: ["--bind", "0.0.0.0:0", "--insecure", "--allowed-hosts", "my-box.example"] });
  const status = async (host: string) => (await ask(server, "/v1/models", { headers: { host } })).status;
  expect([await status("my-box.example:80"), await status("other.example"), await status("localhost")]).toEqual([200, 403, 200]);
  await server.stop();
});
