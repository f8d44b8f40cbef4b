/** Proxies of the environment: plain requests go through them, https through a tunnel, and NO_PROXY goes past them. */
import { rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { proxyFor } from "../../src/hub/proxy.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { TEST_CERTIFICATE, TEST_KEY } from "./certificate.ts";
import { type Hub, startHub } from "./hub.ts";

const cwd = temporaryFolder();
const REPOS = { "owner/tiny": { "tiny-Q8_0.gguf": Buffer.alloc(200_000, 7) } };
let plainHub: Hub;
let tlsHub: Hub;
let proxy: Server;
/** "GET host:port" or "CONNECT host:port authorization". */
const seen: string[] = [];

beforeAll(async () => {
  plainHub = await startHub({ repos: REPOS });
  tlsHub = await startHub({ repos: REPOS, tls: { key: TEST_KEY, cert: TEST_CERTIFICATE } });
  proxy = createServer(async (request, response) => {
    const target = new URL(request.url!);
    seen.push(`GET ${target.host}`);
    const { range, accept = "" } = request.headers;
    const answer = await fetch(target, { headers: { accept, ...(range && { range }) }, redirect: "manual" });
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
  });
  proxy.on("connect", (request, socket) => {
    seen.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? "nobody"}`);
    const port = { "hub.test:443": tlsHub.port, "cdn.test:443": tlsHub.cdnPort }[request.url!];
    if (port === undefined) return socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    const upstream = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) end.on("error", () => upstream.destroy());
    return socket;
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  writeFileSync(join(cwd, "ca.pem"), TEST_CERTIFICATE);
});
afterAll(async () => {
  proxy.closeAllConnections();
  await Promise.all([plainHub.close(), tlsHub.close(), new Promise((resolve) => proxy.close(resolve))]);
});

const proxyPort = () => (proxy.address() as AddressInfo).port;

function pull(env: Readonly<Record<string, string>>) {
  seen.length = 0;
  rmSync(join(cwd, "pulled"), { recursive: true, force: true });
  return shimmy(["pull", "owner/tiny", "--pull-dir", "pulled"], { cwd, env });
}

test("http: through HTTP_PROXY, hub and content server alike", async () => {
  const { stderr } = await pull({ HF_ENDPOINT: plainHub.url, HTTP_PROXY: `http://127.0.0.1:${proxyPort()}`, no_proxy: "" });
  expect(stderr).toContain("pulled");
  expect(new Set(seen)).toEqual(new Set([`GET 127.0.0.1:${plainHub.port}`, `GET 127.0.0.1:${plainHub.cdnPort}`]));
});

test("NO_PROXY goes past it", async () => {
  const env = { HF_ENDPOINT: plainHub.url, HTTP_PROXY: `http://127.0.0.1:${proxyPort()}`, NO_PROXY: "example.org,127.0.0.1" };
  expect((await pull(env)).stderr).toContain("pulled");
  expect(seen).toEqual([]);
});

test("https: through a tunnel of HTTPS_PROXY, with its user and password, to certificates of the hosts themselves", async () => {
  const env = { HF_ENDPOINT: tlsHub.url, https_proxy: `http://me:s%3Ecret@127.0.0.1:${proxyPort()}`, HF_TOKEN: "hf_mine" };
  const { stderr } = await pull({ ...env, NODE_EXTRA_CA_CERTS: join(cwd, "ca.pem") });
  expect(stderr).toContain("pulled");
  const credentials = `Basic ${Buffer.from("me:s>cret").toString("base64")}`;
  expect(new Set(seen)).toEqual(new Set([`CONNECT hub.test:443 ${credentials}`, `CONNECT cdn.test:443 ${credentials}`]));
  expect(tlsHub.asked.filter(({ where }) => where === "cdn").map(({ authorization }) => authorization)).toEqual([undefined]);

  const { code, stderr: refused } = await pull(env);
  expect([code, refused]).toEqual([1, expect.stringContaining("certificate")]);
});

test("a proxy that refuses is named as the reason", async () => {
  const { code, stderr } = await pull({ HF_ENDPOINT: "https://other.test", HTTPS_PROXY: `http://127.0.0.1:${proxyPort()}` });
  expect([code, stderr]).toEqual([1, expect.stringContaining("the proxy answers 403")]);
});

test.each([
  ["https://huggingface.co/x", { HTTPS_PROXY: "http://p:1" }, "http://p:1/"],
  ["https://huggingface.co/x", { HTTP_PROXY: "http://p:1" }, undefined],
  ["https://huggingface.co/x", { ALL_PROXY: "p:1" }, "http://p:1/"],
  ["https://huggingface.co/x", { https_proxy: "http://a:1", HTTPS_PROXY: "http://b:1" }, "http://a:1/"],
  ["https://huggingface.co/x", { HTTPS_PROXY: "http://p:1", NO_PROXY: "*" }, undefined],
  ["https://cdn.huggingface.co/x", { HTTPS_PROXY: "http://p:1", NO_PROXY: ".huggingface.co" }, undefined],
  ["https://nothuggingface.co/x", { HTTPS_PROXY: "http://p:1", NO_PROXY: "huggingface.co" }, "http://p:1/"],
  ["https://huggingface.co/x", { HTTPS_PROXY: "http://p:1", NO_PROXY: "huggingface.co:8443" }, "http://p:1/"],
  ["https://huggingface.co/x", { HTTPS_PROXY: "http://p:1", NO_PROXY: "a, huggingface.co:443" }, undefined],
  ["https://[::1]:8/x", { HTTPS_PROXY: "http://p:1", NO_PROXY: "::1" }, undefined],
  ["https://[::1]:8/x", { HTTPS_PROXY: "http://p:1", NO_PROXY: "" }, "http://p:1/"],
])("%s with %j", (url, env, expected) => {
  expect(proxyFor(new URL(url), env)?.href).toBe(expected);
});

test("a proxy of another kind is refused rather than passed by", () => {
  expect(() => proxyFor(new URL("https://x.test"), { ALL_PROXY: "socks5://p:1080" })).toThrowError(
    expect.objectContaining({ code: "hub_unreachable" }),
  );
});
