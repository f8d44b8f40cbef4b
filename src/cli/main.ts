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

// undici, which is Node's fetch, starts its WebAssembly as soon as anything of it is used, and lets go of the promise. Node 20 and 22 reserve
// 10 GB of addresses for that; under `ulimit -v` it would end a server that needs Request and Response but no fetch. Node 24 asks for less there.
process.on("unhandledRejection", (reason) => {
  if (!(reason instanceof RangeError && reason.stack?.includes("lazyllhttp"))) throw reason;
  process.emitWarning("fetch does not work under this limit of addresses (ulimit -v): set NODE_OPTIONS=--disable-wasm-trap-handler");
});

try {
  const words = process.argv.slice(2);
  checkNode(process.versions.node, words);
  const plain = plainServe(words);
  if (plain) await (await import("./serve.ts")).serve(await loadConfig(plain.flags), plain);
  else process.exitCode = await (await import("./program.ts")).runProgram(words);
} catch (error) {
  process.exitCode = reportError(error);
}
