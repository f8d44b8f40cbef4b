/** The words of batches: many requests in a file, answered at low priority, their answers in files. Plain data. */
import type { Files } from "./files.ts";

/** What a batch may ask for: the paths of OpenAI's endpoints that this server answers. */
export const BATCH_ENDPOINTS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"] as const;
export type BatchEndpoint = (typeof BATCH_ENDPOINTS)[number];

export type BatchStatus = "validating" | "in_progress" | "finalizing" | "completed" | "failed" | "cancelling" | "cancelled" | "expired";

/** What is wrong with an input file. `line` counts from 1. */
export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly line?: number;
  readonly param?: string;
}

/** Tokens of all answers so far. */
export interface BatchUsage {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** Times are milliseconds since the epoch. */
export interface Batch {
  readonly id: string;
  readonly endpoint: BatchEndpoint;
  readonly inputFileId: string;
  readonly status: BatchStatus;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly errors?: readonly BatchError[];
  /** Absent: no line was answered well, or it is not over. */
  readonly outputFileId?: string;
  /** Absent: no line failed, or it is not over. */
  readonly errorFileId?: string;
  readonly counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly usage?: BatchUsage;
  /** As the first line names it. */
  readonly model?: string;
  readonly createdAt: number;
  /** What is not answered by then is not answered any more. */
  readonly expiresAt: number;
  readonly inProgressAt?: number;
  readonly finalizingAt?: number;
  readonly completedAt?: number;
  readonly failedAt?: number;
  readonly cancellingAt?: number;
  readonly cancelledAt?: number;
  readonly expiredAt?: number;
}

/** Who asks, as far as keys tell: the lines of a batch are asked in this name. */
export interface BatchOwner {
  readonly caller?: string | undefined;
  /** No other model than the named one answers. */
  readonly strict?: boolean | undefined;
}

export interface BatchWish {
  readonly inputFileId: string;
  readonly endpoint: BatchEndpoint;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Of the files that it writes, counted from their making; absent: the server's own limit. */
  readonly outputExpiresAfterMs?: number | undefined;
}

/** A batch of another owner does not exist. */
export interface Batches {
  /** It begins at once. @throws file_not_found, batches_full, shutting_down, files_unusable */
  create(wish: BatchWish, owner: BatchOwner): Promise<Batch>;
  /** @throws batch_not_found */
  get(id: string, caller: string | undefined): Promise<Batch>;
  /** Newest first. */
  list(caller: string | undefined): Promise<readonly Batch[]>;
  /** Lines in flight end at once. @throws batch_not_found, batch_over */
  cancel(id: string, caller: string | undefined): Promise<Batch>;
}

/** One request of a batch, for whoever answers requests. */
export interface Errand {
  /** Where it is sent, e.g. "/v1/embeddings". */
  readonly path: string;
  readonly body: unknown;
  readonly owner: BatchOwner;
  readonly signal: AbortSignal;
}

export interface ErrandAnswer {
  readonly status: number;
  readonly requestId: string;
  /** A JSON value. */
  readonly body: unknown;
  /** When a refused one may be asked again. */
  readonly retryAfterMs?: number;
}

/** Answers as the door would; never throws for what a request can be refused with. */
export type Dispatch = (errand: Errand) => Promise<ErrandAnswer>;

/** Files and batches of a server. Both are loaded with their first use. @throws files_off */
export interface Jobs {
  files(): Promise<Files>;
  batches(): Promise<Batches>;
  /** Goes on with batches that an earlier process left unfinished. Without any it costs a look at one folder. */
  resume(): Promise<void>;
  /** Ends the work at once; what is unfinished goes on with the next start. */
  close(): Promise<void>;
}
