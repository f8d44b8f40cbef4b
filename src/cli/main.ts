#!/usr/bin/env node
/**
 * The command line: words to actions. Each command's code is loaded when it runs, so that `serve` starts with little.
 * Exit codes: 0 fine, 1 failed, 2 usage.
 */
import { loadConfig } from "../config/load.ts";
import { reportError } from "./output.ts";
import { plainServe } from "./plain-serve.ts";

// Whoever read our output has gone (`shimmy list | head`): nobody is left to tell.
process.stdout.on("error", () => process.exit(0));

try {
  const words = process.argv.slice(2);
  const plain = plainServe(words);
  if (plain) await (await import("./serve.ts")).serve(await loadConfig(plain.flags), plain);
  else process.exitCode = await (await import("./program.ts")).runProgram(words);
} catch (error) {
  process.exitCode = reportError(error);
}
