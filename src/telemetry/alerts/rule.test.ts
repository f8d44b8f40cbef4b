import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AlertSpec } from "../../config/load.ts";
import type { MetricDescription } from "../../contract/observation.ts";
import { evaluate, holds, type Outlook } from "./evaluate.ts";
import { type Expression, parseCondition } from "./parse.ts";
import { checkNames, readRules } from "./rule.ts";
import { tokenize } from "./tokens.ts";

const rules = (alerts: Record<string, AlertSpec>) => readRules({ alerts, file: "/etc/shimmy.yaml" });
const refused = (alerts: Record<string, AlertSpec>) => {
  try {
    rules(alerts);
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
  return "was taken";
};

/** Nothing but what the test gives: gauges by name, and how the histogram and the counters stand. */
function outlook(given: Record<string, number> = {}, rest: Partial<Outlook> = {}): Outlook {
  const of = ({ name }: { name: string }) => given[name];
  return {
    view: {
      latest: of,
      increase: of,
      average: (selector) => of({ name: `avg ${selector.name}` }),
      quantile: (_, selector) => of(selector),
    },
    windowSeconds: 300,
    averages: false,
    sampledTwice: true,
    ...rest,
  };
}

const worth = (text: string, given?: Record<string, number>) => evaluate(parseCondition(`${text} > ${text}`, "x").left, outlook(given));

test.each([
  [{ severity: "x".repeat(101) }, /alerts\.a\.severity: .* at most 100/],
  [{ summary: "one\ntwo" }, /alerts\.a\.summary/],
  [{ repeat: "1s" }, /alerts\.a\.repeat: '1s' .* at least 10 s/],
  [{ repeat: "often" }, /alerts\.a\.repeat: 'often'/],
  [{ enabled: "no" }, /alerts\.a\.enabled: 'no' .* true or false/],
  [{ labels: { "a-b": "x" } }, /alerts\.a\.labels: 'a-b'/],
  [{ labels: { __name__: "x" } }, /alerts\.a\.labels/],
  [{ labels: { severity: "x" } }, /use severity beside labels/],
  [{ labels: { job: "x" } }, /choose another name/],
  [{ labels: "x" }, /use names with values/],
  [{ labels: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`l${i}`, "x"])) }, /at most 20/],
  [{ window: { of: "5m" } }, /alerts\.a\.window: its value/],
] as ReadonlyArray<[Exclude<AlertSpec, string>, RegExp]>)("%j is refused with its place", (more, message) => {
  expect(refused({ a: { when: "queue_depth > 1", ...more } })).toMatch(message);
});

describe("the template's block", () => {
  const TEMPLATE = {
    startup_time: ">2s",
    memory_usage: ">expected_model_size + 100MB",
    error_rate: ">5%",
    request_latency_p95: ">5s",
  };
  const METRICS = {
    shimmy_startup_seconds: 2.1,
    shimmy_memory_bytes: 300 * 1024 ** 2,
    shimmy_expected_memory_bytes: 200 * 1024 ** 2,
    shimmy_request_failures_total: 5,
    shimmy_requests_total: 100,
    gen_ai_server_request_duration_seconds: 4.9,
  };

  test("each condition says what it seems to say", () => {
    const told = rules(TEMPLATE).map(({ name, left, right, comparison, unit }) => {
      const sides = [evaluate(left, outlook(METRICS))!, evaluate(right, outlook(METRICS))!] as const;
      return [name, ...sides, holds(comparison, ...sides), unit];
    });
    expect(told).toEqual([
      ["startup_time", 2.1, 2, true, "seconds"],
      ["memory_usage", 300 * 1024 ** 2, 300 * 1024 ** 2, false, "bytes"],
      ["error_rate", 0.05, 0.05, false, "percent"],
      ["request_latency_p95", 4.9, 5, false, "seconds"],
    ]);
  });

  test("without requests there is no error rate and no latency", () => {
    const [, , errors, latency] = rules(TEMPLATE);
    const quiet = outlook({ shimmy_requests_total: 0, shimmy_request_failures_total: 0 });
    expect([evaluate(errors!.left, quiet), evaluate(latency!.left, quiet)]).toEqual([undefined, undefined]);
  });
});

describe("the language", () => {
  test.each([
    ["1500ms", 1.5],
    ["2 h", 7200],
    ["1d", 86_400],
    ["3KB", 3072],
    ["3 KiB", 3072],
    ["1.5gb", 1.5 * 1024 ** 3],
    ["2TiB", 2 * 1024 ** 4],
    ["7B", 7],
    ["5%", 0.05],
  ])("%s is %d", (text, value) => {
    expect(tokenize(text)[0]).toMatchObject({ type: "quantity" });
    expect((tokenize(text)[0] as { value: number }).value).toBeCloseTo(value, 12);
  });

  test.each([
    ["a + b - c", 1 + 2 - 3],
    ["a - b - c", 1 - 2 - 3],
    ["a - (b - c)", 1 - (2 - 3)],
    ["a + b * c", 1 + 2 * 3],
    ["(a + b) / c", 1],
    ["c / b / a", 1.5],
    ["50% * c", 1.5],
    ["h_p95", 9],
    ["h_avg", 4],
    ["a / zero", undefined],
    ["a + missing", undefined],
  ])("%s is %d", (text, value) => {
    expect(worth(text, { a: 1, b: 2, c: 3, zero: 0, h: 9, h_sum: 8, h_count: 2 })).toBe(value);
  });

  test("a counter is what it has grown in the window, nothing if it is not there, unknown before the second sample", () => {
    const { left } = parseCondition("x_total > 1", "x");
    expect(evaluate(left, outlook({ x_total: 4 }))).toBe(4);
    expect(evaluate(left, outlook())).toBe(0);
    expect(evaluate(left, outlook({ x_total: 4 }, { sampledTwice: false }))).toBeUndefined();
  });

  test("a gauge is as it is now, or its average if a window was asked for", () => {
    const { left } = parseCondition("depth > 1", "x");
    const given = { depth: 4, "avg depth": 3 };
    expect([evaluate(left, outlook(given)), evaluate(left, outlook(given, { averages: true }))]).toEqual([4, 3]);
    expect(rules({ a: ">1", b: { when: ">1", window: "1m" } }).map(({ averages, windowSeconds }) => [averages, windowSeconds])).toEqual([
      [false, 300],
      [true, 60],
    ]);
  });

  test("labels choose series, whole values as in Prometheus", () => {
    let seen: unknown;
    const { left } = parseCondition('x{model="a b", status=~"5..", route!="/v1/a.b", code!~"x|y"} > 1', "x");
    const latest: Outlook["view"]["latest"] = ({ labels }) => {
      seen = labels;
      return 1;
    };
    evaluate(left, { ...outlook(), view: { ...outlook().view, latest } });
    const { model, status, route, code } = seen as Record<string, RegExp> & { model: string };
    expect(model).toBe("a b");
    expect(["503", "5030", "404"].map((text) => status!.test(text))).toEqual([true, false, false]);
    expect(["/v1/a.b", "/v1/axb", "/v1/a.bc"].map((text) => route!.test(text))).toEqual([false, true, true]);
    expect(["x", "y", "xy"].map((text) => code!.test(text))).toEqual([false, false, true]);
  });

  test("an alias of two metrics gives its labels to both", () => {
    const { left } = parseCondition('error_rate{model="m"} > 1%', "x");
    expect(JSON.stringify(left).match(/"value":"m"/g)).toHaveLength(2);
  });
});

describe("refusals name the place", () => {
  test.each([
    [
      { error_rate: ">5 pct" },
      "/etc/shimmy.yaml: alerts.error_rate: '>5 pct' is not allowed: at character 4: 'pct' is no unit; units are ms, s",
    ],
    [{ error_rate: ">5s" }, "at character 2: a plain number and a time cannot stand on both sides of '>'"],
    [{ startup_time: ">2" }, "at character 2: the number needs a unit, for it stands beside a time"],
    [{ memory_usage: "> 1MB + 2" }, "at character 9: the number needs a unit"],
    [{ a: "> 1 +" }, "at character 6: a metric or a number is missing"],
    [{ a: "> (1" }, "at character 5: ')' is missing"],
    [{ a: "> 1 2" }, "at character 5: the end is missing before '2'"],
    [{ a: "5" }, "at character 2: a comparison (> >= < <= == !=) is missing"],
    [{ a: "> b > c" }, "at character 5: the end is missing before '>'"],
    [{ a: "1 > 2" }, "it names no metric"],
    [{ a: "> 1 $" }, 'at character 5: "$" means nothing here'],
    [{ a: "startup_time * startup_time > 1s" }, "at character 14: a time * a time is nothing"],
    [{ "no name": "> 1" }, "'no name' is no metric, so say what is compared"],
    [{ request_latency: ">5s" }, "say request_latency_p95"],
    [{ a: "x{model} > 1" }, "at character 3: labels are written as"],
    [{ a: 'x{a="1", a="2"} > 1' }, "at character 10: the label 'a' stands there twice"],
    [{ a: 'x{a=~"("} > 1' }, "'(' is no regular expression"],
    [{ a: { when: "> 1", windw: "5m" } }, "alerts.a: windw is not allowed: use when, window, for"],
    [{ a: { window: "5m" } }, "use a condition such as"],
    [{ a: { when: "> 1", window: "5 parsecs" } }, "alerts.a.window: '5 parsecs' is not allowed"],
    [{ a: { when: "> 1", for: "2h" } }, "alerts.a.for: '2h' is not allowed: use a time from 0 s to 60 minutes"],
  ])("%j", (alerts, message) => expect(refused(alerts)).toContain(message));

  test("metrics that are not there are refused, with the one that was probably meant", () => {
    const known: MetricDescription[] = [
      { name: "shimmy_queue_depth", help: "", type: "gauge" },
      { name: "shimmy_model_load_seconds", help: "", type: "histogram" },
    ];
    const check = (when: string) => () => checkNames(rules({ a: when }), known);
    expect(check("queue_depth > 3")).not.toThrow();
    expect(check("model_load_time_p95 > 3s")).not.toThrow();
    expect(check("shimmy_model_load_seconds_count > 3")).not.toThrow();
    expect(check("shimmy_queue_dept > 3")).toThrow("there is no metric shimmy_queue_dept; did you mean shimmy_queue_depth?");
    expect(check("shimmy_model_load_seconds > 3s")).toThrow("is a histogram: say shimmy_model_load_seconds_p95");
    expect(check("shimmy_queue_depth_p95 > 3")).toThrow("shimmy_queue_depth is a gauge");
  });
});

/** An expression of plain numbers and metrics as text, fully in parentheses, beside what it comes to. */
const METRICS = { alpha: 3, beta: 0.5, gamma: 1000 };
const leaf = fc.oneof(
  fc.integer({ min: 0, max: 1000 }).map((value) => ({ text: String(value), value })),
  fc.constantFrom(...(Object.keys(METRICS) as (keyof typeof METRICS)[])).map((text) => ({ text, value: METRICS[text] as number })),
);
const { tree } = fc.letrec<{ tree: { text: string; value: number } }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.tuple(tie("tree"), fc.constantFrom("+", "-", "*"), tie("tree")).map(([left, sign, right]) => ({
      text: `(${left.text}${sign} ${right.text})`,
      value: sign === "+" ? left.value + right.value : sign === "-" ? left.value - right.value : left.value * right.value,
    })),
  ),
}));

test("property: what is written is what is computed", () => {
  fc.assert(
    fc.property(tree, ({ text, value }) => {
      fc.pre(text.length < 900);
      expect(evaluate(parseCondition(`alpha > ${text}`, "x").right, outlook(METRICS))).toBe(value);
    }),
  );
});

test("property: spaces between words change nothing", () => {
  const spaces = fc.constantFrom("", " ", "  ", "\t");
  const bare = (expression: Expression): unknown =>
    JSON.parse(JSON.stringify(expression, (key, value: unknown) => (key === "at" ? undefined : value)));
  fc.assert(
    fc.property(fc.array(spaces, { minLength: 9, maxLength: 9 }), (gaps) => {
      const words = ["", ">", "expected_model_size", "+", "2", "*", "100", "MB", ""];
      const text = words.map((word, index) => word + gaps[index]).join("");
      expect(bare(parseCondition(text, "memory_usage").right)).toEqual(
        bare(parseCondition(">expected_model_size+2*100MB", "memory_usage").right),
      );
    }),
  );
});

test("property: any text is a condition or a refusal with a place inside of it", () => {
  const words = fc.constantFrom(
    ">",
    "<=",
    "5",
    "%",
    "s",
    "MB",
    "a_p95",
    "error_rate",
    "(",
    ")",
    "+",
    "{",
    "}",
    '"',
    "=",
    ",",
    " ",
    "x_total",
  );
  const any = fc.oneof(
    fc.string(),
    fc.array(words, { maxLength: 12 }).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(any, (text) => {
      try {
        parseCondition(text, "a");
      } catch (error) {
        expect(error).toMatchObject({ name: "ConditionError", at: expect.any(Number) });
        expect((error as { at: number }).at).toBeLessThanOrEqual(text.length);
      }
    }),
    { numRuns: 500 },
  );
});
