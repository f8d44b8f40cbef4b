/**
 * Whether a caller has heard anything of an answer yet: until then another backend may give it as well, and nobody notices. Used by
 * pool.ts for engines that have one behind them.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent } from "../contract/generation.ts";
import type { Loaded } from "./open-engine.ts";

export class FirstWords {
  #started = false;
  #heard = false;

  /** Nothing was passed on. */
  get silent(): boolean {
    return !this.#started;
  }

  /** No token was passed on. */
  get tokenless(): boolean {
    return !this.#heard;
  }

  /** Passes the events on; the beginning of a second try is left out. */
  async *watch(events: AsyncIterable<GenerationEvent>): AsyncGenerator<GenerationEvent, void, undefined> {
    for await (const event of events) {
      if (event.type === "started") {
        if (this.#started) continue;
        this.#started = true;
      } else if (event.type !== "progress") this.#heard = true;
      yield event;
    }
  }
}

/** Whether another backend can give the answer. */
export async function fallsBack(loaded: Loaded, answer: FirstWords, error: unknown): Promise<boolean> {
  return answer.tokenless && engineIsReplaced(loaded, error);
}

/** Whether the engine died, and its backend was blamed. Waits until it has been replaced. */
export async function engineIsReplaced({ process, candidate, backends }: Loaded, error: unknown): Promise<boolean> {
  if (candidate.last || !(error instanceof ShimmyError) || error.code !== "engine_gone") return false;
  await process.exited;
  return backends.rests(candidate);
}
