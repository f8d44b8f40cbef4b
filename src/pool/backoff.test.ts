import { expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import { Backoff } from "./backoff.ts";

const error = new ShimmyError("model_load_failed", { model: "m", reason: "r" });

test("rests twice as long after each failure in a row, at most a minute", () => {
  let now = 5000;
  const backoff = new Backoff(() => now);
  expect(backoff.secondsLeft("m")).toBeUndefined();
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60, 60]) {
    backoff.failed("m", "1:1:1", error);
    expect(backoff.secondsLeft("m")).toBe(seconds);
    now += seconds * 1000 - 1;
    expect(backoff.secondsLeft("m")).toBe(1);
    now += 1;
    expect(backoff.secondsLeft("m")).toBeUndefined();
  }
  for (let i = 0; i < 2000; i++) backoff.failed("m", "1:1:1", error);
  expect(backoff.secondsLeft("m")).toBe(60);
});

test("begins anew with another file, and after a success", () => {
  const backoff = new Backoff(() => 0);
  for (let i = 0; i < 5; i++) backoff.failed("m", "1:1:1", error);
  expect(backoff.failed("m", "2:1:1", error).count).toBe(1);
  backoff.succeeded("m");
  expect(backoff.get("m")).toBeUndefined();
  expect([...backoff.ids()]).toEqual([]);
});
