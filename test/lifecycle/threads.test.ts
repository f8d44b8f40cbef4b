/** A --threads that was written for a larger machine. */
import { availableParallelism } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { ask } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { folderOf, short } from "./support.ts";

const MOST = 4096;
const cwd = temporaryFolder();
const folder = folderOf("one", "two");
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ["--model-dirs", folder.path, "--threads", String(MOST)] });
});
afterAll(async () => {
  await server.stop();
  folder.remove();
});

test("is cut to what can run at once, with one warning that says both numbers", async () => {
  expect(server.stderr()).not.toContain("--threads");
  for (const model of ["one", "two"]) expect((await short(server, model)).status).toBe(200);
  const { data } = JSON.parse((await ask(server, "/v1/models")).text) as { data: ReadonlyArray<{ meta: { n_threads?: number } }> };
  const threads = data.flatMap(({ meta }) => meta.n_threads ?? []);
  // A quota of a cgroup may allow fewer than the affinity.
  expect(threads.length).toBe(2);
  for (const count of threads) expect(count).toBeLessThanOrEqual(availableParallelism());
  const warnings = server
    .stderr()
    .split("\n")
    .filter((line) => line.includes("--threads is more"));
  expect(warnings).toEqual([expect.stringMatching(new RegExp(` warn .*threads=${MOST} used=${threads[0]}$`))]);
});

test("is told in a terminal too, where a command loads the model itself", async () => {
  const { code, stderr } = await shimmy(["generate", "shimmy-tiny", "--prompt", "Once", "--max-tokens", "1", "--threads", "500"], { cwd });
  expect(code).toBe(0);
  expect(stderr).toMatch(/^warning: --threads 500 is more than this machine can run at once: the engine gets \d+\n$/);
});

test("is refused where it is no number of threads at all", async () => {
  const { code, stderr } = await shimmy(["serve", "--threads", String(MOST + 1)], { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain("--threads: '4097' is not allowed: use auto, or a whole number from 1 to 4096");
});
