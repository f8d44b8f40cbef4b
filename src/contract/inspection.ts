/**
 * What can be seen of a model beside its answers: its prompts as text, how it is served, its slots. Asked for by the routes that
 * llama-server's users know (server/api/native.ts), answered by the pool. Plain data.
 */
import type { ChatPrompt, ResolvedModel, SamplingParams } from "./generation.ts";
import type { ModelStatus } from "./model.ts";

export interface PromptRenderer {
  /**
   * The text that a conversation becomes. The model is loaded for it, because its vocabulary is a part of that.
   * @throws template_error, model_not_generative, what loading throws, client_closed
   */
  renderPrompt(model: ResolvedModel, prompt: ChatPrompt, signal: AbortSignal): Promise<string>;
}

/** How a model is served, or would be. */
export interface ModelProperties {
  readonly status: ModelStatus;
  /** Sequences that run at once. */
  readonly slots: number;
  /** What holds where a request says nothing. */
  readonly sampling: SamplingParams;
  readonly stop: readonly string[];
  /** Absent: until the end of the context. */
  readonly maxTokens?: number;
  /** The template that renders its prompts, as far as it is known before the model is loaded. */
  readonly chatTemplate?: string;
  /** Texts of its vocabulary; absent while it is not loaded. */
  readonly bosText?: string;
  readonly eosText?: string;
}

/** A place for a sequence. Never a text: what somebody asked is nobody else's business. */
export interface SlotStatus {
  readonly id: number;
  /** Tokens that it may hold. */
  readonly contextTokens: number;
  /** What it computes; absent: it is idle. */
  readonly work?: {
    readonly promptTokens: number;
    /** Of the prompt: found in the cache, and computed here so far. */
    readonly cachedTokens: number;
    readonly computedTokens: number;
    readonly generatedTokens: number;
  };
}

/** Nothing is loaded to answer, and no keep-alive begins anew. */
export interface Inspector {
  /** @throws model_load_failed when the template of --chat-template-file cannot be read */
  properties(model: ResolvedModel): Promise<ModelProperties>;
  /** Of the loaded model of this id, or of all that are loaded; those that end meanwhile are left out. */
  slots(
    id: string | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlyArray<{ readonly model: string; readonly slots: readonly SlotStatus[] }>>;
}
