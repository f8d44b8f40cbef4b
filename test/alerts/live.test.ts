/** Alerts of a real server: they fire, are told, and end. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WireAlert } from "../../src/server/api/alerts.ts";
import type { WebhookMessage } from "../../src/telemetry/alerts/message.ts";
import { shimmy } from "../support/command.ts";
import { startServer, type TestServer, until } from "../support/server.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-alerts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const alertsOf = async ({ url }: TestServer) => ((await (await fetch(`${url}/api/alerts`)).json()) as { alerts: WireAlert[] }).alerts;
const metricOf = async ({ url }: TestServer, series: string) =>
  (await (await fetch(`${url}/metrics`)).text()).split("\n").find((line) => line.startsWith(`${series} `));

describe("an alert on requests that are not found", () => {
  let receiver: Server;
  let server: TestServer;
  const messages: WebhookMessage[] = [];
  /** The receiver's first answer is an error, so that the first message comes again. */
  const answers = [503];

  beforeAll(async () => {
    receiver = createServer(async (request, response) => {
      let text = "";
      for await (const piece of request) text += piece;
      messages.push(JSON.parse(text));
      response.writeHead(answers.shift() ?? 200).end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    const { port } = receiver.address() as AddressInfo;
    writeFileSync(
      join(folder, "shimmy.yaml"),
      `alert_interval: 1s
alert_webhook: http://127.0.0.1:${port}/
alerts:
  lost:
    when: shimmy_requests_total{status="404"} > 2
    window: 3s
    severity: page
    labels: {team: search}
    summary: "{value} were lost at {instance}"
    description: Look at the links.
  off: {when: queue_depth > 1, enabled: false}
  quiet: startup_time > 1h
`,
    );
    server = await startServer({ cwd: folder, args: ["--log-format", "json"] });
  });
  afterAll(async () => {
    await server.stop();
    await new Promise((resolve) => receiver.close(resolve));
  });

  test("is ok before, fires when it happens, is told in all places, and is over by itself", async () => {
    expect(await alertsOf(server)).toMatchObject([
      { name: "lost", state: "ok", window_seconds: 3, for_seconds: 0, limit: 2 },
      { name: "off", enabled: false, value: null },
      { name: "quiet", state: "ok", unit: "seconds", limit: 3600 },
    ]);
    expect(await metricOf(server, 'shimmy_alert_firing{alert="lost"}')).toMatch(/ 0$/);

    for (let i = 0; i < 5; i++) await fetch(`${server.url}/nowhere`);
    await until(async () => (await alertsOf(server))[0]!.state === "firing");
    expect(await metricOf(server, 'shimmy_alert_firing{alert="lost"}')).toMatch(/ 1$/);
    expect((await alertsOf(server))[0]).toMatchObject({ value: 5, limit: 2 });
    await until(() => messages.length >= 2);

    await until(async () => (await alertsOf(server))[0]!.state === "ok");
    await until(() => messages.length >= 3);
    expect(await metricOf(server, 'shimmy_alert_firing{alert="lost"}')).toMatch(/ 0$/);
    expect(messages.map(({ status }) => status)).toEqual(["firing", "firing", "resolved"]);
    expect(messages[1]).toEqual(messages[0]);
    expect(messages[0]!.alerts[0]).toMatchObject({
      labels: { alertname: "lost", team: "search", severity: "page" },
      annotations: { summary: expect.stringMatching(/^\d were lost at .+:\d+$/), description: "Look at the links." },
    });
    expect(await metricOf(server, 'shimmy_alert_firing{alert="off"}')).toBeUndefined();
    const [first, , last] = messages;
    expect(last).toMatchObject({ groupKey: first!.groupKey, externalURL: server.url, commonLabels: { alertname: "lost" } });
    expect(last!.alerts[0]).toMatchObject({ fingerprint: first!.alerts[0]!.fingerprint, startsAt: first!.alerts[0]!.startsAt });
    expect(Date.parse(last!.alerts[0]!.endsAt)).toBeGreaterThan(Date.parse(last!.alerts[0]!.startsAt));

    const logged = server
      .stderr()
      .split("\n")
      .filter((line) => line.includes('"msg":"alert"'))
      .map((line) => JSON.parse(line));
    expect(logged).toMatchObject([
      { level: 40, alert: "lost", state: "firing", value: "5", limit: "2" },
      { level: 30, alert: "lost", state: "ok" },
    ]);
  });

  test("one that is silenced fires without a word", async () => {
    const silence = (body: unknown) =>
      fetch(`${server.url}/api/alerts/silence`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    expect((await silence({ name: "nobody", for: "1m" })).status).toBe(404);
    for (const wrong of [{ name: "lost" }, { name: "lost", for: "8d" }, { name: "lost", for: "soon" }])
      expect((await silence(wrong)).status).toBe(400);
    const answer = (await (await silence({ name: "lost", for: "1m" })).json()) as WireAlert;
    expect(Date.parse(answer.silenced_until!) - Date.now()).toBeGreaterThan(50_000);
    const before = messages.length;
    for (let i = 0; i < 5; i++) await fetch(`${server.url}/nowhere`);
    await until(async () => (await alertsOf(server))[0]!.state === "firing");
    await until(async () => (await alertsOf(server))[0]!.state === "ok");
    expect(messages).toHaveLength(before);
  });

  test("shimmy alerts list tells the same", async () => {
    const { stdout, stderr, code } = await shimmy(["alerts", "list", "--url", server.url], { cwd: folder });
    expect(stdout).toMatch(
      /^ALERT +STATE +VALUE +LIMIT +SINCE +CONDITION\nlost +ok +0 +2 +\S+ +shimmy_requests_total\{status="404"\} > 2\n/,
    );
    expect([stderr, code]).toEqual(["3 alerts, 0 firing\n", 0]);
  });
});

describe("the template's block, word for word", () => {
  const TEMPLATE = `alerts:
  startup_time: >2s
  memory_usage: >expected_model_size + 100MB
  error_rate: >5%
  request_latency_p95: >5s  # Adjust based on your SLA
`;

  test("is watched, and a server that is well fires none of it, with a loaded model too", async () => {
    writeFileSync(join(folder, "shimmy.yaml"), TEMPLATE);
    const server = await startServer({ cwd: folder, args: ["--alert-interval", "1s", "--preload", "default"] });
    try {
      const body = JSON.stringify({ messages: [{ role: "user", content: "Hi" }], max_tokens: 8 });
      const headers = { "content-type": "application/json" };
      expect((await fetch(`${server.url}/v1/chat/completions`, { method: "POST", headers, body })).status).toBe(200);
      await until(async () => (await alertsOf(server)).every(({ value }) => value !== null));
      const alerts = await alertsOf(server);
      expect(alerts.map(({ name, state, unit }) => [name, state, unit])).toEqual([
        ["startup_time", "ok", "seconds"],
        ["memory_usage", "ok", "bytes"],
        ["error_rate", "ok", "percent"],
        ["request_latency_p95", "ok", "seconds"],
      ]);
      const [startup, memory, errors, latency] = alerts.map(({ value }) => value!);
      expect(startup).toBeGreaterThan(0.01);
      expect(memory).toBeGreaterThan(50e6);
      expect(errors).toBe(0);
      expect(latency).toBeGreaterThan(0);
    } finally {
      await server.stop();
    }
  });
});

test("without alerts there are none", async () => {
  const server = await startServer();
  expect(await alertsOf(server)).toEqual([]);
  expect(await metricOf(server, "shimmy_alert_firing")).toBeUndefined();
  await server.stop();
});

test.each([
  ["error_rate: >5 pct", /bad\.yaml: alerts\.error_rate: '>5 pct' is not allowed: at character 4: 'pct' is no unit/],
  ["a: shimmy_queue_dept > 3", /alerts\.a: .* there is no metric shimmy_queue_dept; did you mean shimmy_queue_depth\?/],
  ["a: {when: queue_depth > 3, window: 30m}\nalert_interval: 1s", /alerts\.a\.window: '1800s' is not allowed: .* raise alert_interval/],
])("%j ends the start of a server with its reason", async (block, message) => {
  const [alert, setting = ""] = block.split("\n");
  writeFileSync(join(folder, "bad.yaml"), `alerts:\n  ${alert}\n${setting}\n`);
  const { code, stderr, stdout } = await shimmy(["serve", "--bind", "127.0.0.1:0", "--config", "bad.yaml"], { cwd: folder });
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(message);
});
