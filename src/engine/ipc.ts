/**
 * What the gateway and an engine process say to each other, over the IPC channel of `fork` with v8 serialization.
 *  - The engine's first message is `hello`: of which build it is. That rule and its shape never change, for a gateway whose package was
 *    replaced may start the engine of any other version; it then hears nothing else of it.
 *  - `devices` may be asked before `load`: it is answered by `devices`, or by `failed` as a load is.
 *  - The gateway sends `load` once, first. The engine answers some `loading`, then `ready` or `failed`; after `failed` it exits.
 *  - `generate` is answered by a `started` or an `error` event, then progress if asked for, text, one `finished` for each choice.
 *    After `started` an `error` means that its turn did not come in time. `error` and the last `finished` are final for that id;
 *    an aborted id gets no more of them, only a message without events, which tells how many are left.
 *  - All events of one step travel in one message, so a step costs one write however many sequences it served.
 *  - `ask` is a question beside generation (vectors, scores, tokens, slots), answered by one `answer`; an aborted one by none.
 *  - `end`: the engine writes to files what should outlive it, and exits. Nothing is sent to it afterwards.
 *  - Ids are the gateway's and are never used again. When the channel closes the engine ends itself.
 */
import type { EngineConstraint, ThoughtMarks } from "../contract/answer.ts";
import type { EmbeddingInput, Pooling, TokenizeOptions } from "../contract/embedding.ts";
import type { ErrorCode, ErrorDetails } from "../contract/errors.ts";
import type { GenerationEvent, InfillPrompt, PromptSegment, SamplingParams } from "../contract/generation.ts";
import type { Device, DeviceMemory, Placement } from "../contract/hardware.ts";
import type { SlotStatus } from "../contract/inspection.ts";
import type { KvType, ServedAdapter, Serving } from "../contract/model.ts";
import type { StepCounts } from "./step-meter.ts";

/** Set by scripts/build.mjs. */
declare const SHIMMY_BUILD: string | undefined;

/** Which build this code is of; absent: it runs from its sources. */
export const BUILD = typeof SHIMMY_BUILD === "undefined" ? undefined : SHIMMY_BUILD;

export interface EngineOptions {
  readonly model: string;
  readonly path: string;
  /** Sequences that run at once. */
  readonly slots: number;
  /** Most tokens of one sequence. */
  readonly contextPerSequence: number;
  /** KV cells in all, and whether the sequences share them. */
  readonly cells: number;
  readonly unified: boolean;
  readonly kvType: KvType;
  readonly flashAttention: Serving["flashAttention"];
  readonly threads: number;
  readonly batchTokens: number;
  /** Tokens whose KV cells may be put aside in memory. */
  readonly storeTokens: number;
  /** How long a step should take while somebody reads, in milliseconds. */
  readonly stepMs: number;
  /** How long a request may wait for its turn, in milliseconds; 0 is without limit. */
  readonly queueMs: number;
  /** Whether guessed tokens may be computed beside the next one where that pays. */
  readonly speculation: boolean;
  /** False: the model makes vectors only, so there is no loop, and slots and cells count for nothing. */
  readonly generates: boolean;
  readonly embedding: EmbeddingOptions;
  /** Absent: the engine has no GPU. */
  readonly placement?: Placement;
  /** Where KV cells outlive the process, and how many bytes all files there may take. */
  readonly files?: { readonly folder: string; readonly bytes: number };
}

/** How vectors are made. */
export interface EmbeddingOptions {
  /** The architecture is one of encoders: they read a text at once. */
  readonly encoder: boolean;
  /** Most tokens of one text. */
  readonly contextTokens: number;
  /** What its context may take. Texts that would need more are refused. */
  readonly bytes: number;
  readonly kvBytesPerToken: number;
}

export interface GenerateMessage {
  readonly type: "generate";
  readonly id: number;
  readonly prompt: EnginePrompt;
  readonly choices: number;
  readonly maxTokens?: number;
  readonly stop: readonly string[];
  readonly sampling: SamplingParams;
  readonly constraint?: EngineConstraint;
  /** Absent: the model is not known to think. */
  readonly thought?: ThoughtMarks;
  /** Texts of control tokens that are part of the answer's text; all others are left out of it. */
  readonly markers?: readonly string[];
  readonly topLogprobs?: number;
  readonly promptLogprobs?: boolean;
  /** Whether tokens that end an answer are banned. */
  readonly ignoreEnd?: boolean;
  /** Most tokens drafted in a step; absent: no limit of the request's own. */
  readonly maxDraft?: number;
  /** Whether to send `progress` events. */
  readonly progress?: boolean;
  /** Absent: the model as it is. The gateway has checked that it fits. */
  readonly adapter?: ServedAdapter;
  /** For fairness in the queue, and to keep caches apart: see scheduler/sequence.ts. */
  readonly tenant?: string;
  readonly salt?: string;
  readonly priority?: number;
}

export type EnginePrompt =
  | { readonly segments: readonly PromptSegment[] }
  | { readonly tokens: readonly number[] }
  | { readonly infill: Omit<InfillPrompt, "kind"> };

export interface EmbedQuestion {
  readonly kind: "embed";
  readonly inputs: readonly EmbeddingInput[];
  readonly pooling?: Pooling;
}

/** Only for models with a head that ranks. */
export interface ScoreQuestion {
  readonly kind: "score";
  readonly pairs: ReadonlyArray<{ readonly query: string; readonly document: string }>;
}

/** Absent: what is too long is an error. */
export interface Cut {
  /** What is longer is cut at its end to what the model reads. */
  readonly truncate?: boolean;
  /** What is longer is cut to so many tokens. */
  readonly truncateTo?: number;
}

export type Question =
  | ((EmbedQuestion | ScoreQuestion) & Cut & { readonly priority?: number })
  | { readonly kind: "tokenize"; readonly text: string; readonly options: TokenizeOptions }
  | { readonly kind: "detokenize"; readonly tokens: readonly number[] };

/** What the slots of its loop do. */
export interface SlotsQuestion {
  readonly kind: "slots";
}

export type Answer =
  /** Of all inputs one after the other, `width` values each; a score is a vector of one. `tokens`: how many were read of each input. */
  | { readonly kind: "vectors"; readonly width: number; readonly values: Float32Array; readonly tokens: readonly number[] }
  /** `lengths` of the tokens' bytes, which are in `bytes` one after the other. */
  | { readonly kind: "tokens"; readonly ids: Int32Array; readonly lengths: Int32Array; readonly bytes: Uint8Array }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "slots"; readonly slots: readonly SlotStatus[] };

export interface AskMessage {
  readonly type: "ask";
  readonly id: number;
  readonly question: Question | SlotsQuestion;
}

export type AnswerMessage = { readonly type: "answer"; readonly id: number } & (
  | { readonly answer: Answer }
  | { readonly error: { readonly code: ErrorCode; readonly details: ErrorDetails } }
);

export type ToEngine =
  | { readonly type: "devices" }
  | { readonly type: "load"; readonly options: EngineOptions }
  | GenerateMessage
  | AskMessage
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "end" };

/** What the gateway must know of a loaded model to render prompts for it. */
export interface EngineReady {
  /** Of a model that makes vectors only: of one text. */
  readonly contextPerSequence: number;
  /** What became of "auto", as far as it is decided here. */
  readonly flashAttention: Serving["flashAttention"];
  readonly state: EngineState;
  readonly vocabSize: number;
  readonly bosText: string;
  readonly eosText: string;
  readonly controlTexts: readonly string[];
  readonly loadMs: number;
}

/** What an engine holds and how it works at the moment, for the metrics. */
export interface EngineState {
  /** KV cells with something in them, of running and of ended sequences; shared ones count for each. */
  readonly cellsUsed: number;
  /** What was put aside in memory. */
  readonly storedTokens: number;
  readonly storedBytes: number;
  /** Threads of the next step. */
  readonly threads: number;
  /** Most tokens of the latest step; 0 before the first. */
  readonly stepTokens: number;
  /** Tokens that were guessed and computed since the start, and those of them that came true. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  /** Of the devices that the model lies on, as it is now. Absent: of none. */
  readonly devices?: readonly DeviceMemory[];
  /** Absent: it does not generate. */
  readonly steps?: StepCounts;
}

export type EngineEvent =
  | { readonly id: number; readonly event: GenerationEvent }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly details: ErrorDetails } };

/** What a step gave, or how the queue has changed. */
export interface EngineOutput {
  readonly events: readonly EngineEvent[];
  readonly waiting: number;
  readonly running: number;
  /** When it has changed: at most once a second, and at the end of the work. */
  readonly state?: EngineState;
}

/** How far a load is: the weights, 0 to 1, then the context. */
export interface EngineLoading {
  readonly phase: "weights" | "context";
  readonly fraction: number;
}

/** What the engine can compute on; without a GPU, why there is none. */
export interface EngineDevices {
  readonly devices: readonly Device[];
  readonly missing?: string;
}

export type FromEngine =
  | { readonly type: "hello"; readonly build: typeof BUILD }
  | ({ readonly type: "devices" } & EngineDevices)
  | ({ readonly type: "loading" } & EngineLoading)
  | ({ readonly type: "ready" } & EngineReady)
  | { readonly type: "failed"; readonly code: ErrorCode; readonly details: ErrorDetails }
  | ({ readonly type: "events" } & EngineOutput)
  | AnswerMessage
  /** What is held for vectors, when it has changed; 0: nothing any more. */
  | { readonly type: "embedding"; readonly bytes: number };
