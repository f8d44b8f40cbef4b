/** JSON, JUnit, table and exit code of made-up results. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import { fail, pass, type Result, runChecks, unmeasured, warn } from "./check.ts";
import { adviceLines, exitCodeOf, jsonReport, junitReport, summary, tableRows } from "./report.ts";

const RESULTS: readonly Result[] = [
  { group: "a", name: "good", ms: 12, ...pass("3 ms", { value: 3, limit: "< 5 ms" }) },
  { group: "a", name: "odd", ms: 0, ...warn("7 ms", "Look.") },
  { group: "b", name: "bad", ms: 1500, ...fail('no "x" & <y>', "Do it.", { command: "shimmy z" }) },
  { group: "b", name: "unknown", ms: 0, ...unmeasured("no Linux") },
];

test("only a failure makes the exit code 1", () => {
  expect(exitCodeOf(RESULTS)).toBe(1);
  expect(exitCodeOf(RESULTS.filter(({ verdict }) => verdict !== "fail"))).toBe(0);
});

test("a check that throws has failed, with the hint of its error", async () => {
  const thrown = new ShimmyError("server_unreachable", { url: "http://x", reason: "ECONNREFUSED" });
  const results = await runChecks([
    {
      group: "g",
      name: "throws",
      run: () => {
        throw thrown;
      },
    },
    { group: "g", name: "goes on", run: () => pass("yes") },
  ]);
  expect(results.map(({ verdict, measured, advice }) => [verdict, measured, advice])).toEqual([
    ["fail", thrown.message, thrown.hint],
    ["pass", "yes", undefined],
  ]);
});

test("JSON has every key for every check, absent ones null", () => {
  const { ok, counts, checks, ...about } = jsonReport(RESULTS, { version: "1", url: "u" });
  expect([ok, counts, about]).toEqual([false, { pass: 1, warn: 1, fail: 1, unmeasured: 1 }, { version: "1", url: "u" }]);
  expect(new Set(checks.map((check) => Object.keys(check).join()))).toEqual(
    new Set(["group,name,verdict,measured,value,limit,advice,command,ms"]),
  );
  expect(checks[3]).toMatchObject({ value: null, limit: null, advice: null, command: null });
});

test("the table names each group once; below it stands what to do, and what to type", () => {
  expect(tableRows(RESULTS).map(([first]) => first)).toEqual(["CHECK", "a:", "  good", "  odd", "b:", "  bad", "  unknown"]);
  expect(adviceLines(RESULTS)).toEqual(["odd: Look.", "bad: Do it.", "  $ shimmy z"]);
  expect(summary(RESULTS)).toBe("1 passed, 1 warned, 1 failed, 1 not measured");
});

test("JUnit: a suite a group, with failures and what was skipped", () => {
  const text = junitReport(RESULTS, "shimmy validate");
  expect(text).toContain('<testsuites name="shimmy validate" tests="4" failures="1" errors="0" time="1.512">'); // junit-10.xsd has no `skipped` here
  expect(text).toMatch(/<testsuite [^>]* skipped="1">/);
  expect(text.match(/<testsuite /g)).toHaveLength(2);
  expect(text).toContain('<failure message="no &#34;x&#34; &#38; &#60;y&#62;">');
  expect(text).toContain('<skipped message="no Linux"/>');
});

test("JUnit is well-formed whatever a model, a file or an error is called", () => {
  const text = fc.string({ unit: "binary" });
  const result = fc.record({
    group: text,
    name: text,
    ms: fc.nat(),
    verdict: fc.constantFrom("pass", "warn", "fail", "unmeasured"),
    measured: text,
    advice: text,
    command: text,
  });
  fc.assert(
    fc.property(fc.array(result), (results) => {
      expect(wellFormed(junitReport(results as Result[], "x"))).toBe(true);
    }),
  );
});

/** Tags balance, attributes are quoted, no character is outside of XML 1.0, nothing bare is left. */
function wellFormed(text: string): boolean {
  if (/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(text)) return false;
  const open: string[] = [];
  const rest = text
    .replace(/^<\?xml [^>]*\?>/, "")
    .replace(/<(\/?)(\w[\w-]*)((?: [\w-]+="[^"<]*")*)(\/?)>/g, (_, end, name, _attributes, empty) => {
      if (end && open.pop() !== name) open.push("wrong");
      else if (!end && !empty) open.push(name);
      return "";
    });
  return open.length === 0 && !/[<>]/.test(rest) && !/&(?!#\d+;)/.test(text);
}
