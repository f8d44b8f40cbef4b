/** Callers of a gateway who leave, or do not read: the upstream stops working for them, and the gateway keeps little. */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { load, metric } from "../support/raw.ts";
import { post, startServer, type TestServer, until } from "../support/server.ts";
import { gatewayBefore, QUESTION, type Stand, standIn, told } from "./support.ts";

const stops: Array<() => unknown> = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
}, 30_000);

async function gatewayOf(urls: readonly string[]): Promise<TestServer> {
  const gateway = await gatewayBefore(urls);
  stops.push(() => gateway.stop());
  return gateway;
}

const piece = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;

/** Asks, leaves when `isTime`, and tells how the request was counted. */
async function leaves(gateway: TestServer, fields: object, isTime: () => boolean | Promise<boolean>): Promise<void> {
  const leave = new AbortController();
  const asked = post(gateway, "/v1/chat/completions", { ...QUESTION, ...fields }, { signal: leave.signal })
    .then((response) => response.text())
    .catch((error: unknown) => String(error));
  await until(isTime);
  leave.abort();
  expect(await asked).toMatch(/abort/i);
}

/** A server that keeps what it was asked open, and tells when the other side is gone. */
async function patient(answer: (write: (text: string) => void) => void): Promise<Stand & { begun: number; left: number; leftAt: number }> {
  const counts = { begun: 0, left: 0, leftAt: 0 };
  const server = await standIn((_, response) => {
    counts.begun++;
    response.once("close", () => {
      counts.left++;
      counts.leftAt = performance.now();
    });
    answer((text) => {
      if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(text);
    });
  });
  stops.push(() => server.stop());
  return Object.assign(counts, server);
}

describe("a caller who leaves", () => {
  test.each<[string, (write: (text: string) => void) => void, object]>([
    ["before the upstream has said anything", () => undefined, {}],
    ["before it has said anything, of a stream", () => undefined, { stream: true }],
    ["when it has said that it works", (write) => write(`: hello\n\n${piece("")}`), { stream: true }],
    ["after the first piece", (write) => write(piece("Hi")), { stream: true }],
    ["after the first piece, of an answer that is not streamed", (write) => write(piece("Hi")), {}],
  ])("%s ends the work there at once", async (_, answer, fields) => {
    const server = await patient(answer);
    const gateway = await gatewayOf([server.url]);
    await leaves(gateway, { model: "tiny-stand", ...fields }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return server.begun > 0;
    });
    const since = performance.now();
    await until(() => server.left > 0);
    expect(server.leftAt - since).toBeLessThan(500);
    const upstream = server.url.replace("http://", "");
    await until(async () => (await metric(gateway, "shimmy_upstream_requests_total", `{upstream="${upstream}",end="left"}`)) === 1);
    expect(await metric(gateway, "shimmy_upstream_in_flight", `{upstream="${upstream}"}`)).toBe(0);
    expect(await told(fetch(`${gateway.url}/health`))).not.toHaveProperty("degraded");
  });

  test("is nobody's work any more in the queue of a Shimmy and while it loads its model", async () => {
    const behind = await startServer({ args: ["--parallel", "1"] });
    stops.push(() => behind.stop());
    const gateway = await gatewayOf([behind.url]);
    const inFlight = () => metric(gateway, "shimmy_upstream_in_flight", `{upstream="127.0.0.1:${behind.port}"}`);
    const ended = async () => {
      const text = await (await fetch(`${behind.url}/metrics`)).text();
      return text
        .split("\n")
        .filter((line) => /^shimmy_requests_total\{.*status="499"/.test(line))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    };
    const fields = { model: "shimmy-tiny", stream: true, max_tokens: 4000, ignore_eos: true };
    // Nothing is loaded yet: the first waits for that.
    await leaves(gateway, fields, async () => (await inFlight()) === 1);
    await until(async () => (await ended()) === 1);
    const holding = new AbortController();
    const first = await post(gateway, "/v1/chat/completions", { ...QUESTION, ...fields }, { signal: holding.signal });
    await first.body!.getReader().read();
    await leaves(gateway, fields, async () => (await load(behind)).queued === 1);
    await until(async () => (await ended()) === 2);
    expect(await load(behind)).toEqual({ running: 1, queued: 0 });
    holding.abort();
    await until(async () => (await ended()) === 3 && (await load(behind)).running === 0);
  }, 30_000);
});

const residentBytes = (pid: number) => 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);

describe.skipIf(process.platform !== "linux")("memory (read from /proc)", () => {
  test("a caller who does not read makes the upstream wait: little is kept here", async () => {
    let sent = 0;
    const text = piece("x".repeat(4000));
    const server = await standIn(async (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      while (!response.destroyed) {
        sent += text.length;
        if (!response.write(text)) await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
      }
    });
    stops.push(() => server.stop());
    const gateway = await gatewayOf([server.url]);
    await fetch(`${gateway.url}/v1/models`);
    const before = residentBytes(gateway.pid);
    const body = JSON.stringify({ ...QUESTION, model: "tiny-stand", stream: true });
    const sockets = Array.from({ length: 4 }, () => {
      const socket = connect(gateway.port, "127.0.0.1");
      socket.write(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      return socket.pause();
    });
    for (const socket of sockets) stops.push(() => socket.destroy());
    let last = -1;
    await until(async () => {
      const still = sent > 0 && sent === last;
      last = sent;
      await new Promise((resolve) => setTimeout(resolve, 700));
      return still;
    });
    // What four sockets of the kernel hold on both sides is most of it.
    expect(sent).toBeLessThan(4 * 16_000_000);
    expect(residentBytes(gateway.pid) - before).toBeLessThan(60_000_000);
  }, 30_000);

  test("an answer without end that is not streamed is given up", async () => {
    const text = piece("x".repeat(100_000));
    const server = await standIn(async (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      while (!response.destroyed)
        if (!response.write(text)) await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
    });
    stops.push(() => server.stop());
    const gateway = await gatewayOf([server.url]);
    const response = await post(gateway, "/v1/chat/completions", { ...QUESTION, model: "tiny-stand" });
    expect([response.status, (await told(response)).error!.message]).toEqual([502, expect.stringMatching(/no end/)]);
    expect(residentBytes(gateway.pid)).toBeLessThan(600_000_000);
  }, 60_000);
});
