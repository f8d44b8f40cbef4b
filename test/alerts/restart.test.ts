/** What a real server knows of its alerts after it was ended, killed, or could not write. */

import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { WireAlert } from "../../src/server/api/alerts.ts";
import type { WebhookMessage } from "../../src/telemetry/alerts/message.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { startServer, type TestServer, until } from "../support/server.ts";

const messages: WebhookMessage[] = [];
let answer = 200;
const receiver = createServer(async (request, response) => {
  let text = "";
  for await (const piece of request) text += piece;
  messages.push(JSON.parse(text));
  response.writeHead(answer).end();
});
beforeAll(() => new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve)));
afterAll(() => receiver.close());
beforeEach(() => {
  messages.length = 0;
  answer = 200;
});

const FIRES = "startup_time > 0s";

function folderWith(condition = FIRES, webhook = true): string {
  const folder = temporaryFolder();
  configure(folder, condition, webhook);
  return folder;
}

function configure(folder: string, condition: string, webhook = true): void {
  const { port } = receiver.address() as AddressInfo;
  const told = webhook ? `alert_webhook: http://127.0.0.1:${port}/\n` : "";
  writeFileSync(join(folder, "shimmy.yaml"), `alert_interval: 1s\n${told}alerts:\n  slow: ${condition}\n  other: ${FIRES}\n`);
}

/** The same address again: by it others tell servers apart. */
const ports = new Map<string, number>();
async function start(folder: string, port?: number): Promise<TestServer> {
  ports.set(folder, port ?? ports.get(folder) ?? (await freePort()));
  return startServer({ cwd: folder, args: ["--log-format", "json", "--bind", `127.0.0.1:${ports.get(folder)}`] });
}

async function freePort(): Promise<number> {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  await new Promise((resolve) => taken.close(resolve));
  return port;
}
const slow = async ({ url }: TestServer) => ((await (await fetch(`${url}/api/alerts`)).json()) as { alerts: WireAlert[] }).alerts[0]!;
const of = (name: string) => messages.filter(({ groupLabels }) => groupLabels.alertname === name);
const kept = (folder: string) => {
  const at = join(folder, "shimmy", "alerts");
  return existsSync(at) ? readdirSync(at).map((name) => join(at, name)) : [];
};
const told = (folder: string) => {
  const [path] = kept(folder).filter((each) => each.endsWith(".json"));
  return path === undefined ? [] : JSON.parse(readFileSync(path, "utf8")).firing.map(({ alert }: { alert: string }) => alert);
};

async function silence({ url }: TestServer, name = "slow", time = "1h"): Promise<WireAlert> {
  const body = JSON.stringify({ name, for: time });
  const response = await fetch(`${url}/api/alerts/silence`, { method: "POST", headers: { "content-type": "application/json" }, body });
  expect(response.status).toBe(200);
  return (await response.json()) as WireAlert;
}

async function kill(server: TestServer): Promise<void> {
  const gone = new Promise((resolve) => server.process.once("close", resolve));
  server.process.kill("SIGKILL");
  await gone;
}

test("a silence that was answered is there after SIGKILL, and what fires since when; the webhook hears nothing twice", async () => {
  const folder = folderWith();
  const first = await start(folder);
  await until(() => messages.length === 2);
  await until(() => told(folder).length === 2);
  const { silenced_until: until_, since } = await silence(first);
  await kill(first);
  const second = await start(folder);
  expect(await slow(second)).toMatchObject({ state: "firing", silenced_until: until_, since });
  expect(second.stderr()).toContain('"silences":1,"firing":2');
  // Some looks further on.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await second.stop();
  expect(messages).toHaveLength(2);
});

test("what has ended by the restart is told to have ended, with the time of its beginning", async () => {
  const folder = folderWith(`{when: 'shimmy_requests_total{status="404"} > 2', window: 4s}`);
  const first = await start(folder);
  for (let i = 0; i < 5; i++) await fetch(`${first.url}/nowhere`);
  await until(() => told(folder).includes("slow"));
  await kill(first);
  const second = await start(folder);
  // The new process has counted nothing, and knows that this says nothing yet.
  expect(await slow(second)).toMatchObject({ state: "firing" });
  await until(() => of("slow").length === 2);
  const [began, ended] = of("slow").map(({ alerts }) => alerts[0]!);
  expect(ended).toMatchObject({ status: "resolved", startsAt: began!.startsAt });
  await until(() => !told(folder).includes("slow"));
  await second.stop();
});

test("what no webhook took is told by the next process", async () => {
  const folder = folderWith();
  answer = 400;
  const first = await start(folder);
  await until(() => messages.length === 2);
  await first.stop();
  answer = 200;
  const second = await start(folder);
  await until(() => told(folder).length === 2);
  await kill(second);
  expect(of("slow").map(({ status }) => status)).toEqual(["firing", "firing"]);
});

test("a file that is broken is said and set aside, and another is written", async () => {
  const folder = folderWith();
  const first = await start(folder);
  await silence(first);
  await first.stop();
  const [path] = kept(folder);
  writeFileSync(path!, '{"version":1,"silences":{"slow":');
  const second = await start(folder);
  expect(second.stderr()).toContain("what was kept of alerts is not used");
  expect(await slow(second)).not.toHaveProperty("silenced_until");
  await silence(second);
  await second.stop();
  expect(readFileSync(`${path}.unusable`, "utf8")).toBe('{"version":1,"silences":{"slow":');
  const third = await start(folder);
  expect(await slow(third)).toHaveProperty("silenced_until");
  await third.stop();
});

test("two servers of one configuration lose no silence of each other", async () => {
  const folder = folderWith(FIRES, false);
  const [one, two] = await Promise.all([start(folder, 0), start(folder, 0)]);
  await Promise.all([silence(one, "slow"), silence(two, "other")]);
  await Promise.all([one.stop(), two.stop()]);
  const third = await start(folder);
  const { alerts } = (await (await fetch(`${third.url}/api/alerts`)).json()) as { alerts: WireAlert[] };
  expect(alerts.map(({ silenced_until }) => silenced_until !== undefined)).toEqual([true, true]);
  await third.stop();
  expect(kept(folder)).toHaveLength(1);
});

test("where nothing can be written a silence holds until the restart, and the log says so", async () => {
  const folder = folderWith(FIRES, false);
  // A file in the place of the folder: root may write whatever its mode says.
  mkdirSync(join(folder, "shimmy"));
  writeFileSync(join(folder, "shimmy", "alerts"), "");
  const server = await start(folder);
  expect(await silence(server)).toHaveProperty("silenced_until");
  expect(await slow(server)).toHaveProperty("silenced_until");
  expect(server.stderr()).toContain("kept until the restart only");
  await server.stop();
});

test("the command silences, and ends a silence", async () => {
  const folder = folderWith(FIRES, false);
  const server = await start(folder);
  const run = (...words: string[]) => shimmy(["alerts", "silence", ...words, "--url", server.url], { cwd: folder });
  expect(await run("slow", "--for", "2h")).toMatchObject({ code: 0, stderr: expect.stringContaining("slow is silent until 20") });
  expect(await slow(server)).toHaveProperty("silenced_until");
  expect(await run("slow", "--for", "0")).toMatchObject({ code: 0, stderr: expect.stringContaining("slow is told again") });
  expect(await slow(server)).not.toHaveProperty("silenced_until");
  expect((await run()).code).not.toBe(0);
  expect((await run("nobody")).stderr).toContain("nobody");
  await server.stop();
});

test("a server without alerts makes no folder for them", async () => {
  const folder = temporaryFolder();
  const server = await startServer({ cwd: folder });
  await (await fetch(`${server.url}/api/alerts`)).text();
  await server.stop();
  expect(kept(folder)).toEqual([]);
});
