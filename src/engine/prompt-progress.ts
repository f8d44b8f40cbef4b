/**
 * How far the prompts of those are who asked to be told. Told by loop.ts before and after each step that computes; it must not know
 * requests, and costs nothing for sequences that nobody watches. Pure: the clock is handed in.
 */
import type { GenerationEvent } from "../contract/generation.ts";
import type { PlanEntry } from "../scheduler/scheduler.ts";

type ProgressEvent = GenerationEvent & { readonly type: "progress" };

interface Watched {
  readonly choice: number;
  begunMs?: number;
  /** What was told last: a sequence that computes its prompt again says nothing until it is beyond. */
  told: number;
}

/** By the key of the sequence. */
type Told = Array<readonly [key: number, event: ProgressEvent]>;

export class PromptProgress {
  readonly #watched = new Map<number, Watched>();

  watch(key: number, choice: number): void {
    this.#watched.set(key, { choice, told: -1 });
  }

  forget(key: number): void {
    this.#watched.delete(key);
  }

  /** Before a step: where those begin whose first step it is. */
  begin(entries: readonly PlanEntry[], nowMs: number): Told {
    return this.#tell(entries, nowMs, ({ begunMs }) => begunMs === undefined, "from");
  }

  /** After it. */
  computed(entries: readonly PlanEntry[], nowMs: number): Told {
    return this.#tell(entries, nowMs, () => true, "to");
  }

  #tell(entries: readonly PlanEntry[], nowMs: number, concerned: (watched: Watched) => boolean, end: "from" | "to"): Told {
    if (this.#watched.size === 0) return [];
    const told: Told = [];
    for (const entry of entries) {
      const { key, promptLength, cached = 0 } = entry.sequence;
      const watched = this.#watched.get(key);
      const processed = Math.min(entry[end], promptLength);
      if (!watched || !concerned(watched) || processed <= watched.told) continue;
      watched.begunMs ??= nowMs;
      watched.told = processed;
      const { choice, begunMs } = watched;
      told.push([key, { type: "progress", choice, total: promptLength, cached, processed, ms: nowMs - begunMs }]);
    }
    return told;
  }
}
