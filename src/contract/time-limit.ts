/** A limit of time that says, when it is over, how long it was. Used wherever another program is waited for and something else may end that, too. */

export class TimeLimit extends Error {
  constructor(readonly ms: number) {
    super(`it had not ended after ${Math.round(ms / 100) / 10} s`);
  }
}

/**
 * For `AbortSignal.any`, instead of `AbortSignal.timeout`: that one is collected as garbage there on Node 20, and the limit with it
 * (nodejs/node issue 54614). Keeps no process alive.
 */
export function timeLimit(ms: number): AbortSignal {
  const over = new AbortController();
  setTimeout(() => over.abort(new TimeLimit(ms)), ms).unref();
  return over.signal;
}
