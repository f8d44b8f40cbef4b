/**
 * Child process: loads the files it is told to with the engine's own code, as an engine would: model, vocabulary, context, one token, and
 * the vectors of some texts. Started by survivors.ts, which reads its lines: `start N` before a file, `loaded N` or `refused N` after it.
 * If a line is missing, that file ended the process.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { AnswerMessage, Question } from "../../src/engine/ipc.ts";
import { Questions } from "../../src/engine/questions.ts";
import { LlamaContext } from "../../src/llama/context.ts";
import { library } from "../../src/llama/library.ts";
import { LlamaModel } from "../../src/llama/model.ts";
import { isEncoder } from "../../src/models/architectures.ts";
import { ranks } from "../../src/models/capabilities.ts";
import type { ModelDescription } from "../../src/models/describe.ts";
import { readModelFile } from "../../src/models/model-file.ts";

const say = (line: string) => writeSync(1, `${line}\n`);
const OPTIONS = { cells: 64, sequences: 1, unified: false, kvType: "f16", flashAttention: "off", threads: 1, batchTokens: 32 } as const;
const TEXT = "ab <s>cd [SEP] Ünïcode 🦙 \u0000";

async function load(path: string): Promise<boolean> {
  let model: LlamaModel | undefined;
  let context: LlamaContext | undefined;
  try {
    // Broken files are given to libllama all the same where a test wants to see it end.
    const description = await readModelFile(path).catch(() => undefined);
    model = LlamaModel.load(path, "mutant");
    void [model.bosText, model.eosText, model.controlTexts()];
    if (description) await embed(model, description);
    if (!model.generative || description?.generative === false) return true;
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

/** As the pool has it asked (pool/questions.ts). */
async function embed(model: LlamaModel, description: ModelDescription): Promise<void> {
  const { architecture, contextLength, generative, kvBytesPerToken } = description;
  const embedding = { encoder: isEncoder(architecture), contextTokens: Math.min(contextLength, 128), bytes: 2 ** 28, kvBytesPerToken };
  const waiting = new Map<number, () => void>();
  const answered = ({ id }: AnswerMessage) => waiting.get(id)?.();
  const options = { ...embedding, generates: generative, threads: 1, fixedThreads: true, queueMs: 0, stepMs: 100, generating: () => false };
  const questions = new Questions(model, options, (message) => message.type === "answer" && answered(message));
  let id = 0;
  const ask = (question: Question) =>
    new Promise<void>((resolve) => {
      waiting.set(++id, resolve);
      questions.ask({ type: "ask", id, question });
    });
  try {
    if (ranks(description))
      await ask({
        kind: "score",
        pairs: [
          { query: TEXT, document: "cd" },
          { query: "a", document: TEXT.repeat(40) },
        ],
        truncate: true,
      });
    else
      for (const pooling of [undefined, "mean", "cls", "last"] as const)
        await ask({
          kind: "embed",
          inputs: [{ text: TEXT }, { tokens: [0, 1] }, { text: TEXT.repeat(40) }],
          truncate: true,
          ...(pooling && { pooling }),
        });
    await ask({ kind: "tokenize", text: TEXT, options: { addSpecial: true, parseSpecial: true } });
  } finally {
    questions.free();
  }
}

library();
for await (const line of createInterface({ input: process.stdin })) {
  const [number, path] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
  say(`start ${number}`);
  say(`${(await load(path)) ? "loaded" : "refused"} ${number}`);
}
