import { expect, test } from "vitest";
import { cpuSecondsIn, residentBytesIn, statFieldsIn } from "./proc-text.ts";

const STAT = "17 (a) b (c) S 4 17 17 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 9";

test("a process of any name", () => {
  expect(statFieldsIn(STAT)?.slice(0, 2)).toEqual(["S", "4"]);
  expect(cpuSecondsIn(STAT)).toBe(3);
});

test("resident memory is told in kibibytes", () => {
  expect(residentBytesIn("Name:\tnode\nVmRSS:\t    2048 kB\nThreads: 1\n")).toBe(2 ** 21);
});

test.each([undefined, "", "Name: kthreadd\n"])("%j says nothing", (text) => {
  expect([residentBytesIn(text), cpuSecondsIn(text)]).toEqual([undefined, undefined]);
});
