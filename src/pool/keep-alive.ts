/** The clock of one loaded model that nobody uses: when it has run out the model is let go. Owned by resident.ts. */
export class KeepAlive {
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds since the epoch; absent while it does not run. */
  expiresAt: number | undefined;

  constructor(private readonly onEnd: () => void) {}

  /** @param ms negative: for ever. Starts anew if it runs. */
  start(ms: number): void {
    this.cancel();
    if (ms < 0) return;
    this.expiresAt = Date.now() + ms;
    // No reason for a process to live.
    this.#timer = setTimeout(this.onEnd, ms).unref();
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.expiresAt = undefined;
  }
}
