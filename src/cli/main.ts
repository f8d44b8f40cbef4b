#!/usr/bin/env node
/**
 * The command line: words to actions. Each command's code is loaded when it runs, so that `serve` starts with little.
 * Exit codes: 0 fine, 1 failed, 2 usage.
 */
import { loadConfig } from "../config/load.ts";
import { checkNode } from "./node-version.ts";
import { endUnread, reportError } from "./output.ts";
import { plainServe } from "./plain-serve.ts";

process.stdout.on("error", endUnread);
// Nobody is left to tell, and a full disk under the log ends no server.
process.stderr.on("error", () => undefined);

try {
  const words = process.argv.slice(2);
  checkNode(process.versions.node, words);
  const plain = plainServe(words);
  if (plain) await (await import("./serve.ts")).serve(await loadConfig(plain.flags), plain);
  else process.exitCode = await (await import("./program.ts")).runProgram(words);
} catch (error) {
  process.exitCode = reportError(error);
}
