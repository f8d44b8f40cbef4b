/** Counts the steps of a loop for the metrics: how long, how many tokens, how many sequences. Told by loop.ts; pure. */
import { Tally, type TallyCounts } from "../contract/tally.ts";

/** Seconds. A step on a GPU takes a millisecond, a large part of a prompt on a small processor one or two seconds. */
const TIME = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const SEQUENCES = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const TOKENS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];

/** Since the start of the engine. */
export interface StepCounts {
  readonly seconds: TallyCounts;
  readonly sequences: TallyCounts;
  readonly tokens: TallyCounts;
}

export class StepMeter {
  readonly #seconds = new Tally(TIME);
  readonly #sequences = new Tally(SEQUENCES);
  readonly #tokens = new Tally(TOKENS);
  #told: StepCounts | undefined;

  observe(ms: number, sequences: number, tokens: number): void {
    this.#seconds.observe(ms / 1000);
    this.#sequences.observe(sequences);
    this.#tokens.observe(tokens);
    this.#told = undefined;
  }

  /** The same object until there is another step, so that it can be compared. */
  get counts(): StepCounts {
    this.#told ??= { seconds: this.#seconds.snapshot(), sequences: this.#sequences.snapshot(), tokens: this.#tokens.snapshot() };
    return this.#told;
  }
}
