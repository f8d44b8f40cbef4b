/** With --api-key nobody is answered without one, but for /health and preflights, which cannot carry one. */
import OpenAI, { AuthenticationError } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, askJson } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { CHAT, HELLO, ROUTES } from "./routes.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ["--api-key", "first-key,second-key"] });
});
afterAll(() => server.stop());

test.each([
  { authorization: "Bearer first-key" },
  { authorization: "bearer second-key" },
  { "x-api-key": "first-key" },
  { "x-api-key": "second-key" },
])("%o is let in", async (headers) => {
  for (const path of ["/", "/metrics", "/v1/models"]) expect((await ask(server, path, { headers })).status).toBe(200);
  expect((await askJson(server, CHAT, HELLO, headers)).status).toBe(200);
});

test.each([
  { authorization: "Bearer wrong" },
  { authorization: "Bearer first-key2" },
  { authorization: "Bearer first-key,second-key" },
  { "x-api-key": "first-ke" },
  { "x-api-key": "FIRST-KEY" },
])("%o is a 401 invalid_api_key on every route but /health", async (headers) => {
  for (const path of ROUTES.filter((route) => route !== "/health")) {
    const { status, text } = await ask(server, path, { headers });
    expect([path, status, JSON.parse(text).error.code]).toEqual([path, 401, "invalid_api_key"]);
  }
});

test("no key, another scheme or an empty one is a 401 missing_api_key that names the scheme", async () => {
  for (const headers of [{}, { authorization: "Basic Zmlyc3Qta2V5" }, { authorization: "Bearer " }, { "x-api-key": "" }]) {
    for (const path of ROUTES.filter((route) => route !== "/health")) {
      const answer = await ask(server, path, { headers });
      expect([path, answer.status, answer.headers["www-authenticate"]]).toEqual([path, 401, "Bearer"]);
      expect(JSON.parse(answer.text).error).toMatchObject({ type: "authentication_error", code: "missing_api_key" });
    }
  }
});

test("/health needs no key, nor does a preflight", async () => {
  expect((await ask(server, "/health")).status).toBe(200);
  expect((await ask(server, "/health/")).status).toBe(200);
  const preflight = { method: "OPTIONS", headers: { origin: "http://localhost:3000", "access-control-request-headers": "authorization" } };
  expect((await ask(server, CHAT, preflight)).status).toBe(204);
});

test("a page can read why it was refused", async () => {
  const { status, headers } = await ask(server, CHAT, { headers: { origin: "http://localhost:3000" } });
  expect([status, headers["access-control-allow-origin"]]).toEqual([401, "http://localhost:3000"]);
});

test("the official client: AuthenticationError with a wrong key, an answer with the right one", async () => {
  const client = (apiKey: string) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 });
  await expect(client("wrong").chat.completions.create(HELLO)).rejects.toBeInstanceOf(AuthenticationError);
  expect((await client("first-key").chat.completions.create(HELLO)).choices).toHaveLength(1);
});

test("no key is ever written: not in the log, not in an error", async () => {
  const { text } = await ask(server, "/v1/models", { headers: { authorization: "Bearer first-key-but-wrong" } });
  expect(text).not.toContain("first-key");
  expect(server.stderr()).not.toContain("first-key");
});
