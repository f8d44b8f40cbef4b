/** What is tried again, how often, and after how long. */
import { expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import { Passing, wishedPause, withRetries } from "./retry.ts";

const live = () => new AbortController().signal;
const options = { attempts: 4, pauseMs: 1 };

/** Fails with these, one a call, then gives "done". */
function failing(failures: readonly unknown[]) {
  let calls = 0;
  const attempt = async () => {
    const failure = failures[calls++];
    if (failure !== undefined) throw failure;
    return "done";
  };
  return { attempt, calls: () => calls };
}

const errno = (code: string) => Object.assign(new Error(code), { code });

test("passing failures are tried again and told", async () => {
  const told: string[] = [];
  const { attempt } = failing([errno("ECONNRESET"), new Passing("it answers 503"), errno("EAI_AGAIN")]);
  expect(await withRetries(attempt, { ...options, signal: live(), onPause: (reason) => told.push(reason) })).toBe("done");
  expect(told).toEqual(["ECONNRESET", "it answers 503", "EAI_AGAIN"]);
});

test("after so many in a row it is over; one that brought something starts the count anew", async () => {
  const cut = () => new Passing("cut");
  const many = failing(Array.from({ length: 9 }, cut));
  await expect(withRetries(many.attempt, { ...options, signal: live() })).rejects.toMatchObject({ code: "hub_unreachable" });
  expect(many.calls()).toBe(4);
  const moving = failing(Array.from({ length: 9 }, cut));
  expect(await withRetries(moving.attempt, { ...options, signal: live(), progressed: () => moving.calls() % 2 === 0 })).toBe("done");
});

test.each([
  [new ShimmyError("hub_repo_missing", { repo: "a/b", host: "h" }), "hub_repo_missing"],
  [errno("ENOTFOUND"), "hub_unreachable"],
  [errno("DEPTH_ZERO_SELF_SIGNED_CERT"), "hub_unreachable"],
])("%s does not pass", async (failure, code) => {
  const { attempt, calls } = failing([failure]);
  await expect(withRetries(attempt, { ...options, signal: live() })).rejects.toMatchObject({ code });
  expect(calls()).toBe(1);
});

test("whoever leaves during a pause is gone at once", async () => {
  const stop = new AbortController();
  const { attempt } = failing([new Passing("later", 60_000)]);
  const waiting = withRetries(attempt, { ...options, signal: stop.signal, onPause: () => stop.abort() });
  await expect(waiting).rejects.toMatchObject({ code: "client_closed" });
});

test("the pause that a hub asks for: seconds, a date, or its RateLimit header", () => {
  expect(wishedPause({ "retry-after": "7" })).toBe(7000);
  expect(wishedPause({ "retry-after": new Date(Date.now() + 5000).toUTCString() })).toBeGreaterThan(3000);
  expect(wishedPause({ "retry-after": new Date(0).toUTCString() })).toBe(0);
  expect(wishedPause({ ratelimit: '"resolvers";r=0;t=257' })).toBe(257_000);
  expect(wishedPause({ "retry-after": "soon" })).toBeUndefined();
});
