import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, test } from "vitest";
import { createLogger } from "../log.ts";
import { fingerprint, readable, webhookMessage } from "./message.ts";
import { MOST_TRIES, Webhook } from "./webhook.ts";

let server: Server | undefined;
let webhook: Webhook | undefined;
afterEach(async () => {
  webhook?.stop();
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

/** Answers with these statuses in turn, then 200. */
async function receiver(...statuses: readonly number[]) {
  const bodies: unknown[] = [];
  const lines: Array<Record<string, unknown>> = [];
  const listening = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += piece;
    bodies.push(JSON.parse(text));
    response.writeHead(statuses[bodies.length - 1] ?? 200, { location: "/elsewhere" }).end();
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const log = createLogger({ level: "info", format: "json", write: (line) => lines.push(JSON.parse(line)) });
  const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/hook?token=secret`;
  webhook = new Webhook({ url, log, firstWaitMs: 1 });
  return { bodies, lines, webhook };
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

test("what is not taken is told again until it is", async () => {
  const { bodies, lines, webhook } = await receiver(503, 429, 500);
  webhook.tell("a", { n: 1 });
  await until(() => bodies.length === 4);
  expect(bodies).toEqual([{ n: 1 }, { n: 1 }, { n: 1 }, { n: 1 }]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(bodies).toHaveLength(4);
  expect(lines).toMatchObject([{ alert: "a", reason: "it answered 503" }]);
  expect(JSON.stringify(lines)).not.toContain("secret");
});

test.each([400, 404, 302])("a refusal (%d) is final", async (status) => {
  const { bodies, lines, webhook } = await receiver(status);
  webhook.tell("a", { n: 1 });
  await until(() => lines.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(bodies).toHaveLength(1);
  expect(lines).toMatchObject([{ msg: "alert webhook: given up", reason: `it answered ${status}`, tries: 1 }]);
});

test("of one subject only the latest waits; another subject is not held up", async () => {
  const { bodies, webhook } = await receiver(503, 200, 200);
  webhook.tell("a", { a: 1 });
  webhook.tell("a", { a: 2 });
  webhook.tell("a", { a: 3 });
  webhook.tell("b", { b: 1 });
  await until(() => bodies.length === 3);
  expect(bodies).toContainEqual({ b: 1 });
  expect(bodies).toContainEqual({ a: 3 });
  expect(bodies).not.toContainEqual({ a: 2 });
});

test("whoever tells hears of what was taken, and of nothing else", async () => {
  const { bodies, webhook, lines } = await receiver(503, 200, 400);
  const taken: string[] = [];
  webhook.tell("a", { a: 1 }, () => taken.push("a1"));
  webhook.tell("a", { a: 2 }, () => taken.push("a2"));
  await until(() => bodies.length === 2 && taken.length === 1);
  webhook.tell("b", { b: 1 }, () => taken.push("b1"));
  await until(() => lines.some(({ msg }) => msg === "alert webhook: given up"));
  expect(taken).toEqual(["a2"]);
});

test("what was told while the one before was on its way is told as well", async () => {
  const { bodies, webhook } = await receiver();
  webhook.tell("a", { a: 1 });
  await until(() => bodies.length === 1);
  webhook.tell("a", { a: 2 });
  await until(() => bodies.length === 2);
  expect(bodies[1]).toEqual({ a: 2 });
});

test("nobody there is told so, and given up in the end", { timeout: 20_000 }, async () => {
  const lines: Array<Record<string, unknown>> = [];
  const log = createLogger({ level: "info", format: "json", write: (line) => lines.push(JSON.parse(line)) });
  const { lines: unused, webhook: open } = await receiver(...Array.from({ length: MOST_TRIES }, () => 503));
  expect(unused).toEqual([]);
  open.stop();
  const { port } = server!.address() as AddressInfo;
  await new Promise((resolve) => server!.close(resolve));
  server = undefined;
  webhook = new Webhook({ url: `http://127.0.0.1:${port}/`, log, firstWaitMs: 0 });
  webhook.tell("a", {});
  await until(() => lines.length === 2);
  expect(lines).toMatchObject([{ reason: "ECONNREFUSED" }, { msg: "alert webhook: given up", tries: MOST_TRIES }]);
});

test("a name and a password of the address are sent as a header, and never logged", async () => {
  const { url, lines, heard } = await bareReceiver((response) => response.writeHead(401).end());
  webhook = new Webhook({ url: url.replace("http://", "http://me:p%40ss@"), log: logInto(lines), firstWaitMs: 1 });
  webhook.tell("a", {});
  await until(() => lines.length === 1);
  expect(heard).toEqual([`Basic ${Buffer.from("me:p@ss").toString("base64")}`]);
  expect(JSON.stringify(lines)).not.toMatch(/p%40ss|p@ss|cDpA/);
});

test("Retry-After is waited for", async () => {
  const answers = [503, 200];
  const { url, lines, heard } = await bareReceiver((response) => response.writeHead(answers.shift() ?? 200, { "retry-after": "1" }).end());
  webhook = new Webhook({ url, log: logInto(lines), firstWaitMs: 1 });
  webhook.tell("a", {});
  await until(() => heard.length === 1);
  const before = performance.now();
  await until(() => heard.length === 2);
  expect(performance.now() - before).toBeGreaterThan(900);
});

test("a receiver that says nothing has not taken it, also where garbage is collected meanwhile", async () => {
  const { url, lines, heard } = await bareReceiver(() => undefined);
  webhook = new Webhook({ url, log: logInto(lines), firstWaitMs: 1, answerWithinMs: 200 });
  webhook.tell("a", {});
  await until(() => heard.length === 1);
  collectGarbage();
  await until(() => heard.length === 2);
  expect(lines).toMatchObject([{ msg: "alert webhook: not taken, it is tried again", reason: "no answer in 0.2 s" }]);
});

/** Of the whole process, as a busy server does by itself. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

async function bareReceiver(answer: (response: ServerResponse) => unknown) {
  const heard: Array<string | undefined> = [];
  const lines: Array<Record<string, unknown>> = [];
  const listening = createServer((request, response) => {
    heard.push(request.headers.authorization);
    request.resume();
    answer(response);
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}/hook`, heard, lines };
}

const logInto = (lines: Array<Record<string, unknown>>) =>
  createLogger({ level: "info", format: "json", write: (line) => lines.push(JSON.parse(line)) });

test("a message has the shape of Alertmanager's version 4", () => {
  const alert = {
    name: 'error "rate"',
    condition: "error_rate > 5%",
    state: "firing" as const,
    value: 0.0725,
    limit: 0.05,
    unit: "percent" as const,
    since: 0,
    windowSeconds: 300,
    holdSeconds: 0,
    enabled: true,
    severity: "page",
    labels: { team: "search", instance: "not this" },
    summary: "7.25% fail",
    description: "The condition is error_rate > 5%",
    repeatSeconds: 0,
  };
  const origin = { instance: "host:11435", url: "http://127.0.0.1:11435" };
  const firing = webhookMessage(alert, { startsAt: 1_700_000_000_000 }, origin);
  const labels = { team: "search", alertname: 'error "rate"', instance: "host:11435", job: "shimmy", severity: "page" };
  const annotations = { summary: "7.25% fail", description: "The condition is error_rate > 5%" };
  expect(firing).toEqual({
    version: "4",
    groupKey: '{}:{alertname="error \\"rate\\""}',
    truncatedAlerts: 0,
    status: "firing",
    receiver: "shimmy",
    groupLabels: { alertname: 'error "rate"' },
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: "http://127.0.0.1:11435",
    alerts: [
      {
        status: "firing",
        labels,
        annotations,
        startsAt: "2023-11-14T22:13:20.000Z",
        endsAt: "0001-01-01T00:00:00Z",
        generatorURL: "http://127.0.0.1:11435/api/alerts",
        fingerprint: fingerprint(labels),
      },
    ],
  });
  const resolved = webhookMessage(alert, { startsAt: 1_700_000_000_000, endsAt: 1_700_000_060_000 }, origin);
  expect(resolved).toMatchObject({ status: "resolved", groupKey: firing.groupKey });
  expect(resolved.alerts[0]).toMatchObject({ status: "resolved", endsAt: "2023-11-14T22:14:20.000Z" });
  expect(resolved.alerts[0]!.fingerprint).toBe(firing.alerts[0]!.fingerprint);
});

test("fingerprints are those of prometheus/common (its signature_test.go)", () => {
  expect(BigInt(`0x${fingerprint({})}`)).toBe(14695981039346656037n);
  expect(BigInt(`0x${fingerprint({ name: "garland, briggs", fear: "love is not enough" })}`)).toBe(5799056148416392346n);
});

test.each([
  [0.0725, "percent", "7.25%"],
  [1.23456, "seconds", "1.235 s"],
  [312.4 * 1024 ** 2, "bytes", "312.4 MB"],
  [17, "number", "17"],
  [undefined, "bytes", "unknown"],
] as const)("%d as %s is %s", (value, unit, text) => expect(readable(value, unit)).toBe(text));
