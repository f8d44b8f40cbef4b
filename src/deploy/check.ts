/**
 * What a check is, and how a list of them is run. Used by every file of validate/ and doctor/ and by the two commands. It must not know
 * what is checked.
 */
import { ShimmyError } from "../contract/errors.ts";

/** `warn`: works, but somebody should look. `unmeasured`: nothing can be said here, and `measured` says why. */
export type Verdict = "pass" | "warn" | "fail" | "unmeasured";

export interface Finding {
  readonly verdict: Verdict;
  /** What was seen, for people: "148 ms", "the folder is empty". */
  readonly measured: string;
  /** The same as a number, where it is one. */
  readonly value?: number;
  /** What it is held against: "< 2 s". */
  readonly limit?: string;
  /** What to do about it, a sentence. */
  readonly advice?: string;
  /** What to type next. */
  readonly command?: string;
}

export interface Check {
  /** Unique in its group; programs may rely on it. */
  readonly name: string;
  readonly group: string;
  /** A check that throws has failed: whatever stops it stops users too. */
  run(): Finding | Promise<Finding>;
}

export interface Result extends Finding {
  readonly group: string;
  readonly name: string;
  /** How long it took. */
  readonly ms: number;
}

/** One after the other, since they measure: two at once would disturb each other. */
export async function runChecks(checks: readonly Check[], onResult: (result: Result) => void = () => undefined): Promise<Result[]> {
  const results: Result[] = [];
  for (const { group, name, run } of checks) {
    const began = performance.now();
    const finding = await outcome(run);
    const result = { group, name, ...finding, ms: Math.round(performance.now() - began) };
    results.push(result);
    onResult(result);
  }
  return results;
}

async function outcome(run: Check["run"]): Promise<Finding> {
  try {
    return await run();
  } catch (thrown) {
    if (!(thrown instanceof ShimmyError)) return { verdict: "fail", measured: thrown instanceof Error ? thrown.message : String(thrown) };
    return { verdict: "fail", measured: thrown.message, ...(thrown.hint !== undefined && { advice: thrown.hint }) };
  }
}

export function pass(measured: string, more: Omit<Finding, "verdict" | "measured"> = {}): Finding {
  return { verdict: "pass", measured, ...more };
}

export function warn(measured: string, advice: string, more: Omit<Finding, "verdict" | "measured" | "advice"> = {}): Finding {
  return { verdict: "warn", measured, advice, ...more };
}

export function fail(measured: string, advice: string, more: Omit<Finding, "verdict" | "measured" | "advice"> = {}): Finding {
  return { verdict: "fail", measured, advice, ...more };
}

export function unmeasured(why: string, more: Omit<Finding, "verdict" | "measured"> = {}): Finding {
  return { verdict: "unmeasured", measured: why, ...more };
}
