/**
 * `llama_progress_callback` of llama.h as a function of JavaScript: called on this thread in the middle of a load. Used by model.ts.
 */
import koffi from "koffi";

/** @returns the pointer for `progress_callback`; `end` it when the load has returned, whichever way. */
export function watchProgress(tell: (fraction: number) => void): { readonly pointer: bigint; end(): void } {
  // Without a name: a name may be defined once in a process only.
  const prototype = koffi.proto("bool", ["float", "void*"]);
  const callback = koffi.register((fraction: number): boolean => {
    tell(fraction);
    return true; // false would end the load
  }, koffi.pointer(prototype));
  return { pointer: callback, end: () => koffi.unregister(callback) };
}
