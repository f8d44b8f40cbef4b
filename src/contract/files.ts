/** The words of stored files: what callers upload, what batches read and write. Plain data; `server/` gives it OpenAI's shape. */

/** Times are milliseconds since the epoch. */
export interface StoredFile {
  readonly id: string;
  readonly bytes: number;
  readonly createdAt: number;
  /** Absent: it stays until it is deleted. */
  readonly expiresAt?: number;
  /** As its sender named it, without folders. For people: no path is made of it. */
  readonly filename: string;
  /** What it is for, by OpenAI's words: "batch", "user_data", "batch_output" … */
  readonly purpose: string;
  /** Who may see it: the caller's opaque name. Absent: whoever asks without a key. */
  readonly owner?: string;
}

export interface FileDraft {
  readonly filename: string;
  readonly purpose: string;
  readonly owner?: string | undefined;
  /** Counted from now; absent: the server's own limit. */
  readonly expiresAfterMs?: number | undefined;
}

/** Bytes that have arrived and have no name yet: one of the two must be called. */
export interface ReceivedFile {
  /** @throws files_unusable, and then nothing is left */
  keep(draft: FileDraft): Promise<StoredFile>;
  discard(): Promise<void>;
}

/** A file of another owner does not exist. */
export interface Files {
  /** To the disk piece by piece. @throws file_too_large, files_full, files_unusable, and what `content` throws; then nothing is left. */
  receive(content: AsyncIterable<Uint8Array>, owner: string | undefined): Promise<ReceivedFile>;
  /** @throws file_not_found */
  get(id: string, owner: string | undefined): Promise<StoredFile>;
  /** Newest first. */
  list(owner: string | undefined): Promise<readonly StoredFile[]>;
  /** @throws file_not_found */
  open(id: string, owner: string | undefined): Promise<{ readonly file: StoredFile; readonly content: AsyncIterable<Uint8Array> }>;
  /** @throws file_not_found */
  remove(id: string, owner: string | undefined): Promise<void>;
}
