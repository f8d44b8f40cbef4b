import { expect, test } from "vitest";
import { comeVia, hops, viaOf } from "./hops.ts";

const name = (index: number) => `shimmy-${String(index).padStart(16, "0")}`;

test("however much a client has written there, the gateways it came through since are known", () => {
  let via = "1.1 anybody, ".repeat(1000);
  for (let index = 0; index < 5; index++) via = comeVia(via, () => viaOf(name(index)));
  expect(comeVia(via, hops)).toEqual([0, 1, 2, 3, 4].map(name));
  expect(via.length).toBeLessThan(5000);
});
