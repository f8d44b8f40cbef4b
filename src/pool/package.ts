/**
 * Whether the files of the package are still those that this program came from. `npm install -g` replaces them under a running server:
 * chunks have other names then, and engine.js is another one's. Asked by engine-process.ts, compile-grammar.ts and /health, each when it
 * needs to know; nothing watches.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ShimmyError } from "../contract/errors.ts";
import { BUILD } from "../engine/ipc.ts";

/** Empty, beside this code in dist/; its name is that of the build. Sources have none. */
const MARK = BUILD === undefined ? undefined : fileURLToPath(new URL(`./build-${BUILD}`, import.meta.url));

export function isPackageReplaced(): boolean {
  return MARK !== undefined && !existsSync(MARK);
}

/** Before a file of the package is run whose name says nothing of its build. @throws package_replaced */
export function refuseReplaced(): void {
  if (isPackageReplaced()) throw new ShimmyError("package_replaced");
}
