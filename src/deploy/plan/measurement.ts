/** What a measured run knows. Made by measure.ts, read by planner.ts and whoever prints. Plain data. */

/** Of one number of clients that ask at once. */
export interface Wave {
  readonly clients: number;
  /** Of each prompt, as the server counted it. */
  readonly promptTokens: number;
  /** Median over the clients, milliseconds from sending to the first token. */
  readonly ttftMs: number;
  /** Of all clients together, a second. */
  readonly prefillPerSecond: number;
  readonly decodePerSecond: number;
  /** Cores that gateway and engine kept busy while they decoded; absent: this system does not tell. */
  readonly busyCores?: number;
}

/** Bytes; absent: this system does not tell. */
export interface Memory {
  /** The gateway before any model was loaded. */
  readonly baseBytes?: number;
  /** Of that, what it has for itself beyond an empty server of the same Node. */
  readonly aboveNodeBytes?: number;
  /** The engine after loading, and at the end of the run. */
  readonly loadedBytes?: number;
  readonly peakBytes?: number;
}

export interface Measurement {
  /** From the start of the process to the ready line. */
  readonly startMs: number;
  readonly loadMs: number;
  readonly memory: Memory;
  /** 1, 4 and 8 clients. */
  readonly waves: readonly Wave[];
  readonly requestBytesPerPromptToken: number;
  /** Streamed. */
  readonly responseBytesPerToken: number;
  /** As the server served it. */
  readonly slots: number;
  readonly contextTokens: number;
  /** What the whole run took. */
  readonly tookMs: number;
}
