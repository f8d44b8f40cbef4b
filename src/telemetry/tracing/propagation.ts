/**
 * Which headers carry a trace from a caller to us and on to other servers: W3C trace context and baggage, and B3, as OTEL_PROPAGATORS
 * says. Called by tracer.ts, and by server/generate.ts where there are no traces of our own. Pure. What is no such header is left out.
 */
import { formatTraceparent, parseTraceparent, type TraceContext, traceState } from "./context.ts";

export type Propagator = "tracecontext" | "baggage" | "b3" | "b3multi";

/** As the specification has it where the variable is not set. */
const USUAL: readonly Propagator[] = ["tracecontext", "baggage"];

/** The caller's; whether it is sampled may be left to us. */
export type ParentContext = Omit<TraceContext, "sampled"> & Partial<Pick<TraceContext, "sampled">>;

/** @param warn of each name that is not known */
export function propagatorsOf(listed: string | undefined, warn: (reason: string) => void): readonly Propagator[] {
  const names = [...new Set((listed ?? "").split(",").map((name) => name.trim()))].filter((name) => name !== "");
  if (names.length === 0) return USUAL;
  if (names.includes("none")) return [];
  const isKnown = (name: string): name is Propagator => Object.hasOwn(EXTRACT, name);
  const strange = names.filter((name) => !isKnown(name));
  if (strange.length > 0) warn(`OTEL_PROPAGATORS names ${strange.join(", ")}; only ${Object.keys(EXTRACT).join(", ")} and none are known`);
  return names.filter(isKnown);
}

/** Of several the last one that is there counts, as in OpenTelemetry. */
export function parentOf(propagators: readonly Propagator[], headers: Headers): ParentContext | undefined {
  let parent: ParentContext | undefined;
  for (const name of propagators) parent = EXTRACT[name](headers) ?? parent;
  return parent;
}

/** What is passed on as it came: the state of the caller's trace, which is nothing where that is none of W3C's, and baggage. */
export function luggageOf(propagators: readonly Propagator[], headers: Headers): Readonly<Record<string, string>> {
  // Of two that name different traces the other one may count; the state says nothing of that.
  const own = propagators.includes("tracecontext") ? fromW3c(headers)?.traceId : undefined;
  const state = own !== undefined && own === parentOf(propagators, headers)?.traceId ? traceState(headers.get("tracestate")) : undefined;
  const baggage = propagators.includes("baggage") ? baggageOf(headers.get("baggage")) : undefined;
  return { ...(state !== undefined && { tracestate: state }), ...(baggage !== undefined && { baggage }) };
}

export function headersOf(propagators: readonly Propagator[], context: TraceContext): Readonly<Record<string, string>> {
  const { traceId, spanId, sampled } = context;
  const flag = sampled ? "1" : "0";
  return {
    ...(propagators.includes("tracecontext") && { traceparent: formatTraceparent(context) }),
    ...(propagators.includes("b3") && { b3: `${traceId}-${spanId}-${flag}` }),
    ...(propagators.includes("b3multi") && { "x-b3-traceid": traceId, "x-b3-spanid": spanId, "x-b3-sampled": flag }),
  };
}

/** For who takes no part in a trace: the caller's headers as they came, those that are valid. */
export function relayed(propagators: readonly Propagator[], headers: Headers): Readonly<Record<string, string>> {
  const names = propagators.flatMap((name) => (EXTRACT[name](headers) ? PARENTS[name] : []));
  const parents = names.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value.trim()] as const];
  });
  return { ...Object.fromEntries(parents), ...luggageOf(propagators, headers) };
}

const B3 = ["b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"];
const PARENTS: Readonly<Record<Propagator, readonly string[]>> = { tracecontext: ["traceparent"], baggage: [], b3: B3, b3multi: B3 };

/** Either way of B3 is understood where one of them is asked for. */
const EXTRACT: Readonly<Record<Propagator, (headers: Headers) => ParentContext | undefined>> = {
  tracecontext: fromW3c,
  baggage: () => undefined,
  b3: fromB3,
  b3multi: fromB3,
};

function fromW3c(headers: Headers): ParentContext | undefined {
  return parseTraceparent(headers.get("traceparent"));
}

/** Source: github.com/openzipkin/b3-propagation. Ids of 64 bits are filled up with zeros; `d` is debug, which is sampled. */
function fromB3(headers: Headers): ParentContext | undefined {
  const get = (name: string) => headers.get(name)?.trim() ?? "";
  const [, ...single] = /^([\da-f]{32}|[\da-f]{16})-([\da-f]{16})(?:-([01d])(?:-[\da-f]{16})?)?$/.exec(get("b3")) ?? [];
  if (single[0] !== undefined) return b3Context(single[0], single[1]!, single[2]);
  const flag = get("x-b3-flags") === "1" ? "d" : { 0: "0", 1: "1", false: "0", true: "1" }[get("x-b3-sampled").toLowerCase()];
  return b3Context(get("x-b3-traceid"), get("x-b3-spanid"), flag);
}

function b3Context(trace: string, spanId: string, flag: string | undefined): ParentContext | undefined {
  const traceId = trace.padStart(32, "0");
  if (!/^([\da-f]{16}|[\da-f]{32})$/.test(trace) || !/^[\da-f]{16}$/.test(spanId)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, ...(flag !== undefined && { sampled: flag !== "0" }) };
}

/** w3.org/TR/baggage, section 3.3: what must be passed on at least is what is passed on at most. */
const MOST_BAGGAGE = 64;
const LONGEST_BAGGAGE = 8192;
const BAGGAGE = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+[ \t]*=[ \t]*[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*[ \t]*(;[\x20-\x2b\x2d-\x7e\t]*)?$/;

/** Members that are none are left out; too many, or too long in all, and there is none. */
function baggageOf(header: string | null): string | undefined {
  const members = (header ?? "")
    .slice(0, LONGEST_BAGGAGE + 1)
    .split(",")
    .map((member) => member.trim());
  const valid = members.filter((member) => BAGGAGE.test(member));
  return header === null || header.length > LONGEST_BAGGAGE || valid.length === 0 || valid.length > MOST_BAGGAGE
    ? undefined
    : valid.join(",");
}
