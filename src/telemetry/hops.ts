/**
 * Through which gateways a request has come (Via, RFC 9110, 7.6.3), so that two that name each other do not ask in turn for ever. Set by
 * server/app.ts for the time of a request, read in upstream/, which is far below it; only where upstreams are configured.
 */
import { AsyncLocalStorage } from "node:async_hooks";

const came = new AsyncLocalStorage<string>();

/**
 * More of it is not read, nor passed on: a chain of gateways is short. Its end counts: there are the last ones, and whoever asks may write
 * what he likes before them.
 */
const LONGEST_VIA = 4096;

/**
 * Only what has come through a gateway is followed: before Node 24 the first `run` makes every promise of the process dearer, and a gateway
 * that only clients ask never needs it.
 * @param via the header of the request; whatever is done in `work` belongs to it
 */
export function comeVia<T>(via: string | undefined, work: () => T): T {
  const isFollowed = gatewaysIn(via).length > 0;
  if (!isFollowed && came.getStore() === undefined) return work();
  return came.run(isFollowed ? via!.slice(-LONGEST_VIA) : "", work);
}

/** The gateways of the request that is worked on, first to last; none where it came straight. */
export function hops(): readonly string[] {
  return gatewaysIn(came.getStore());
}

/** The header of what is asked for its sake by the gateway of this name. */
export function viaOf(name: string): string {
  const before = came.getStore();
  return before ? `${before}, 1.1 ${name}` : `1.1 ${name}`;
}

/** Names of Shimmies in a Via header, of a request or an answer. */
export function gatewaysIn(via: string | undefined): readonly string[] {
  return via?.match(/\bshimmy-[0-9a-f]{16}\b/g) ?? [];
}
