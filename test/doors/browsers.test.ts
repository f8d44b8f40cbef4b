/** T8: pages in a browser. Those of this machine and of --cors-origins may ask and read; all others are refused before they start work. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { CHAT, HELLO, ROUTES } from "./routes.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ["--cors-origins", "https://app.example.org"] });
});
afterAll(() => server.stop());

const origins = [
  "http://localhost:3000",
  "https://localhost",
  "http://127.0.0.1:8080",
  "http://[::1]:5173",
  "http://app.localhost",
  "https://app.example.org",
];
test.each(origins)("a page of %s may read every route, its errors too", async (origin) => {
  for (const path of ROUTES) {
    const { headers } = await ask(server, path, { headers: { origin } });
    expect([path, headers["access-control-allow-origin"]]).toEqual([path, origin]);
    expect(headers.vary).toContain("Origin");
    expect(headers["access-control-expose-headers"]).toContain("x-shimmy-model-fallback");
  }
});

test("the preflight of every route is answered, with the headers and the private network that were asked for", async () => {
  for (const path of ROUTES) {
    const { status, headers, text } = await ask(server, path, {
      method: "OPTIONS",
      headers: {
        origin: "http://localhost:3000",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, x-stainless-os",
        "access-control-request-private-network": "true",
      },
    });
    expect([path, status, text]).toEqual([path, 204, ""]);
    expect(headers).toMatchObject({
      "access-control-allow-origin": "http://localhost:3000",
      "access-control-allow-methods": expect.stringContaining("POST"),
      "access-control-allow-headers": "authorization, content-type, x-stainless-os",
      "access-control-allow-private-network": "true",
    });
  }
});

test("the private network is granted only if it was asked for", async () => {
  const { headers } = await ask(server, CHAT, { method: "OPTIONS", headers: { origin: "http://localhost:3000" } });
  expect(headers).not.toHaveProperty("access-control-allow-private-network");
});

test.each([
  "https://evil.example",
  "http://localhost.evil.example",
  "null",
  "file://",
  "https://app.example.org.evil.example",
  "http://app.example.org",
  "",
])("a page of '%s' is refused, before and in the preflight", async (origin) => {
  for (const path of ROUTES) {
    for (const method of ["GET", "OPTIONS"]) {
      const { status, headers, text } = await ask(server, path, { method, headers: { origin } });
      expect([path, method, status]).toEqual([path, method, 403]);
      expect(headers).not.toHaveProperty("access-control-allow-origin");
      expect(JSON.parse(text).error.code).toBe("origin_not_allowed");
    }
  }
});

test("without an Origin there is no CORS header: curl and SDKs need none", async () => {
  for (const path of ROUTES) {
    const { status, headers } = await ask(server, path);
    expect(status).not.toBe(403);
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  }
});

test("a stream of an allowed page carries the header too", async () => {
  const { status, headers, text } = await ask(server, CHAT, {
    body: JSON.stringify({ ...HELLO, stream: true }),
    headers: { origin: "http://localhost:3000", "content-type": "application/json" },
  });
  expect([status, headers["access-control-allow-origin"]]).toEqual([200, "http://localhost:3000"]);
  expect(text).toContain("[DONE]");
});

test("what a page may send without asking first is refused: forms and text", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", undefined]) {
    const headers = { origin: "http://localhost:3000", ...(type && { "content-type": type }) };
    const { status, text } = await ask(server, CHAT, { body: JSON.stringify(HELLO), headers });
    expect([type, status]).toEqual([type, 415]);
    expect(JSON.parse(text).error.code).toBe("unsupported_content_type");
  }
});

test("curl -d without a header is understood, text/plain is not", async () => {
  const body = JSON.stringify(HELLO);
  for (const type of ["application/x-www-form-urlencoded", "application/json; charset=utf-8", "application/vnd.api+json"])
    expect((await ask(server, CHAT, { body, headers: { "content-type": type } })).status).toBe(200);
  expect((await ask(server, CHAT, { body })).status).toBe(200);
  expect((await ask(server, CHAT, { body, headers: { "content-type": "text/plain" } })).status).toBe(415);
});
