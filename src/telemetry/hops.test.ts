import { AsyncLocalStorage } from "node:async_hooks";
import { expect, test, vi } from "vitest";
import { comeVia, hops, viaOf } from "./hops.ts";

const name = (index: number) => `shimmy-${String(index).padStart(16, "0")}`;

test("however much a client has written there, the gateways it came through since are known", () => {
  let via = "1.1 anybody, ".repeat(1000);
  for (let index = 0; index < 5; index++) via = comeVia(via, () => viaOf(name(index)));
  expect(comeVia(via, hops)).toEqual([0, 1, 2, 3, 4].map(name));
  expect(via.length).toBeLessThan(5000);
});

test("nothing is followed for a request that came through no gateway: that would make every promise of the process dearer", () => {
  const run = vi.spyOn(AsyncLocalStorage.prototype, "run");
  expect([undefined, "1.1 nginx", "1.1 shimmy"].map((via) => comeVia(via, () => viaOf(name(0))))).toEqual(Array(3).fill(`1.1 ${name(0)}`));
  expect(run).not.toHaveBeenCalled();
  // What is done beside a request that did is nobody's.
  expect(comeVia(`1.1 ${name(1)}`, () => [hops(), comeVia(undefined, hops)])).toEqual([[name(1)], []]);
  expect(run).toHaveBeenCalledTimes(2);
  run.mockRestore();
});
