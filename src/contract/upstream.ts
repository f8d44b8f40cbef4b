/** Other servers that answer for this one, as far as others must know of them. Plain data. */

/** One that is not asked now, for /health. Never its address: whoever asks for the health of a server need show no key. */
export interface UpstreamTrouble {
  /** Its place among the configured ones, from 1. */
  readonly upstream: number;
  readonly reason: string;
  readonly retryAfterSeconds: number;
}
