/**
 * Compiles one schema in a thread of its own, so that a large one keeps nobody waiting. Started by compile-grammar.ts with the schema as
 * its data; answers with the grammar or the error.
 */
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { ShimmyError } from "../contract/errors.ts";
import { compileSchema } from "../grammar/compile.ts";
import type { PendingSchema } from "./compile-grammar.ts";

/** Less urgent than engines, which compute on the same cores; with 19 it took 0.9 s beside two readers. */
const NICE = 5;

// Only Linux counts this for the thread alone (setpriority(2), "C library/kernel differences").
if (process.platform === "linux") setPriority(NICE);

const { schema, param } = workerData as PendingSchema;
try {
  parentPort!.postMessage({ gbnf: compileSchema(schema, param) });
} catch (thrown) {
  const { code, details } = ShimmyError.from(thrown);
  parentPort!.postMessage({ code, details });
}
