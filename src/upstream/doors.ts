/** Vectors, scores, tokens and prompts of models wherever they are. Loaded by lazy.ts with the first such question. */
import type { Embedder, EmbeddingRequest, Tokenizer } from "../contract/embedding.ts";
import type { PromptRenderer } from "../contract/inspection.ts";
import type { Asked } from "./asking.ts";
import { chatFields } from "./body.ts";
import type { CombinedGenerator } from "./combined.ts";
import { embeddings, promptText, scores, textOfTokens, tokens } from "./questions.ts";

export type Doors = Embedder & Tokenizer & PromptRenderer;

/** @param local who answers for models that only this machine has, and for those that no upstream answers for */
export function doorsOf(combined: CombinedGenerator, local: Doors): Doors {
  return {
    embed: (model, request, signal) =>
      combined.ask(model, embeddings(request), askedBy(request, signal), () => local.embed(model, request, signal)),
    score: (model, request, signal) =>
      combined.ask(model, scores(request), askedBy(request, signal), () => local.score(model, request, signal)),
    tokenize: (model, text, options, signal) =>
      combined.ask(model, tokens(text, options), { signal }, () => local.tokenize(model, text, options, signal)),
    detokenize: (model, ids, signal) => combined.ask(model, textOfTokens(ids), { signal }, () => local.detokenize(model, ids, signal)),
    renderPrompt: (model, prompt, signal) => {
      const question = promptText((dialect) => chatFields(prompt, {}, dialect));
      return combined.ask(model, question, { signal }, () => local.renderPrompt(model, prompt, signal));
    },
  };
}

function askedBy({ id, trace }: Pick<EmbeddingRequest, "id" | "trace">, signal: AbortSignal): Omit<Asked, "model"> {
  return { requestId: id, signal, ...(trace && { trace }) };
}
