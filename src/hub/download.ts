/**
 * One file into its partial: segments by range requests, a few at once, each begun where the last attempt ended. Called by pull.ts. It
 * must not know where the file belongs, nor check its content.
 *
 *   segments  ████████ ███░░░░░ ████░░░░ ░░░░░░░░ …     each worker takes the next that is not complete
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { ShimmyError } from "../contract/errors.ts";
import { contentUrl, failureOf, type Subject } from "./client.ts";
import type { Answer, HttpClient } from "./http.ts";
import { bytesDone, freshState, oidOf, type PartialPaths, type PartialState, readState, segmentLength, writeState } from "./partial.ts";
import { Passing, type RetryOptions, withRetries } from "./retry.ts";
import type { HubFile } from "./variants.ts";

export interface DownloadOptions {
  readonly http: HttpClient;
  readonly subject: Subject;
  readonly commit: string;
  readonly file: HubFile;
  readonly partial: PartialPaths;
  /** Requests at once. */
  readonly connections: number;
  readonly segmentBytes?: number;
  readonly retry: RetryOptions;
  /** Called for every piece. */
  readonly onBytes: (completed: number) => void;
}

/** The hub has another content under this name than it listed. */
export class FileChanged extends Error {}
/** The server answers with the whole file, whatever is asked for. */
class RangeIgnored extends Error {}

/** Few enough requests for the hub's limits, small enough to spread over connections. */
const SEGMENT_BYTES = 32 * 1024 ** 2;
const SAVE_EVERY_MS = 2000;
/** As the size of a segment: one that is always fetched from its start. */
const WITHOUT_RANGES = Number.MAX_SAFE_INTEGER;

/**
 * @returns whether bytes of an earlier attempt were used.
 * @throws FileChanged; client_closed, hub_unreachable, disk_full and what `failureOf` says.
 */
export async function download(options: DownloadOptions): Promise<boolean> {
  try {
    return await downloadSegments(options, options.segmentBytes ?? SEGMENT_BYTES);
  } catch (error) {
    if (!(error instanceof RangeIgnored)) throw error;
    // One segment that is never continued: it needs no ranges.
    return downloadSegments(options, WITHOUT_RANGES);
  }
}

async function downloadSegments(options: DownloadOptions, segmentBytes: number): Promise<boolean> {
  const { file, partial, subject, onBytes } = options;
  const known = await readState(partial.state);
  const usable = known?.oid === oidOf(file) && known.size === file.size && known.oid !== "";
  const sameKind = (known?.segmentBytes === WITHOUT_RANGES) === (segmentBytes === WITHOUT_RANGES);
  const state = usable && sameKind ? known : freshState(subject.repo, file, segmentBytes);
  const resumed = bytesDone(state) > 0;
  const handle = await open(partial.part, constants.O_CREAT | constants.O_RDWR | (resumed ? 0 : constants.O_TRUNC), 0o644);
  const saver = savingState(handle, partial, state);
  try {
    await writeState(partial.state, state);
    onBytes(bytesDone(state));
    await fetchAll(options, state, handle);
  } finally {
    await saver.stop();
    await handle.close();
  }
  return resumed;
}

/** The first worker that fails stops the others; its error is thrown. */
async function fetchAll(options: DownloadOptions, state: PartialState, handle: FileHandle): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.retry.signal, stop.signal]);
  const queue = state.done.keys();
  let failure: unknown;
  const work = async (): Promise<void> => {
    // The workers share one iterator: each segment goes to one of them.
    for (const index of queue) {
      if (signal.aborted) return;
      await fetchSegment({ ...options, retry: { ...options.retry, signal } }, state, index, handle);
    }
  };
  const workers = Array.from({ length: Math.min(options.connections, state.done.length) }, () =>
    work().catch((error) => {
      failure ??= error;
      stop.abort();
    }),
  );
  await Promise.all(workers);
  if (options.retry.signal.aborted) throw new ShimmyError("client_closed");
  if (failure !== undefined) throw failure;
}

async function fetchSegment(options: DownloadOptions, state: PartialState, index: number, handle: FileHandle): Promise<void> {
  const length = segmentLength(state, index);
  let before = state.done[index]!;
  const progressed = () => {
    const more = state.done[index]! > before;
    before = state.done[index]!;
    return more;
  };
  while (state.done[index]! < length) {
    await withRetries(() => fetchRest(options, state, index, handle), { ...options.retry, progressed });
  }
}

/** From where the segment ends to its end, in one request. */
async function fetchRest(options: DownloadOptions, state: PartialState, index: number, handle: FileHandle): Promise<void> {
  const { http, subject, commit, file, retry } = options;
  if (state.segmentBytes === WITHOUT_RANGES) state.done[index] = 0;
  const first = index * state.segmentBytes + state.done[index]!;
  const last = index * state.segmentBytes + segmentLength(state, index) - 1;
  const range = first === 0 && last === state.size - 1 ? {} : { range: `bytes=${first}-${last}` };
  const answer = await http.get(contentUrl(subject.endpoint, subject.repo, commit, file.path), range, retry.signal);
  try {
    checkAnswer(answer, options, { first, last, ranged: "range" in range });
    await writeBody(answer, options, state, index, handle, last + 1 - first);
  } finally {
    answer.body.destroy();
  }
}

function checkAnswer(answer: Answer, { subject, file }: DownloadOptions, asked: { first: number; last: number; ranged: boolean }): void {
  const { status, headers } = answer;
  const etag = headers["x-linked-etag"];
  if (typeof etag === "string" && file.sha256 !== undefined && etag.replace(/^W\/|"/g, "") !== file.sha256) throw new FileChanged();
  if (status === 416) throw new FileChanged();
  if (asked.ranged && status === 200) throw new RangeIgnored();
  if (status !== 200 && status !== 206) throw failureOf(answer, subject);
  const range = `bytes ${asked.first}-${asked.last}/${file.size}`;
  if (status === 206 && headers["content-range"] !== range) throw new FileChanged();
  const length = headers["content-length"];
  if (length !== undefined && Number(length) !== asked.last + 1 - asked.first) throw new FileChanged();
}

async function writeBody(
  { body }: Answer,
  { onBytes }: DownloadOptions,
  state: PartialState,
  index: number,
  handle: FileHandle,
  expected: number,
): Promise<void> {
  let left = expected;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (chunk.length > left) throw new FileChanged();
    await writeFully(handle, chunk, index * state.segmentBytes + state.done[index]!);
    left -= chunk.length;
    state.done[index] = state.done[index]! + chunk.length;
    onBytes(bytesDone(state));
  }
  if (left > 0) throw new Passing("the connection was cut");
}

/** A disk that is nearly full may take a part of a piece. */
async function writeFully(handle: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, offset, chunk.length - offset, position + offset);
    offset += bytesWritten;
  }
}

/** Every two seconds: the bytes to the disk first, then that they are there, so that a state never promises what a power cut took. */
function savingState(handle: FileHandle, { state: path }: PartialPaths, state: PartialState): { stop(): Promise<void> } {
  const save = async (): Promise<void> => {
    const snapshot = { ...state, done: [...state.done] };
    await handle.datasync();
    await writeState(path, snapshot);
  };
  // A save that fails costs only bytes that are fetched again; a full disk is told by the next write.
  let saving: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    saving = saving.then(save).catch(() => undefined);
  }, SAVE_EVERY_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await saving;
      await save().catch(() => undefined);
    },
  };
}
