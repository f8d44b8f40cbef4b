/**
 * Child process: loads the files it is told to with the engine's own code, as an engine would: model, vocabulary, context, one token.
 * Started by survivors.ts, which reads its lines: `start N` before a file, `loaded N` or `refused N` after it. If a line is missing, that
 * file ended the process.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { LlamaContext } from "../../src/llama/context.ts";
import { library } from "../../src/llama/library.ts";
import { LlamaModel } from "../../src/llama/model.ts";

const say = (line: string) => writeSync(1, `${line}\n`);
const OPTIONS = { cells: 64, sequences: 1, unified: false, kvType: "f16", flashAttention: "off", threads: 1, batchTokens: 32 } as const;

function load(path: string): boolean {
  let model: LlamaModel | undefined;
  let context: LlamaContext | undefined;
  try {
    model = LlamaModel.load(path, "mutant");
    void [model.bosText, model.eosText, model.controlTexts()];
    if (!model.generative) return true;
    context = LlamaContext.create(model, "mutant", OPTIONS);
    const [token] = model.tokenize([{ text: "ab <s>cd", parseSpecial: false }]);
    void [model.tokenize([{ text: "<s>ab", parseSpecial: true }]), model.endOfGeneration];
    context.add(token ?? 0, 0, 0, true);
    context.decode();
    return true;
  } catch {
    return false;
  } finally {
    context?.free();
    model?.free();
  }
}

library();
for await (const line of createInterface({ input: process.stdin })) {
  const [number, path] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
  say(`start ${number}`);
  say(`${load(path) ? "loaded" : "refused"} ${number}`);
}
