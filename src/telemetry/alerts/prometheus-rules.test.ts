/** The exported rules mean what the watch means. Whether Prometheus accepts them: test/alerts/promtool.test.ts. */
import { expect, test } from "vitest";
import { prometheusRules } from "./prometheus-rules.ts";
import { readRules } from "./rule.ts";

const expressionOf = (when: string, window?: string) => {
  const [rule] = prometheusRules(readRules({ alerts: { x: window === undefined ? when : { when, window } } })).groups[0]!.rules;
  return rule!.expr;
};

test.each([
  ["startup_time > 2s", "sum by (job, instance) (shimmy_startup_seconds) > 2"],
  [
    "memory_usage > expected_model_size + 100MB",
    "sum by (job, instance) (shimmy_memory_bytes) > (sum by (job, instance) (shimmy_expected_memory_bytes) + 104857600)",
  ],
  [
    "request_latency_p95 >= 1500ms",
    "histogram_quantile(0.95, sum by (job, instance, le) (rate(gen_ai_server_request_duration_seconds_bucket[5m]))) >= 1.5",
  ],
  [
    'x_total{model="a\\"b",code=~"5.."} > 1',
    '(sum by (job, instance) (increase(x_total{model="a\\"b",code=~"5.."}[5m])) or sum by (job, instance) (shimmy_build_info) * 0) > 1',
  ],
  ["h_avg > 1", "(sum by (job, instance) (increase(h_sum[5m])) / sum by (job, instance) (increase(h_count[5m]))) > 1"],
])("%s", (when, expression) => expect(expressionOf(when)).toBe(expression));

test("a window makes averages of gauges, and is Prometheus' window", () => {
  expect(expressionOf("depth > 1", "90s")).toBe("sum by (job, instance) (avg_over_time(depth[90s])) > 1");
  expect(expressionOf("x_total > 1", "1h")).toContain("[60m]");
  expect(expressionOf("x_total > 1", "1500ms")).toContain("[1500ms]");
});

test("the hold time is there if there is one; braces of a name are no template", () => {
  const { rules } = prometheusRules(readRules({ alerts: { a: "x > 1", "{{b}}": { when: "x > 1", for: "90s" } } })).groups[0]!;
  expect(rules[0]).not.toHaveProperty("for");
  expect(rules[1]).toMatchObject({
    for: "90s",
    alert: "{{b}}",
    annotations: { summary: expect.stringMatching(/^\{\{ "\{\{" \}\}b}} of/) },
  });
});

test("labels, severity and words go along, as texts and not as templates; what is not enabled stays away", () => {
  const mine = {
    when: "x > 5%",
    severity: "page {{ 1 }}",
    labels: { team: "a" },
    summary: "{value} at {instance}",
    description: "{{ $x }}",
  };
  const { rules } = prometheusRules(readRules({ alerts: { mine, off: { when: "x > 1", enabled: "false" } } })).groups[0]!;
  expect(rules.map(({ alert, labels, annotations }) => ({ alert, labels, annotations }))).toEqual([
    {
      alert: "mine",
      labels: { team: "a", severity: 'page {{ "{{" }} 1 }}' },
      annotations: { summary: "{{ $value | humanizePercentage }} at {{ $labels.instance }}", description: '{{ "{{" }} $x }}' },
    },
  ]);
});
