/** Waiting that can end early: by the signal of a request, or by the clock. Used by the other files of this room. */
import { ShimmyError } from "../contract/errors.ts";

/** The promise, or `client_closed` as soon as the signal is aborted. */
export async function abortable<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  if (signal.aborted) throw new ShimmyError("client_closed");
  let leave: (() => void) | undefined;
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(new ShimmyError("client_closed"));
    signal.addEventListener("abort", leave, { once: true });
  });
  try {
    return await Promise.race([promise, left]);
  } finally {
    if (leave) signal.removeEventListener("abort", leave);
  }
}

/** The promise, or what `late` makes after `ms`; 0 is without limit. */
export async function within<T>(promise: Promise<T>, ms: number, late: () => Error): Promise<T> {
  if (ms === 0) return promise;
  let timer: NodeJS.Timeout | undefined;
  const clock = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([promise, clock]);
  } finally {
    clearTimeout(timer);
  }
}
