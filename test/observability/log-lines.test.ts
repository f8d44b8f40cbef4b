/** Nobody who chooses a name writes a line of the log, colours a terminal or fills a disk with one request. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { post, startServer, type TestServer, until } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ["--log-level", "debug", "--log-format", "text"] });
});
afterAll(async () => void (await server.stop()));

const EVIL = "x\n12:00:00 error forged line\r\u001b[31mred\u0007\u202e\u2028y\u0000\u009b1m";

test("names, ids and paths of clients stay within their lines", async () => {
  const messages = [{ role: "user", content: "a" }];
  for (const model of [EVIL, `${EVIL}${"z".repeat(20_000)}`, `shimmy-tiny+${EVIL}`, `shimmy-tiny:${EVIL}`])
    for (const strict of [false, true]) {
      await (
        await post(server, "/v1/chat/completions", { model, messages, max_tokens: 2, strict }, { headers: { "x-request-id": 'a b=c\t"' } })
      ).text();
      await (await post(server, "/v1/embeddings", { model, input: EVIL })).text();
    }
  for (const path of [
    `/v1/models/${encodeURIComponent(EVIL)}`,
    `/api/models/${encodeURIComponent(EVIL)}/status`,
    `/v1/files/${encodeURIComponent(EVIL)}`,
  ])
    await (await fetch(server.url + path)).text();
  await (await post(server, `/api/models/${encodeURIComponent(EVIL)}/load`, {})).text();
  await until(() => server.stderr().includes("another model answers"));
  const lines = server.stderr().trimEnd().split("\n");
  expect(lines.length).toBeGreaterThan(15);
  for (const line of lines) {
    expect(line).toMatch(/^\d\d:\d\d:\d\d (error|warn |info |debug) |^ {4}/);
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]|^12:00:00/u);
    expect(line.length).toBeLessThan(10_000);
  }
});
