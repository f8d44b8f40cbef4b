/** Each program of examples/ runs as it stands against the built server, and prints what it is there to show. */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bareEnvironment, temporaryFolder } from "./support/command.ts";
import { startServer, type TestServer } from "./support/server.ts";

const run = promisify(execFile);
const SHOWS: Readonly<Record<string, RegExp>> = {
  "01-openai-tools.mjs": /get_weather is called for Paris\n.+/,
  "02-responses.mjs": /.{20,}\n\n.{5,}/s,
  "03-structured.mjs": /\{ name: '.*', age: \d+, pet: '(cat|dog|none)' \}/,
};

const home = temporaryFolder();
let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("all of them are run here", () => {
  expect(readdirSync("examples").filter((name) => name.endsWith(".mjs"))).toEqual(Object.keys(SHOWS));
});

test.each(Object.entries(SHOWS))("%s", async (name, shown) => {
  const env = { ...bareEnvironment(home), PATH: process.env.PATH!, SHIMMY_URL: `${server.url}/v1` };
  const { stdout, stderr } = await run(process.execPath, [`examples/${name}`], { env });
  expect([stdout, stderr]).toEqual([expect.stringMatching(shown), ""]);
});
