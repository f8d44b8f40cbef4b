/** What `shimmy alerts export` and `shimmy dashboard export` print is taken by those for whom it is. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { ALIASES, HISTOGRAM_ALIASES } from "../../src/telemetry/alerts/names.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";

const cwd = temporaryFolder();
/** Debian: apt install prometheus; or name the program in PROMTOOL. */
const PROMTOOL = process.env.PROMTOOL ?? "promtool";
const NO_PROMTOOL = spawnSync(PROMTOOL, ["--version"]).error ? "promtool is not on this machine (apt install prometheus)" : undefined;

const ALERTS = `alerts:
  startup_time: >2s
  memory_usage: >expected_model_size + 100MB
  error_rate: >5%
  request_latency_p95: >5s  # Adjust based on your SLA
  "{{odd}} \\"name\\"": {when: 'shimmy_requests_total{status=~"5..", route!="/x\\\\y"} > 3', window: 90s, for: 1m}
  full: {when: shimmy_kv_cells_used / shimmy_kv_cells > 90%, window: 1m, for: 1500ms}
  slow_loads: model_load_time_avg > 30s
  waiting: queue_depth{model="a b"} >= 2 * (3 + shimmy_slots)
  own: {when: error_rate > 1%, severity: page, summary: "{value} {{fail}} at {instance}", repeat: 1h, labels: {team: "a {{b"}}
  off: {when: error_rate > 1%, enabled: false}
`;

async function exported(yaml: string): Promise<string> {
  writeFileSync(join(cwd, "shimmy.yaml"), yaml);
  const { code, stdout, stderr } = await shimmy(["alerts", "export"], { cwd });
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
}

test("every configured alert is a rule", async () => {
  const { groups } = parse(await exported(ALERTS)) as { groups: Array<{ name: string; rules: Rule[] }> };
  expect(groups).toHaveLength(1);
  expect(groups[0]!.rules.map(({ alert, for: hold }) => [alert, hold])).toEqual([
    ["startup_time", undefined],
    ["memory_usage", undefined],
    ["error_rate", undefined],
    ["request_latency_p95", undefined],
    ['{{odd}} "name"', "1m"],
    ["full", "1500ms"],
    ["slow_loads", undefined],
    ["waiting", undefined],
    ["own", undefined],
  ]);
});

test("a condition that cannot be understood is refused, and no alerts are said to be none", async () => {
  writeFileSync(join(cwd, "shimmy.yaml"), "alerts:\n  a: nothing_of_ours > 1\n");
  expect(await shimmy(["alerts", "export"], { cwd })).toMatchObject({ code: 2, stderr: expect.stringContaining("there is no metric") });
  writeFileSync(join(cwd, "shimmy.yaml"), "port: 1\n");
  expect(await shimmy(["alerts", "export"], { cwd })).toMatchObject({ code: 0, stderr: expect.stringContaining("There are no alerts") });
});

describe.skipIf(NO_PROMTOOL)(`promtool${NO_PROMTOOL ? `: ${NO_PROMTOOL}` : ""}`, () => {
  const promtool = (...args: string[]) => execFileSync(PROMTOOL, args, { cwd, encoding: "utf8", stdio: "pipe" });

  test("takes the rules", async () => {
    writeFileSync(join(cwd, "rules.yaml"), await exported(ALERTS));
    expect(promtool("check", "rules", "rules.yaml")).toContain("SUCCESS: 9 rules found");
  });

  test("finds that they fire for the server that is meant, and only while it is so", async () => {
    writeFileSync(join(cwd, "rules.yaml"), await exported(ALERTS));
    writeFileSync(join(cwd, "unit.yaml"), JSON.stringify(UNIT));
    expect(promtool("test", "rules", "unit.yaml")).toContain("SUCCESS");
  });

  test("takes the expressions of the dashboard", async () => {
    const rules = (await dashboardExpressions()).map((expr, index) => ({ record: `x:${index}`, expr }));
    writeFileSync(join(cwd, "dashboard.yaml"), JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    expect(promtool("check", "rules", "dashboard.yaml")).toContain(`SUCCESS: ${rules.length} rules found`);
  });
});

/** Server a fails one request in ten and is slow, b answers all of them at once, c has never answered one. */
const UNIT = {
  rule_files: ["rules.yaml"],
  evaluation_interval: "10s",
  tests: [
    {
      interval: "10s",
      input_series: [
        ...["a", "b", "c"].map((instance) => ({ series: `shimmy_build_info{job="s",instance="${instance}"}`, values: "1x120" })),
        { series: 'shimmy_startup_seconds{job="s",instance="a"}', values: "2.5x120" },
        { series: 'shimmy_startup_seconds{job="s",instance="b"}', values: "0.2x120" },
        ...["a", "b"].map((instance) => ({
          series: `shimmy_requests_total{job="s",instance="${instance}",status="200"}`,
          values: "0+10x120",
        })),
        { series: 'shimmy_request_failures_total{job="s",instance="a",code="engine_gone"}', values: "0+1x60 60x60" },
        { series: 'gen_ai_server_request_duration_seconds_bucket{job="s",instance="a",le="5"}', values: "0+1x120" },
        { series: 'gen_ai_server_request_duration_seconds_bucket{job="s",instance="a",le="10"}', values: "0+10x120" },
        { series: 'gen_ai_server_request_duration_seconds_bucket{job="s",instance="a",le="+Inf"}', values: "0+10x120" },
        ...["a", "b"].map((instance) => ({ series: `shimmy_memory_bytes{job="s",instance="${instance}"}`, values: "300000000x120" })),
        { series: 'shimmy_expected_memory_bytes{job="s",instance="a"}', values: "100000000x120" },
        { series: 'shimmy_expected_memory_bytes{job="s",instance="b"}', values: "250000000x120" },
      ],
      alert_rule_test: [
        ...["startup_time", "memory_usage", "error_rate", "request_latency_p95"].map((alertname) => ({
          alertname,
          eval_time: "8m",
          exp_alerts: [{ exp_labels: { job: "s", instance: "a", severity: "warning" }, exp_annotations: annotationsOf(alertname) }],
        })),
        // Its failures ended at the tenth minute: five minutes later none is in the window.
        { alertname: "error_rate", eval_time: "16m", exp_alerts: [] },
      ],
    },
  ],
};

function annotationsOf(alertname: string) {
  const [value, condition] = {
    startup_time: ["2.5s", ">2s"],
    memory_usage: ["286.1Mi", ">expected_model_size + 100MB"],
    error_rate: ["10%", ">5%"],
    request_latency_p95: ["9.722s", ">5s"],
  }[alertname]!;
  return { summary: `${alertname} of a is ${value}`, description: `The condition is ${alertname} ${condition}` };
}

interface Dashboard {
  readonly panels: ReadonlyArray<{
    readonly id: number;
    readonly title: string;
    readonly gridPos: { x: number; y: number; w: number; h: number };
    readonly targets: ReadonlyArray<{ readonly expr: string; readonly refId: string }>;
  }>;
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string }> };
}

async function dashboard(): Promise<Dashboard> {
  const { stdout, code } = await shimmy(["dashboard", "export"], { cwd });
  expect(code).toBe(0);
  return JSON.parse(stdout);
}

async function dashboardExpressions(): Promise<string[]> {
  const { panels } = await dashboard();
  const all = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  return all.map((expr) => expr.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".*"));
}

test("the dashboard and the aliases name metrics that there are", async () => {
  const view = await new Metrics({ version: "1", models: () => [], alerts: () => [] }).view();
  await view.sample();
  const known = new Set(view.names().flatMap(({ name }) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]));
  const texts = [...(await dashboardExpressions()), ...Object.values(ALIASES), ...Object.values(HISTOGRAM_ALIASES)];
  const named = texts.flatMap((text) => text.match(/\b(?:shimmy|gen_ai|process|nodejs)_\w+/g) ?? []);
  expect(named.length).toBeGreaterThan(30);
  expect([...new Set(named)].filter((name) => !known.has(name))).toEqual([]);
});

test("the panels of the dashboard do not overlap, and have numbers and letters of their own", async () => {
  const { panels, templating } = await dashboard();
  expect(templating.list.map(({ name }) => name)).toEqual(["datasource", "instance"]);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { targets } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
    expect(x + w).toBeLessThanOrEqual(24);
    return Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`);
  });
  expect(new Set(cells).size).toBe(cells.length);
});
