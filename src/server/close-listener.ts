/**
 * Closes a listening socket so that nobody who has connected is lost. Called by leave.ts.
 *
 * The kernel completes connections by itself and keeps them in the socket's queue until they are accepted; those that are still there when
 * the socket is closed are reset. On Linux the queue is made one place long, and a connection of our own is put into it: if it stands before
 * anything else has run, it holds the only place, so nobody else waits. Whoever connects then is not answered by the kernel, tries again by
 * itself a second later and is refused. Elsewhere, or without Node's inner handles, the socket is closed between two turns of the event
 * loop, which leaves some microseconds.
 */
import { type AddressInfo, connect, Server, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/** Somebody who connects at each of so many turns in a row would keep the socket open for ever. */
const TURNS = 1000;

/** Resolves when the socket is closed; its connections are not. */
export async function closeListener(server: Server): Promise<void> {
  const ours = new Set<Socket>();
  if (process.platform === "linux" && narrowed(server)) {
    for (let turn = 0; turn < TURNS; turn++) {
      const plug = plugOf(server.address() as AddressInfo);
      ours.add(plug);
      // The connection begins in the same turn, before anything is accepted.
      await new Promise<void>((resolve) => process.nextTick(resolve));
      if (isConnected(plug)) break;
      plug.destroy();
      await nextTurn();
    }
  } else await nextTurn();
  // http's own close() hangs up on idle connections too. What is still open keeps its callback waiting, so none is given.
  Server.prototype.close.call(server);
  for (const plug of ours) plug.destroy();
}

/** The queue gets one place. */
function narrowed(server: Server): boolean {
  const handle = innerOf(server);
  const listen = handle && "listen" in handle ? handle.listen : undefined;
  return typeof listen === "function" && listen.call(handle, 0) === 0;
}

function plugOf({ address, port }: AddressInfo): Socket {
  const host = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
  // However it ends: nobody speaks on it.
  return connect({ host, port }).on("error", () => undefined);
}

/** By the kernel's word: Node itself learns of it a turn later, when the connection is accepted already. */
function isConnected(socket: Socket): boolean {
  const handle = innerOf(socket);
  const peer = handle && "getpeername" in handle ? handle.getpeername : undefined;
  return typeof peer === "function" && peer.call(handle, {}) === 0;
}

function innerOf(owner: object): object | undefined {
  const inner: unknown = "_handle" in owner ? owner._handle : undefined;
  return typeof inner === "object" && inner !== null ? inner : undefined;
}
