/**
 * Compiles one grammar in a thread of its own, so that a large one keeps nobody waiting. Started by compile-grammar.ts with the job as
 * its data; answers with the grammar or the error.
 */
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { compileAnswer, type GrammarJob } from "../chat/answer/grammar.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { Compilation } from "./compile-grammar.ts";

/** Less urgent than engines, which compute on the same cores; with 19 it took 0.9 s beside two readers. */
const NICE = 5;

// Only Linux counts this for the thread alone (setpriority(2), "C library/kernel differences").
if (process.platform === "linux") setPriority(NICE);

parentPort!.postMessage(compilation());

function compilation(): Compilation {
  try {
    return compileAnswer(workerData as GrammarJob);
  } catch (thrown) {
    const { code, details } = ShimmyError.from(thrown);
    return { code, details };
  }
}
