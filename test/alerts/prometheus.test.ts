/** Debian's Prometheus scrapes a live server by the exported rules, and sees what the server itself sees. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { WireAlert } from "../../src/server/api/alerts.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { startServer, until } from "../support/server.ts";

/** Debian: apt install prometheus; or name the program in PROMETHEUS. */
const PROMETHEUS = process.env.PROMETHEUS ?? "prometheus";
const NO_PROMETHEUS = spawnSync(PROMETHEUS, ["--version"]).error ? "prometheus is not on this machine (apt install prometheus)" : undefined;
const cwd = temporaryFolder();

const ALERTS = `alert_interval: 1s
alerts:
  startup_time: >1m
  memory_usage: >expected_model_size + 10GB
  error_rate: >5%
  request_latency_p95: >5s  # Adjust based on your SLA
  lost: {when: 'shimmy_requests_total{status="404"} > 2', window: 1m}
  up: startup_time > 1ms
`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

let prometheus: ChildProcess | undefined;
afterAll(async () => {
  if (!prometheus) return;
  const gone = new Promise((resolve) => prometheus?.once("close", resolve));
  prometheus.kill("SIGTERM");
  await gone;
});

interface Judged {
  readonly name: string;
  readonly state: "inactive" | "pending" | "firing";
  readonly health: string;
}

/** There is no GPU here; nothing is unloaded, and no engine restarts. */
const NOT_HERE = [
  "shimmy_device_memory_bytes",
  "shimmy_device_free_memory_bytes",
  "shimmy_device_held_memory_bytes",
  "shimmy_model_unloads_total",
  "shimmy_engine_restarts_total",
];

/** Expressions of the dashboard that give no series, after a model has answered. */
async function emptyPanels(port: number, { url }: { url: string }): Promise<string[]> {
  const body = JSON.stringify({ messages: [{ role: "user", content: "Hi" }], max_tokens: 8 });
  const chat = () => fetch(`${url}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { stdout } = await shimmy(["dashboard", "export"], { cwd });
  const { panels } = JSON.parse(stdout) as { panels: ReadonlyArray<{ targets: ReadonlyArray<{ expr: string }> }> };
  const all = panels.flatMap(({ targets }) =>
    targets.map(({ expr }) => expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*")),
  );
  const isEmpty = async (query: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?${new URLSearchParams({ query })}`);
    const { status, data } = (await answer.json()) as { status: string; data?: { result: unknown[] } };
    return status !== "success" || data?.result.length === 0;
  };
  let empty = all;
  for (let tries = 0; tries < 10 && empty.length > NOT_HERE.length; tries++) {
    await (await chat()).text();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const flags = await Promise.all(all.map(isEmpty));
    empty = all.filter((_, i) => flags[i]);
  }
  return empty;
}

describe.skipIf(NO_PROMETHEUS)(`prometheus${NO_PROMETHEUS ? `: ${NO_PROMETHEUS}` : ""}`, () => {
  test("scrapes, takes the exported rules, and judges as the server does", { timeout: 60_000 }, async () => {
    writeFileSync(join(cwd, "shimmy.yaml"), ALERTS);
    const server = await startServer({ cwd });
    const [{ stdout: rules }, port] = await Promise.all([shimmy(["alerts", "export"], { cwd }), freePort()]);
    writeFileSync(join(cwd, "rules.yaml"), rules);
    const scrape = [{ job_name: "shimmy", static_configs: [{ targets: [`127.0.0.1:${server.port}`] }] }];
    const global = { scrape_interval: "1s", evaluation_interval: "1s" };
    writeFileSync(join(cwd, "prometheus.yaml"), JSON.stringify({ global, rule_files: ["rules.yaml"], scrape_configs: scrape }));
    const flags = ["--config.file=prometheus.yaml", "--storage.tsdb.path=data", `--web.listen-address=127.0.0.1:${port}`];
    prometheus = spawn(PROMETHEUS, flags, { cwd, stdio: "ignore" });

    const judged = async (): Promise<readonly Judged[]> => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/rules`).catch(() => undefined);
      if (!answer?.ok) return [];
      return ((await answer.json()) as { data: { groups: Array<{ rules: Judged[] }> } }).data.groups[0]?.rules ?? [];
    };
    const firing = (rules: readonly { name: string; state: string }[]) =>
      rules.filter(({ state }) => state === "firing").map(({ name }) => name);
    await until(async () => firing(await judged()).includes("up"));
    expect(firing(await judged())).toEqual(["up"]);

    await until(async () => {
      await fetch(`${server.url}/nowhere`);
      await new Promise((resolve) => setTimeout(resolve, 500));
      return firing(await judged()).includes("lost");
    });
    const [theirs, ours] = await Promise.all([
      judged(),
      fetch(`${server.url}/api/alerts`).then((answer) => answer.json() as Promise<{ alerts: WireAlert[] }>),
    ]);
    expect(theirs.map(({ health }) => health)).toEqual(Array(6).fill("ok"));
    expect(firing(theirs)).toEqual(["lost", "up"]);
    expect(firing(ours.alerts)).toEqual(["lost", "up"]);

    const panels = await emptyPanels(port, server);
    expect(panels.map((expression) => expression.replace(/^.*\((shimmy_\w+).*$/, "$1"))).toEqual(NOT_HERE);
    expect(await server.stop()).toBe(0);
  });
});
