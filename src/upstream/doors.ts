/** Vectors, scores, tokens and prompts of models wherever they are. Loaded by lazy.ts with the first such question. */
import type { Embedder, EmbeddingRequest, Tokenizer } from "../contract/embedding.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { Inspector, PromptRenderer } from "../contract/inspection.ts";
import type { Asked } from "./asking.ts";
import { chatFields } from "./body.ts";
import type { CombinedGenerator } from "./combined.ts";
import { properties } from "./properties.ts";
import { embeddings, promptText, scores, textOfTokens, tokens } from "./questions.ts";

export type Doors = Embedder & Tokenizer & PromptRenderer & Inspector;

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
    // Of a model that is here too, those of here: they are what it is asked with when no upstream answers.
    properties: (model) => {
      const status = combined.statusOf(model.info.id);
      if (!status) return local.properties(model);
      return combined.ask(model, properties(status), { signal: new AbortController().signal }, () => local.properties(model));
    },
    slots: async (id, signal) => {
      if (id !== undefined && combined.statusOf(id))
        throw new ShimmyError("upstream_unsupported", { model: id, what: "the state of its slots" });
      return local.slots(id, signal);
    },
  };
}

function askedBy({ id, trace, priority }: Pick<EmbeddingRequest, "id" | "trace" | "priority">, signal: AbortSignal): Omit<Asked, "model"> {
  return { requestId: id, signal, ...(trace && { trace }), ...(priority !== undefined && { priority }) };
}
