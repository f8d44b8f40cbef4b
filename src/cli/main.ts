#!/usr/bin/env node
/**
 * The command line: words to actions. Each command's code is loaded when it runs, so that `serve` starts with little.
 * Exit codes: 0 fine, 1 failed, 2 usage.
 */
import { CommanderError } from "commander";
import { reportError } from "./output.ts";
import { createProgram } from "./program.ts";

// Whoever read our output has gone (`shimmy list | head`): nobody is left to tell.
process.stdout.on("error", () => process.exit(0));

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = reportError(error);
}
