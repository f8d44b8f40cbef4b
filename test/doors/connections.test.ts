/** More connections than a process may have open: those beyond the limit are refused, and the others are served as ever. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { askJson, postBytes } from "../support/raw.ts";
import { startServer, type TestServer, until } from "../support/server.ts";

let server: TestServer | undefined;
afterEach(() => server?.stop());

test.skipIf(process.platform !== "linux")("connections that say nothing never take the descriptors that a load needs", async () => {
  server = await startServer({ openFiles: 100 });
  const { port } = server;
  const first = connect({ port, host: "127.0.0.1" });
  const crowd: Socket[] = [];
  let refused = 0;
  for (let i = 0; i < 100; i++) {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("error", () => undefined).on("close", () => refused++);
    crowd.push(socket);
  }
  await until(async () => refused > 50);
  expect(server.stderr()).toContain("connections are refused");
  // By a connection from before the crowd: the embedded model must load.
  first.write(postBytes("/v1/completions", { prompt: "hello", max_tokens: 3 }));
  expect(String((await once(first, "data"))[0])).toMatch(/^HTTP\/1.1 200 /);
  for (const socket of crowd) socket.destroy();
  await until(async () => (await askJson(server!, "/v1/models", undefined).catch(() => undefined))?.status !== undefined);
});
