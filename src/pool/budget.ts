/** The memory that all models may take together: as set, or worked out from what this machine or its cgroup has free. Used by residents.ts. */
import { availableMemory } from "../models/machine.ts";
import type { Held, Limits } from "./residency.ts";

/** The rest is for the gateway, for compute buffers that are larger than thought, and for everybody else. */
const AUTO_SHARE = 0.9;

export class MemoryBudget {
  #whenEmpty: number | undefined;

  /** @param setBytes absent: auto. @param maxModels 0 is without limit. */
  constructor(
    private readonly setBytes: number | undefined,
    private readonly maxModels: number,
    private readonly available: () => number = availableMemory,
  ) {}

  limits(held: readonly Held[]): Limits {
    const free = this.available();
    const ours = held.reduce((sum, { bytes }) => sum + bytes, 0);
    return {
      budgetBytes: this.setBytes ?? this.#auto(held.length === 0, free, ours),
      // Pinned ones would stay, but beside them nobody is alone.
      aloneBytes: free + ours,
      maxModels: this.maxModels === 0 ? Number.POSITIVE_INFINITY : this.maxModels,
    };
  }

  /**
   * Measured while nothing is loaded: afterwards the kernel counts mapped weights as free, as it could drop them. When other programs
   * have taken memory since, what is left counts.
   */
  #auto(empty: boolean, free: number, ours: number): number {
    if (empty || this.#whenEmpty === undefined) this.#whenEmpty = AUTO_SHARE * (free + ours);
    return Math.min(this.#whenEmpty, free + ours);
  }
}
