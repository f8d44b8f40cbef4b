/** Gateways that ask each other: whom a request has come from is not asked for it again. Called by generator.ts, asking.ts and combined.ts. */
import { hops } from "../telemetry/hops.ts";
import { NONE_REACHED } from "./choice.ts";
import { UpstreamFailure } from "./failure.ts";

interface Asked {
  /** The name of the gateway that it is; undefined: it is none. */
  readonly gateway: string | undefined;
}

/** Whether the request has come through it. */
export function cameThrough({ gateway }: Asked): boolean {
  return gateway !== undefined && hops().includes(gateway);
}

/** Those who count as tried from the beginning, and what is told when there are no others. */
export function begun<U extends Asked>(members: ReadonlyArray<{ readonly upstream: U }>): { tried: Set<U>; last: UpstreamFailure } {
  const tried = new Set(members.flatMap(({ upstream }) => (cameThrough(upstream) ? [upstream] : [])));
  return { tried, last: tried.size > 0 && tried.size === members.length ? LOOP : NONE_REACHED };
}

const LOOP = new UpstreamFailure("loop", "all of them have asked for it");
