/**
 * The words between the doors and the engines: one request, one union of events, one interface.
 * Nobody's wire format: protocols translate to and from these. Plain data that survives structured clone.
 */
import type { ModelInfo, ServedAdapter } from "./model.ts";
import type { TraceLink } from "./tracing.ts";

/** Sampling of one sequence. Ranges are checked where the request is decoded. */
export interface SamplingParams {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 turns it off. */
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  /** 1 turns it off. */
  readonly typicalP: number;
  /** 1 turns it off. */
  readonly repeatPenalty: number;
  /** How many of the last tokens the three penalties look at; −1 is the whole context. */
  readonly repeatLastN: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** Token id → what is added to its logit; −100 or less bans it. */
  readonly logitBias: ReadonlyArray<readonly [token: number, bias: number]>;
  /** 0 off, 1 or 2 the version of mirostat; it replaces the truncating samplers. */
  readonly mirostat: 0 | 1 | 2;
  readonly mirostatTau: number;
  readonly mirostatEta: number;
  /** Unsigned 32 bits; absent: drawn anew for each request. */
  readonly seed?: number;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  /** Everything else that a template may read (name, tool_calls, tool_call_id, reasoning_content), as OpenAI spells it. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A function that the model may call, as OpenAI spells it and templates print it: keys stay in the order they came in. */
export interface Tool {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string;
    /** A JSON Schema of the arguments; absent: it takes none. */
    readonly parameters?: unknown;
    /** What the schema asks and a grammar cannot promise is an error, not a weaker promise. */
    readonly strict?: boolean;
    readonly [name: string]: unknown;
  };
}

/** What a caller wants of the model's thoughts; each dialect's switches end here. */
export interface ReasoningWish {
  /** False: the model answers at once, as far as its template or its marks can make it. Absent: as the template has it. */
  readonly enabled?: boolean;
  /** "low", "medium", "high" …, for templates that read it. */
  readonly effort?: string;
  /** Most tokens of a thought; then it is closed and the answer begins. */
  readonly budgetTokens?: number;
  /** True: thoughts stay in the text, with their marks (llama-server's `reasoning_format: "none"`). */
  readonly inText?: boolean;
}

export interface ChatPrompt {
  readonly kind: "chat";
  readonly messages: readonly ChatMessage[];
  /** Absent or empty: none, and what looks like a call in the answer is text. */
  readonly tools?: readonly Tool[];
  /** Whether a tool must be called, or this one. Absent: the model decides. "None" is `tools` left out. */
  readonly toolChoice?: "required" | { readonly name: string };
  /** False: at most one call an answer. */
  readonly parallelToolCalls?: boolean;
  readonly reasoning?: ReasoningWish;
  /** False: the model's turn is not opened behind the last message. An answer at the end is continued all the same. */
  readonly addGenerationPrompt?: boolean;
  /** Extra variables for the template (`chat_template_kwargs`). */
  readonly templateOptions?: Readonly<Record<string, unknown>>;
}

export type Prompt =
  | ChatPrompt
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "tokens"; readonly tokens: readonly number[] }
  | InfillPrompt;

/** Fill in the middle: what belongs between the two texts, by the tokens of the model's vocabulary for it. */
export interface InfillPrompt {
  readonly kind: "infill";
  readonly prefix: string;
  readonly suffix: string;
  /** Absent: nothing is said of a repository. Given, even if it is empty: the two texts are shown as a file of one, after these. */
  readonly files?: readonly InfillFile[];
}

/** Another file of the same repository, for context. */
export interface InfillFile {
  readonly name: string;
  readonly text: string;
}

/**
 * A constraint on the text of an answer; thoughts and tool calls are no part of it. GBNF as llama.cpp's grammars/README.md defines it,
 * with the rule `root`; or a JSON Schema, with the field it came in, for errors.
 */
export type Constraint = { readonly gbnf: string } | { readonly schema: unknown; readonly param: string };

export interface GenerationRequest {
  readonly id: string;
  /** As the caller wrote it; the pool resolves it. */
  readonly model: string;
  readonly prompt: Prompt;
  /** How many independent answers (`n`); choice i samples with seed + i. */
  readonly choices: number;
  /** Absent: until end of generation or the end of the context. 0 computes the prompt only. */
  readonly maxTokens?: number;
  readonly stop: readonly string[];
  /** What the caller said; the rest is the model's, its author's or the server's (sampling defaults). */
  readonly sampling: Partial<SamplingParams>;
  /** What the text must match; absent: anything. */
  readonly constraint?: Constraint;
  /** An opaque name of who asks (never a key itself): the queue is fair between callers, caches may be kept apart. */
  readonly caller?: string;
  /** Larger is later in the queue; 0 is usual. */
  readonly priority?: number;
  /** False: compute the whole prompt, whatever is in the cache. */
  readonly cachePrompt?: boolean;
  /** Most tokens that may be guessed and verified in one step (speculation); 0: none. Absent: what pays. */
  readonly maxDraft?: number;
  /** True: no token that ends an answer is drawn. It ends by its limit, a stop string, its grammar's end, or a full context. */
  readonly ignoreEnd?: boolean;
  /** How many alternatives to report a token; absent: no logprobs at all. */
  readonly topLogprobs?: number;
  /** True, with `topLogprobs`: those of the prompt's tokens too, as one `prompt` event before any text. */
  readonly promptLogprobs?: boolean;
  /** True: the caller gets nothing before all of it is there, so an answer that breaks off may be begun again. */
  readonly whole?: boolean;
  /** True: tell how far the prompt is, by `progress` events. */
  readonly progress?: boolean;
  /** How long the model stays loaded after its last request, from now on: milliseconds, 0, or KEEP_FOREVER (keep-alive.ts). */
  readonly keepAliveMs?: number;
  /** What is asked elsewhere for its sake belongs to this trace. */
  readonly trace?: TraceLink;
}

export interface TokenLogprob {
  readonly token: number;
  /** The token's own bytes, which may be part of a character. */
  readonly bytes: Uint8Array;
  readonly logprob: number;
  readonly top: ReadonlyArray<{ readonly token: number; readonly bytes: Uint8Array; readonly logprob: number }>;
}

/**
 * Why a choice ended: end of generation or a stop string; the token limit or the end of the context; or with the calls it asks for, all of
 * them whole. A call that was cut short ends with "length".
 */
export type FinishReason = "stop" | "length" | "tool_calls";

export interface Timings {
  /** Milliseconds from admission to the first step that worked on it. */
  readonly queueMs: number;
  /** Milliseconds of prompt work until the first token. */
  readonly promptMs: number;
  readonly predictedMs: number;
}

export type GenerationEvent =
  /** The prompt is valid, fits and is queued: from here on an error is an error in mid-stream. */
  | {
      readonly type: "started";
      readonly promptTokens: number;
      /** Milliseconds that it waited until its model was loaded; absent: it was. */
      readonly loadMs?: number;
      /** Where the events of several requests are one sequence: the first choice of the one that it is of. */
      readonly choice?: number;
    }
  /** Only where `progress` was asked for: once when the work on a prompt begins, then after each step that computed a part of it. */
  | {
      readonly type: "progress";
      readonly choice: number;
      /** Tokens of the prompt, how many of them were cached, and how many are in the cache now, those included. */
      readonly total: number;
      readonly cached: number;
      readonly processed: number;
      /** Milliseconds since the work on it began. */
      readonly ms: number;
    }
  /** Where `promptLogprobs` was asked for, before the first text. The first token has nothing before it, so its logprob is NaN and `top` empty. The bytes of a control token are its name. */
  | { readonly type: "prompt"; readonly choice: number; readonly tokens: readonly TokenLogprob[] }
  /** A piece of the model's thought, without its marks; only for chats. `tokens` and `logprobs` as those of `text`. */
  | {
      readonly type: "reasoning";
      readonly choice: number;
      readonly text: string;
      readonly tokens: number;
      readonly logprobs?: readonly TokenLogprob[];
    }
  /**
   * A call of a tool; only for chats with tools. The first event of a call has `id`, `name` and no arguments; the later ones are fragments
   * of its arguments: joined they are JSON text, an object's. `call` counts the calls of a choice from 0.
   */
  | {
      readonly type: "toolCall";
      readonly choice: number;
      readonly call: number;
      readonly id?: string;
      readonly name?: string;
      readonly arguments: string;
      readonly tokens: number;
      readonly logprobs?: readonly TokenLogprob[];
    }
  /** Whole characters only. `tokens`: how many were generated since the last piece; `logprobs`: theirs. */
  | {
      readonly type: "text";
      readonly choice: number;
      readonly text: string;
      readonly tokens: number;
      readonly logprobs?: readonly TokenLogprob[];
    }
  | {
      readonly type: "finished";
      readonly choice: number;
      readonly reason: FinishReason;
      /** The stop string that ended it, if one did. */
      readonly stopSequence?: string;
      /** Where `promptLogprobs` was asked for: the end-of-generation token that ended it, if one did. It is no part of the text. */
      readonly end?: TokenLogprob;
      /** Tokens of the prompt that `started` did not know of: another server tells their number at the end. With the first choice that ends. */
      readonly promptTokens?: number;
      /** Tokens generated, the end-of-generation token not counted. */
      readonly completionTokens: number;
      /** Of these, tokens of thoughts. Absent: it is not known that the model thinks. */
      readonly reasoningTokens?: number;
      /** Prompt tokens that were not computed because they were in the KV cache. */
      readonly cachedTokens: number;
      readonly timings: Timings;
    };

/** A model as a request got it. */
export interface ResolvedModel {
  readonly info: ModelInfo;
  /** Which step of the hierarchy (models/resolve.ts) answered. The first two are what was asked for, the others a fallback. */
  readonly via: "exact" | "alias" | "family" | "default";
  /** The name that was asked for, if another model answers. */
  readonly fallbackFrom?: string;
  /** The LoRA adapter that was asked for with it. */
  readonly adapter?: ServedAdapter;
}

/** What answers, as a caller would write it. */
export function nameOf({ info, adapter }: ResolvedModel): string {
  return adapter && !adapter.implied ? `${info.id}+${adapter.name}` : info.id;
}

/** What a model is wanted for, where none of the name that was asked for is here. */
export type Wanted = "text" | "vectors" | "scores";

/** Anything that answers requests: the local pool today, a remote or clustered one tomorrow. */
export interface Generator {
  /**
   * `strict`: no other model answers for that name, whatever the settings say. `wants`: of those that may answer for it, which kind;
   * absent: one that generates.
   * @throws model_not_found when nothing may answer for that name.
   */
  resolve(name: string, options?: { readonly strict?: boolean; readonly wants?: Wanted }): Promise<ResolvedModel>;
  /**
   * Exactly one `started`, then `progress` if asked for, `text` and one `finished` for each choice. Failure is a thrown `ShimmyError`.
   * Aborting the signal ends the work in whatever phase it is; the iterator then throws `client_closed`.
   */
  generate(model: ResolvedModel, request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
}

/**
 * A piece of prompt text as the engine tokenizes it. `parseSpecial` false: text of a user that spells a control token;
 * it becomes ordinary tokens, so nobody can forge a turn of the conversation.
 */
export interface PromptSegment {
  readonly text: string;
  readonly parseSpecial: boolean;
}
