/**
 * How many connections may be open at once, so that files, engines and code that is loaded later still find a free descriptor: a module that
 * could not be read once (EMFILE) stays unloadable in Node until the process ends. Called by listen.ts.
 */
import { readFileSync } from "node:fs";

/** For engines (three each), models, stores, and modules that are loaded when first used. */
const OWN_DESCRIPTORS = 64;

/** Node has raised the soft limit to the hard one by now. Undefined where the system does not tell (only Linux has this file). */
export function connectionLimit(hasUpstreams: boolean, limitsFile = "/proc/self/limits"): number | undefined {
  let text: string;
  try {
    text = readFileSync(limitsFile, "utf8");
  } catch {
    return undefined;
  }
  const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1];
  if (soft === undefined) return undefined; // "unlimited"
  const descriptors = Number(soft);
  const left = Math.max(descriptors - OWN_DESCRIPTORS, Math.floor(descriptors / 4));
  return hasUpstreams ? Math.floor(left / 2) : left; // each of their requests has a second connection
}
