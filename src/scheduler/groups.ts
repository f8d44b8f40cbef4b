/**
 * Which group computes in the next step. A step holds sequences of one group only: a group is what libllama can apply to a whole context
 * and not to a sequence, a LoRA adapter (0: none). Used by scheduler.ts. Pure: what a step cost is handed in.
 *
 * Start-time fair queueing once more (queue.ts), over the time of steps: each group has used so much, the one that has used least is
 * next, and one that comes back begins no earlier than those who are there, so that having waited counts and having been idle does not.
 * To change groups costs a few milliseconds, so a group goes on until it is a quantum ahead. Whoever waits gets a turn after at most two
 * quanta and two steps of each other group.
 */
import type { Sequence } from "./sequence.ts";

/** How far a group may be ahead of the one that has used least, in milliseconds of steps. */
export const QUANTUM = 25;

export class GroupTurns {
  /** Of each group that ever ran. */
  readonly #used = new Map<number, number>();
  #active: ReadonlySet<number> = new Set();
  #current: number | undefined;

  /** `running`: at least one. */
  next(running: readonly Pick<Sequence, "group">[]): number {
    const only = running[0]!.group;
    this.#enter(running.every(({ group }) => group === only) ? [only] : running.map(({ group }) => group));
    const least = this.#least();
    if (this.#current === undefined || !this.#active.has(this.#current) || this.#usedBy(this.#current) >= this.#usedBy(least) + QUANTUM)
      this.#current = least;
    return this.#current;
  }

  /** What a step of the group that was next has cost, in milliseconds. */
  spend(cost: number): void {
    if (this.#current !== undefined) this.#used.set(this.#current, this.#usedBy(this.#current) + cost);
  }

  #enter(groups: readonly number[]): void {
    if (groups.length === 1 && this.#active.size === 1 && this.#active.has(groups[0]!)) return;
    // The clock: what the least of those who were there has used.
    const clock = this.#active.size > 0 ? this.#usedBy(this.#least()) : 0;
    const active = new Set(groups);
    for (const group of active) if (!this.#active.has(group)) this.#used.set(group, Math.max(clock, this.#usedBy(group)));
    this.#active = active;
  }

  /** Of equals the one that came first. */
  #least(): number {
    let least: number | undefined;
    for (const group of this.#active) if (least === undefined || this.#usedBy(group) < this.#usedBy(least)) least = group;
    return least!;
  }

  #usedBy(group: number): number {
    return this.#used.get(group) ?? 0;
  }
}
