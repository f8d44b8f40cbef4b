/**
 * Results of checks as others read them: JSON, JUnit's XML, rows of a table, an exit code. Pure; called by cli/validate.ts and
 * cli/doctor.ts.
 */
import type { Result, Verdict } from "./check.ts";

const WORDS: Readonly<Record<Verdict, string>> = { pass: "pass", warn: "warn", fail: "FAIL", unmeasured: "not measured" };

export type Counts = Readonly<Record<Verdict, number>>;

export function countsOf(results: readonly Result[]): Counts {
  const counts = { pass: 0, warn: 0, fail: 0, unmeasured: 0 };
  for (const { verdict } of results) counts[verdict]++;
  return counts;
}

/** 1 as soon as one check has failed. */
export function exitCodeOf(results: readonly Result[]): 0 | 1 {
  return results.some(({ verdict }) => verdict === "fail") ? 1 : 0;
}

/** The same keys in the same order whatever was found; what is absent is null. `about` comes first. */
export function jsonReport(results: readonly Result[], about: Readonly<Record<string, unknown>>) {
  return {
    ...about,
    ok: exitCodeOf(results) === 0,
    counts: countsOf(results),
    checks: results.map(({ group, name, verdict, measured, value, limit, advice, command, ms }) => ({
      group,
      name,
      verdict,
      measured,
      value: value ?? null,
      limit: limit ?? null,
      advice: advice ?? null,
      command: command ?? null,
      ms,
    })),
  };
}

/** Columns: check, measured, limit, verdict. A group's name has a line of its own. */
export function tableRows(results: readonly Result[]): string[][] {
  const rows: string[][] = [["CHECK", "MEASURED", "LIMIT", "VERDICT"]];
  let group: string | undefined;
  for (const result of results) {
    if (result.group !== group) rows.push([`${result.group}:`, "", "", ""]);
    group = result.group;
    rows.push([`  ${result.name}`, result.measured, result.limit ?? "", WORDS[result.verdict]]);
  }
  return rows;
}

/** What to do, a paragraph for each check that is not well and knows something. */
export function adviceLines(results: readonly Result[]): string[] {
  return results
    .filter(({ verdict, advice, command }) => verdict !== "pass" && (advice ?? command) !== undefined)
    .flatMap(({ name, advice, command }) => [
      ...(advice === undefined ? [] : [`${name}: ${advice}`]),
      ...(command === undefined ? [] : [`${advice === undefined ? `${name}:` : " "} $ ${command}`]),
    ]);
}

export function summary(results: readonly Result[]): string {
  const { pass, warn, fail, unmeasured } = countsOf(results);
  const parts = [`${pass} passed`, `${warn} warned`, `${fail} failed`, ...(unmeasured > 0 ? [`${unmeasured} not measured`] : [])];
  return parts.join(", ");
}

/**
 * JUnit's XML as CI servers read it (valid against Jenkins' junit-10.xsd, where `testsuites` has no `skipped`; GitLab's reader): a suite a group, a failure with
 * what to do, what was not measured is skipped, a warning is text of its case.
 */
export function junitReport(results: readonly Result[], name: string): string {
  const groups = [...new Set(results.map(({ group }) => group))];
  const suites = groups.map((group) => {
    const cases = results.filter((result) => result.group === group);
    return [`  <testsuite ${totals(group, cases)} skipped="${countsOf(cases).unmeasured}">`, ...cases.map(caseOf), "  </testsuite>"].join(
      "\n",
    );
  });
  return [`<?xml version="1.0" encoding="UTF-8"?>`, `<testsuites ${totals(name, results)}>`, ...suites, "</testsuites>", ""].join("\n");
}

function totals(name: string, results: readonly Result[]): string {
  const { fail } = countsOf(results);
  const time = results.reduce((sum, { ms }) => sum + ms, 0) / 1000;
  return `name="${xml(name)}" tests="${results.length}" failures="${fail}" errors="0" time="${time}"`;
}

function caseOf({ group, name, verdict, measured, limit, advice, command, ms }: Result): string {
  const head = `    <testcase classname="${xml(group)}" name="${xml(name)}" time="${ms / 1000}"`;
  const told = [measured, limit && `limit: ${limit}`, advice, command && `$ ${command}`].filter(
    (line) => line !== undefined && line !== "",
  );
  const text = xml(told.join("\n"));
  if (verdict === "fail") return `${head}>\n      <failure message="${xml(measured)}">${text}</failure>\n    </testcase>`;
  if (verdict === "unmeasured") return `${head}>\n      <skipped message="${xml(measured)}"/>\n    </testcase>`;
  return `${head}>\n      <system-out>${text}</system-out>\n    </testcase>`;
}

/** XML 1.0 has no way to write most control characters and lone surrogates: they become U+FFFD. */
function xml(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, "\u{fffd}")
    .replace(/[&<>"\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
