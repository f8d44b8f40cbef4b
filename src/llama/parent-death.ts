/**
 * Binds this process to the one that started it: where the kernel can do that, it ends with it, whatever it computes. Called by
 * engine/main.ts, first. Elsewhere the closed channel ends it, which it sees between two steps.
 */
import { koffi } from "./native.ts";

/** linux/prctl.h */
const PR_SET_PDEATHSIG = 1;
/** Kills stopped processes too, and whoever is in the middle of a step. */
const SIGKILL = 9;

/**
 * Linux sends the signal when the thread that forked this process ends (prctl(2), PR_SET_PDEATHSIG), not only with its process: with a
 * worker thread its channel to us closes as well, so nobody is left to ask.
 * @param parent process id that the parent told of itself
 * @returns false: it has ended already, and no signal will come
 */
export function endWithParent(parent: number): boolean {
  if (process.platform === "linux") askForSignal();
  return process.ppid === parent;
}

/** Where a sandbox forbids it the channel remains. */
function askForSignal(): void {
  // Of the C library that Node itself runs with: glibc and musl both have it.
  const prctl = koffi.load(null).func("int prctl(int option, unsigned long signal, unsigned long, unsigned long, unsigned long)");
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}
