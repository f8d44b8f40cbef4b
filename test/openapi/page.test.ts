/** /docs in a real browser: it shows every operation, with nothing from another server. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/command.ts";
import { ask } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { documentOf, endpointsOf } from "./support.ts";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const NO_BROWSER = CHROMIUM === undefined ? " (skipped: no Chromium on this machine)" : "";

const folder = temporaryFolder();
let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("the page may load and ask nothing but this server, and asks for nothing else", async () => {
  const { headers, text } = await ask(server, "/docs");
  const policy = new Map(
    String(headers["content-security-policy"])
      .split("; ")
      .map((rule) => [rule.split(" ")[0], rule]),
  );
  expect(policy.get("default-src")).toBe("default-src 'none'");
  expect(policy.get("connect-src")).toBe("connect-src 'self'");
  expect(policy.get("frame-ancestors")).toBe("frame-ancestors 'none'");
  expect(text).not.toMatch(/https?:\/\/|src=|@import|url\(/);
});

test.skipIf(NO_BROWSER !== "")(
  `a browser shows every operation, its fields and its example${NO_BROWSER}`,
  { timeout: 60_000 },
  async () => {
    const { stdout } = await promisify(execFile)(
      CHROMIUM!,
      [
        ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", `--user-data-dir=${join(folder, "profile")}`],
        // No name of the world is known.
        ...["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--virtual-time-budget=5000", "--dump-dom", `${server.url}/docs`],
      ],
      { maxBuffer: 2 ** 26, env: { PATH: process.env.PATH, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder } },
    );
    const shown = [...stdout.matchAll(/<details id="(\w+)"/g)].map(([, id]) => id);
    const operations = endpointsOf(await documentOf(server)).map(({ operation }) => operation.operationId);
    expect(shown.toSorted()).toEqual(operations.toSorted());
    expect(stdout).toContain("messages (required)");
  },
);
