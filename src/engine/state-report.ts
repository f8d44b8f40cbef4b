/**
 * When the gateway is told what the engine holds: if it has changed, at most once a second. Asked by loop.ts for each message, so it
 * must cost nothing in between. Pure: the clock is handed in.
 */
import type { EngineState } from "./ipc.ts";

const INTERVAL_MS = 1000;

export class StateReport {
  readonly #read: () => EngineState;
  #told: EngineState;
  #nextMs = 0;

  /** What `read` gives now is known already: it travels with `ready`. */
  constructor(read: () => EngineState) {
    this.#read = read;
    this.#told = read();
  }

  /** The state if it is to be told. `last`: nothing follows for a while, so it cannot wait. */
  due(nowMs: number, last: boolean): EngineState | undefined {
    if (nowMs < this.#nextMs && !last) return undefined;
    const state = this.#read();
    if (same(state, this.#told)) return undefined;
    this.#told = state;
    this.#nextMs = nowMs + INTERVAL_MS;
    return state;
  }
}

function same(a: EngineState, b: EngineState): boolean {
  return (Object.keys(a) as Array<keyof EngineState>).every((key) => a[key] === b[key]);
}
