/** A limit of time that says, when it is over, how long it was. Called by probe.ts and run.ts; client.ts tells it as why a request failed. */

export class TimeLimit extends Error {
  constructor(readonly ms: number) {
    super(`it had not ended after ${Math.round(ms / 100) / 10} s`);
  }
}

/** Keeps no process alive. */
export function timeLimit(ms: number): AbortSignal {
  const over = new AbortController();
  setTimeout(() => over.abort(new TimeLimit(ms)), ms).unref();
  return over.signal;
}
