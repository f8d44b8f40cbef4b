/** `shimmy batch` against a running server. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { startServer, type TestServer, until } from "../support/server.ts";

const cwd = temporaryFolder();
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ["--threads", "1"], env: { SHIMMY_API_KEY: "secret" } });
});
afterAll(() => server.stop());

const run = (...args: string[]) => shimmy(["batch", ...args, "--url", server.url], { cwd, env: { SHIMMY_API_KEY: "secret" } });
const line = (custom_id: string, url = "/v1/completions") =>
  JSON.stringify({ custom_id, method: "POST", url, body: { model: "shimmy-tiny", prompt: "Gänse", max_tokens: 2 } });
const file = (name: string, ...lines: string[]) => {
  writeFileSync(join(cwd, name), lines.join("\n"));
  return name;
};

test("a file is submitted, watched, listed, and its results are printed as they are", async () => {
  const submitted = await run("submit", file('in "1".jsonl', "", line("a"), line("b")), "--json");
  expect(submitted.code).toBe(0);
  const { id, endpoint } = JSON.parse(submitted.stdout);
  expect(endpoint).toBe("/v1/completions");
  await until(async () => (await run("show", id)).stdout === `${id} is completed: 2 done and 0 failed of 2\n`);
  expect((await run("list")).stdout).toMatch(
    new RegExp(`^BATCH +STATUS +DONE +FAILED +OF +ENDPOINT\n${id} +completed +2 +0 +2 +/v1/completions\n$`),
  );
  const rows = (await run("results", id)).stdout.trim().split("\n");
  expect(rows.map((row) => JSON.parse(row).custom_id).sort()).toEqual(["a", "b"]);
  expect(await run("cancel", id)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("A batch that is completed cannot be cancelled"),
  });
});

test("what is wrong with its lines is told by line", async () => {
  const { stdout } = await run("submit", file("bad.jsonl", line("a"), line("a"), "{"), "--json");
  const { id } = JSON.parse(stdout);
  await until(async () => (await run("show", id)).stdout.includes("is failed"));
  expect((await run("show", id)).stderr).toMatch(/^line 2: .*'a'.*\nline 3: .*\n$/);
  expect((await run("results", id)).stderr).toBe("There are no results: the batch is failed.\n");
});

test.each([
  [["submit", "nowhere.jsonl"], /cannot be read \(ENOENT\)/],
  [["show", "../x"], /answered 404: There is no batch/],
])("%j is an error", async (args, message) => {
  expect(await run(...args)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(message) });
});

test("a file whose first line says nothing is not uploaded", async () => {
  expect((await run("submit", file("none.jsonl", "{}"))).stderr).toMatch(/the first line of none.jsonl has no url/);
  expect((await run("submit", file("empty.jsonl", ""))).stderr).toMatch(/has no url/);
});
