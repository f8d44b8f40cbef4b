/**
 * Child process: loads one file after the other and lets libllama say on stderr what it misses. Started by grow.ts.
 */
import { readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import koffi from "koffi";
import { library, libraryFolder } from "../../src/llama/library.ts";
import { LlamaModel } from "../../src/llama/model.ts";

library();
const folder = libraryFolder();
const file = readdirSync(folder).find((name) => /^(lib)?llama(\.v[\d.]+)?\.(so|dylib|dll)$/.test(name))!;
koffi.load(join(folder, file)).func("void llama_log_set(void* callback, void* data)")(null, null);
for await (const path of createInterface({ input: process.stdin })) {
  let result = "loaded";
  try {
    LlamaModel.load(path, "grown").free();
  } catch {
    result = "refused";
  }
  writeSync(2, `\n@@${result}\n`);
}
