import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTraceparent, traceState } from "./context.ts";
import { headersOf, luggageOf, type Propagator, parentOf, propagatorsOf, relayed } from "./propagation.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const W3C = `00-${TRACE}-${SPAN}-01`;
const CONTEXT = { traceId: TRACE, spanId: SPAN, sampled: true };
const ALL: readonly Propagator[] = ["tracecontext", "baggage", "b3", "b3multi"];

test.each<[string | undefined, readonly string[], number]>([
  [undefined, ["tracecontext", "baggage"], 0],
  ["", ["tracecontext", "baggage"], 0],
  [" b3 , tracecontext,b3", ["b3", "tracecontext"], 0],
  ["b3multi,baggage", ["b3multi", "baggage"], 0],
  ["none", [], 0],
  ["tracecontext,none", [], 0],
  ["jaeger,xray,tracecontext", ["tracecontext"], 1],
  ["toString", [], 1],
])("OTEL_PROPAGATORS=%s is %j", (listed, propagators, warnings) => {
  const warned: string[] = [];
  expect(propagatorsOf(listed, (reason) => warned.push(reason))).toEqual(propagators);
  expect(warned).toHaveLength(warnings);
});

test.each<[Record<string, string>, object | undefined]>([
  [{ b3: `${TRACE}-${SPAN}-1` }, CONTEXT],
  [{ b3: `${TRACE}-${SPAN}-d-${SPAN}` }, CONTEXT],
  [{ b3: `${TRACE}-${SPAN}-0` }, { ...CONTEXT, sampled: false }],
  [{ b3: `${TRACE}-${SPAN}` }, { traceId: TRACE, spanId: SPAN }],
  [{ b3: `${SPAN}-${SPAN}-1` }, { ...CONTEXT, traceId: `${"0".repeat(16)}${SPAN}` }],
  [{ "X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Sampled": "1" }, CONTEXT],
  [{ "X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Sampled": "True" }, CONTEXT],
  [{ "X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Flags": "1" }, CONTEXT],
  [
    { "X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN },
    { traceId: TRACE, spanId: SPAN },
  ],
  [{ b3: "0" }, undefined],
  [{ b3: `${TRACE}-${"0".repeat(16)}-1` }, undefined],
  [{ b3: `${"0".repeat(32)}-${SPAN}-1` }, undefined],
  [{ b3: `${TRACE.toUpperCase()}-${SPAN}-1` }, undefined],
  [{ "X-B3-TraceId": TRACE.slice(1), "X-B3-SpanId": SPAN }, undefined],
  [{ "X-B3-TraceId": TRACE }, undefined],
])("B3: %j is %j", (headers, parent) => {
  for (const name of ["b3", "b3multi"] as const) expect(parentOf([name], new Headers(headers))).toEqual(parent);
  expect(parentOf(["tracecontext", "baggage"], new Headers(headers))).toBeUndefined();
});

test("what is sent is what the next server reads, in each way", () => {
  for (const name of ["tracecontext", "b3", "b3multi"] as const)
    for (const sampled of [true, false]) {
      const context = { ...CONTEXT, sampled };
      expect(parentOf([name], new Headers(headersOf([name], context)))).toEqual(context);
    }
  expect(headersOf([], CONTEXT)).toEqual({});
  expect(Object.keys(headersOf(ALL, CONTEXT))).toEqual(["traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"]);
});

test("the last of several that is there counts", () => {
  const headers = new Headers({ traceparent: W3C, b3: `${"1".repeat(32)}-${SPAN}-1` });
  expect(parentOf(["b3", "tracecontext"], headers)?.traceId).toBe(TRACE);
  expect(parentOf(["tracecontext", "b3"], headers)?.traceId).toBe("1".repeat(32));
  expect(parentOf(["tracecontext", "b3"], new Headers({ traceparent: W3C }))?.traceId).toBe(TRACE);
});

test("two traceparents are none, and a state without a valid one is nothing", () => {
  const twice = new Headers([
    ["traceparent", W3C],
    ["traceparent", W3C],
    ["tracestate", "a=1"],
  ]);
  expect(parentOf(["tracecontext"], twice)).toBeUndefined();
  expect(relayed(ALL, twice)).toEqual({});
  expect(luggageOf(["tracecontext"], new Headers({ tracestate: "a=1" }))).toEqual({});
});

test("states of several headers are one, in their order", () => {
  const headers = new Headers([
    ["traceparent", W3C],
    ["tracestate", "a=1"],
    ["tracestate", " , b=2"],
  ]);
  expect(relayed(["tracecontext"], headers)).toEqual({ traceparent: W3C, tracestate: "a=1,b=2" });
});

test("baggage is passed on where it is asked for; what is no member is left out", () => {
  const headers = new Headers({ traceparent: W3C, baggage: "user=a%20b;secret, =x, k = v ,bad key=1,c=d" });
  expect(luggageOf(["tracecontext"], headers)).toEqual({});
  expect(luggageOf(["baggage"], headers)).toEqual({ baggage: "user=a%20b;secret,k = v,c=d" });
  for (const baggage of [Array.from({ length: 65 }, (_, i) => `k${i}=v`).join(","), `k=${"v".repeat(8192)}`, "nothing"])
    expect(luggageOf(["baggage"], new Headers({ baggage }))).toEqual({});
});

const members = (count: number, value = "v") => Array.from({ length: count }, (_, i) => `k${i}=${value}`).join(",");

test.each<[string, string | undefined]>([
  [members(32), members(32)],
  [members(33), undefined],
  ["a=1,,b=2,", "a=1,b=2"],
  ["a=1\t,\tb=2", "a=1,b=2"],
  ["tenant@system=1,0a=2,a_-*/9=x y", "tenant@system=1,0a=2,a_-*/9=x y"],
  ["a = 1", undefined],
  ["A=1", undefined],
  ["a=1,b", undefined],
  ["a=b=c", undefined],
  ["a=", undefined],
  ["a@=1", undefined],
  [`${"k".repeat(256)}=1`, `${"k".repeat(256)}=1`],
  [`${"k".repeat(257)}=1`, undefined],
  [`a=${"v".repeat(256)}`, `a=${"v".repeat(256)}`],
  [`a=${"v".repeat(257)}`, undefined],
  ["a=ü", undefined],
  ["", undefined],
  [" , ", undefined],
])("the state %s", (header, passedOn) => {
  expect(traceState(header)).toBe(passedOn);
});

test("of a state that is too long, long members go first, then the oldest", () => {
  const long = `long=${"x".repeat(200)}`;
  const short = members(30, "0123456789");
  expect(traceState(`${long},${short}`)).toBe(short);
  expect(traceState(`first=1,${members(31, "x".repeat(30))}`)).toMatch(/^first=1,k0=x+,.*k1\d=x+$/);
});

const HEX = "0123456789abcdef";
const ids = (length: number) =>
  fc.string({ unit: fc.constantFrom(...HEX), minLength: length, maxLength: length }).filter((id) => !/^0+$/.test(id));

test("property: a traceparent is taken exactly where the specification takes it", () => {
  const near = fc.tuple(ids(2), ids(32), ids(16), ids(2), fc.constantFrom("", "-x", "x", "-")).map(([v, t, s, f, rest]) => ({
    ...{ header: `${v}-${t}-${s}-${f}${rest}`, t, s, f },
    valid: v !== "ff" && (rest === "" || (v !== "00" && rest.startsWith("-"))),
  }));
  fc.assert(
    fc.property(near, ({ header, valid, t, s, f }) => {
      const sampled = (Number.parseInt(f, 16) & 1) === 1;
      expect(parseTraceparent(header)).toEqual(valid ? { traceId: t, spanId: s, sampled } : undefined);
    }),
  );
  // Any one character that is changed into something else makes it invalid, or another valid one.
  fc.assert(
    fc.property(fc.nat(W3C.length - 1), fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 1 }), (at, character) => {
      const changed = W3C.slice(0, at) + character + W3C.slice(at + 1);
      const read = parseTraceparent(changed);
      if (read) expect(/^[\da-f-]+$/.test(changed)).toBe(true);
      if (HEX.includes(character) !== HEX.includes(W3C[at]!)) expect(read).toBeUndefined();
    }),
  );
});

test("property: whatever comes, what is passed on is short, printable and read the same by the next server", () => {
  const value = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'abz019=,;@-_*/ \t%"ü'), maxLength: 700 }),
    fc
      .array(fc.tuple(fc.string({ unit: fc.constantFrom(..."ab1@"), maxLength: 5 }), fc.string({ maxLength: 140 })), { maxLength: 40 })
      .map((all) => all.map((one) => one.join("=")).join(",")),
  );
  fc.assert(
    fc.property(value, value, (tracestate, baggage) => {
      const given = { get: (name: string) => ({ traceparent: W3C, tracestate, baggage })[name] ?? null } as Headers;
      const first = relayed(ALL, given);
      for (const passed of Object.values(first)) expect(passed).toMatch(/^[\x20-\x7e\t]+$/);
      expect((first.tracestate ?? "").length).toBeLessThanOrEqual(512);
      expect((first.tracestate ?? "").split(",").length).toBeLessThanOrEqual(32);
      expect((first.baggage ?? "").length).toBeLessThanOrEqual(8192);
      expect(relayed(ALL, new Headers(first))).toEqual(first);
    }),
  );
});

test("the state of a trace goes with that trace only, not with the one of B3 that counts instead", () => {
  const [w3c, b3] = ["1".repeat(32), "2".repeat(32)];
  const headers = (trace: string) =>
    new Headers({ traceparent: `00-${w3c}-${"3".repeat(16)}-01`, tracestate: "vendor=1", b3: `${trace}-${"4".repeat(16)}-1` });
  expect(parentOf(["tracecontext", "b3"], headers(b3))?.traceId).toBe(b3);
  expect(luggageOf(["tracecontext", "b3"], headers(b3))).toEqual({});
  expect(luggageOf(["b3", "tracecontext"], headers(b3))).toEqual({ tracestate: "vendor=1" });
  expect(luggageOf(["tracecontext", "b3"], headers(w3c))).toEqual({ tracestate: "vendor=1" });
});
