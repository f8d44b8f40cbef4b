import fc from "fast-check";
import { expect, test } from "vitest";
import { Breaker } from "./breaker.ts";

function breakerAt() {
  let now = 0;
  const breaker = new Breaker(() => now);
  return { breaker, wait: (ms: number) => (now += ms) };
}

test("opens after three failures in a row, or at once when it cannot be reached", () => {
  const { breaker } = breakerAt();
  breaker.failed("x", false);
  breaker.failed("x", false);
  breaker.succeeded();
  breaker.failed("x", false);
  breaker.failed("x", false);
  expect(breaker.state).toBe("closed");
  expect(breaker.failed("y", false)).toBe(true);
  expect([breaker.state, breaker.reason, breaker.restMs]).toEqual(["open", "y", 1000]);
  const other = breakerAt().breaker;
  expect([other.failed("gone", true), other.state]).toEqual([true, "open"]);
});

test("rests twice as long after each failed probe, at most a minute, and anew after it was closed", () => {
  const { breaker, wait } = breakerAt();
  breaker.failed("x", true);
  const rests = Array.from({ length: 8 }, () => {
    const rest = breaker.restMs;
    wait(rest);
    breaker.probed("x");
    return rest;
  });
  expect(rests).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  breaker.probed(undefined);
  breaker.succeeded();
  breaker.failed("x", true);
  expect(breaker.restMs).toBe(1000);
});

test("half-open lets one request try, and its end decides", () => {
  const { breaker } = breakerAt();
  breaker.failed("x", true);
  expect(breaker.admits(0)).toBe(false);
  breaker.probed(undefined);
  expect([breaker.admits(0), breaker.admits(1)]).toEqual([true, false]);
  breaker.failed("x", false);
  expect([breaker.state, breaker.restMs]).toEqual(["open", 2000]);
  breaker.probed(undefined);
  breaker.succeeded();
  expect([breaker.state, breaker.admits(9)]).toEqual(["closed", true]);
});

test("while it is open nothing but a probe changes it", () => {
  const call = fc.constantFrom("succeeded", "failed", "failedAtOnce");
  fc.assert(
    fc.property(fc.array(call), (calls) => {
      const { breaker } = breakerAt();
      breaker.failed("x", true);
      for (const each of calls) each === "succeeded" ? breaker.succeeded() : breaker.failed("y", each === "failedAtOnce");
      expect([breaker.state, breaker.opened, breaker.admits(0)]).toEqual(["open", 1, false]);
    }),
  );
});
