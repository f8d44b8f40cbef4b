import { expect, test } from "vitest";
import { formatTraceparent, parseTraceparent, traceState } from "./context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test("the ids of a caller and its decision", () => {
  const context = { traceId: TRACE, spanId: SPAN, sampled: true };
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual(context);
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.sampled).toBe(false);
  expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-comes-later`)).toEqual(context);
  expect(formatTraceparent(context)).toBe(`00-${TRACE}-${SPAN}-01`);
});

test.each([
  null,
  "",
  `00-${TRACE}-${SPAN}`,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01-more`,
  `00-${"0".repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${"0".repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  "x".repeat(100_000),
])("%j is no parent", (header) => {
  expect(parseTraceparent(header)).toBeUndefined();
});

test("a state is passed on unless it is too long", () => {
  expect(traceState("vendor=1")).toBe("vendor=1");
  expect(traceState(`v=${"1".repeat(600)}`)).toBeUndefined();
  expect(traceState(null)).toBeUndefined();
});
