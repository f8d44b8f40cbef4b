/** Which Host is let in: a page on a foreign name that resolves to this machine must not get an answer (DNS rebinding). */
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, askJson, open } from "../support/raw.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { CHAT, HELLO, ROUTES } from "./routes.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ["--allowed-hosts", "shimmy.home,box.lan:8080"] });
});
afterAll(() => server.stop());

const own = ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "app.localhost"];
test.each([...own.flatMap((name) => [name, `${name}:1234`]), "shimmy.home", "shimmy.home:99", "SHIMMY.home", "box.lan:8080"])(
  "%s is let in",
  async (host) => {
    for (const path of ["/health", "/v1/models"]) expect((await ask(server, path, { headers: { host } })).status).toBe(200);
  },
);

test.each([
  "evil.example",
  "localhost.evil.example",
  "evil.example:11435",
  "127.0.0.1.nip.io",
  "10.0.0.7",
  "0.0.0.0",
  "box.lan",
  "notshimmy.home",
])("'%s' is refused on every route with a 403 in OpenAI's shape", async (host) => {
  for (const path of ROUTES) {
    const { status, text } = await ask(server, path, { headers: { host } });
    expect([path, status]).toEqual([path, 403]);
    expect(JSON.parse(text).error).toMatchObject({ type: expect.any(String), code: "host_not_allowed" });
  }
});

test("a request with a foreign Host does no work", async () => {
  const { status } = await askJson(server, CHAT, HELLO, { host: "evil.example" });
  expect(status).toBe(403);
  expect(await server.engines()).toEqual([]);
});

test.each(["", "localhost@evil.example", "localhost/evil.example", "evil.example, localhost"])("'%s' is no Host", async (host) => {
  const connection = await open(server);
  connection.write(`GET /v1/models HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await until(() => connection.received().includes("}"));
  expect(connection.received()).toMatch(/^HTTP\/1.1 40[03] /);
  connection.destroy();
});
