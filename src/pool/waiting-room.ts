/**
 * Where a model waits until there is room for it: first come, first in, so that nobody is overtaken for ever. Acts on residency.ts.
 * Used by residents.ts, which tells it whenever something has left or has become idle.
 */
import { ShimmyError } from "../contract/errors.ts";
import { type Held, type Limits, makeRoom, type Verdict } from "./residency.ts";

export interface Newcomer {
  readonly id: string;
  /** What it will be counted with. */
  readonly bytes: number;
}

/** What the room knows of the world and can do in it. */
export interface House {
  held(): readonly Held[];
  limits(held: readonly Held[]): Limits;
  /** Lets a model go once it is idle; the room is told when it has gone. */
  retire(id: string): void;
}

interface Waiting extends Newcomer {
  readonly since: number;
  readonly enter: () => void;
  readonly refuse: (error: ShimmyError) => void;
  deadline?: NodeJS.Timeout;
}

/**
 * How long models that are busy may stay so before one of them is told to finish and go. A swap costs a load, so each should serve a
 * batch of requests between two swaps.
 */
const PATIENCE_MS = 2000;
/** Told to those who waited in vain. */
const RETRY_SECONDS = 5;
const MIB = 1024 * 1024;

export class WaitingRoom {
  readonly #queue: Waiting[] = [];
  #patience: NodeJS.Timeout | undefined;

  readonly #patienceMs: number;

  /** @param maxWaitMs 0: without limit. */
  constructor(
    private readonly house: House,
    private readonly maxWaitMs: number,
  ) {
    // Whoever waits for little must see something happen before it gives up.
    this.#patienceMs = maxWaitMs > 0 ? Math.min(PATIENCE_MS, maxWaitMs / 4) : PATIENCE_MS;
  }

  /**
   * Resolves when the newcomer may take its memory; `admit` is called just before, so that it counts from then on.
   * @throws model_no_room, or what it was cancelled with.
   */
  enter(newcomer: Newcomer, admit: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        ...newcomer,
        since: performance.now(),
        enter: () => {
          admit();
          resolve();
        },
        refuse: reject,
      };
      if (this.maxWaitMs > 0) waiting.deadline = setTimeout(() => this.cancel(newcomer.id, this.#waitedInVain(waiting)), this.maxWaitMs);
      this.#queue.push(waiting);
      this.advance();
    });
  }

  cancel(id: string, error: ShimmyError): void {
    const index = this.#queue.findIndex((waiting) => waiting.id === id);
    const waiting = this.#queue[index];
    if (!waiting) return;
    this.#take(index);
    waiting.refuse(error);
    this.advance();
  }

  /** Something has changed: lets in whoever can be. */
  advance(): void {
    clearTimeout(this.#patience);
    for (let head = this.#queue[0]; head; head = this.#queue[0]) {
      const held = this.house.held();
      const limits = this.house.limits(held);
      const patienceLeft = head.since + this.#patienceMs - performance.now();
      const verdict = makeRoom(head.bytes, held, limits, { drain: patienceLeft <= 0 });
      if (verdict.kind === "enter") {
        this.#take(0);
        head.enter();
      } else if (verdict.kind === "refuse") {
        this.#take(0);
        head.refuse(noRoom(head, limits, verdict.because === "pinned" ? "the pinned models leave too little of it" : tooLarge(limits)));
      } else {
        this.#pause(verdict, patienceLeft);
        return;
      }
    }
  }

  #pause(verdict: Extract<Verdict, { kind: "retire" | "wait" }>, patienceLeft: number): void {
    if (verdict.kind === "retire") for (const id of verdict.ids) this.house.retire(id);
    if (patienceLeft > 0) this.#patience = setTimeout(() => this.advance(), patienceLeft + 1);
  }

  #take(index: number): void {
    const [taken] = this.#queue.splice(index, 1);
    clearTimeout(taken?.deadline);
  }

  #waitedInVain(waiting: Waiting): ShimmyError {
    const held = this.house.held();
    const busy = held.map(({ id }) => id).join(", ");
    return noRoom(waiting, this.house.limits(held), `after ${this.maxWaitMs / 1000} s others are still at work (${busy})`, RETRY_SECONDS);
  }
}

function tooLarge({ aloneBytes }: Limits): string {
  return `the machine has ${mib(aloneBytes)} MiB for a model that is alone`;
}

function noRoom({ id, bytes }: Newcomer, { budgetBytes }: Limits, reason: string, retry?: number): ShimmyError {
  return new ShimmyError("model_no_room", {
    model: id,
    need_mib: mib(bytes),
    budget_mib: mib(budgetBytes),
    reason,
    ...(retry !== undefined && { retry_after: retry }),
  });
}

function mib(bytes: number): number {
  return Math.ceil(bytes / MIB);
}
