/**
 * One pull, from what a person wrote to files in the pull folder. Called by puller.ts.
 *
 *   look up → choose → lock → is there room? → download each file → checksum each → move all, the first last → record
 *
 * Until the moving everything lies in `.partial`, so no list ever shows half a model; whatever ends a pull early leaves what was fetched.
 */
import { type FileHandle, mkdir, open, rename, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { size } from "../contract/byte-size.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { PullEvent } from "../contract/pull.ts";
import { DigestCache } from "../models/integrity/digest-cache.ts";
import { identityOf } from "../models/integrity/identity.ts";
import { acquire } from "../models/process-lock.ts";
import { matches } from "./checksum.ts";
import { chooseVariant } from "./choose.ts";
import { type Listing, lookUp, type Subject } from "./client.ts";
import { download, FileChanged } from "./download.ts";
import type { HttpClient } from "./http.ts";
import { localFolder, localName } from "./names.ts";
import { bytesDone, discard, lockPath, oidOf, PARTIAL_FOLDER, partialPaths, readState } from "./partial.ts";
import { type PullRecord, readRecord, recordPath, writeRecord } from "./records.ts";
import type { HubReference } from "./reference.ts";
import type { RetryOptions } from "./retry.ts";
import { type HubFile, type Variant, variantsOf } from "./variants.ts";

export interface PullOptions {
  readonly http: HttpClient;
  readonly endpoint: URL;
  readonly hasToken: boolean;
  /** The pull folder; made when it is needed. */
  readonly root: string;
  readonly connections: number;
  readonly segmentBytes?: number;
  readonly availableMemory: () => number;
  /** Bytes that can still be written below a folder. Absent: what the system says. */
  readonly freeDisk?: (folder: string) => Promise<number>;
  readonly signal: AbortSignal;
  readonly onEvent: (event: PullEvent) => void;
  /** The first pause before another attempt. */
  readonly retryPauseMs?: number;
}

/** A file with all its places. */
interface Target {
  readonly file: HubFile;
  readonly final: string;
  readonly digest: string;
}

const ATTEMPTS = { lookUp: 4, download: 7 };
const RETRY_PAUSE_MS = 1000;
/** Progress is told as often as this at most. */
const TELL_EVERY_MS = 200;
/** Left free on the disk for everybody else. */
const SPARE_BYTES = 64 * 1024 ** 2;

/** @returns the path of the model's first file. @throws ShimmyError */
export async function pullModel(reference: HubReference, options: PullOptions): Promise<string> {
  const { onEvent } = options;
  onEvent({ status: `looking up ${reference.repo}` });
  for (let attempt = 1; ; attempt++) {
    const listing = await lookUp(options.http, reference, { ...retrying(options, ATTEMPTS.lookUp), ...options });
    const { variant, reason } = chooseVariant(reference, variantsOf(listing.files), options.availableMemory());
    onEvent({ status: reason });
    try {
      return await fetchVariant(reference, listing, variant, options);
    } catch (error) {
      if (!(error instanceof FileChanged)) throw error;
      if (attempt > 1) throw new ShimmyError("hub_answer_invalid", { reason: `the files of ${listing.repo} are not what it lists` });
      onEvent({ status: `${listing.repo} has changed: looking again` });
    }
  }
}

async function fetchVariant(reference: HubReference, listing: Listing, variant: Variant, options: PullOptions): Promise<string> {
  const { root, signal, onEvent } = options;
  const { repo } = listing;
  const [first] = variant.files;
  const folder = localFolder(root, repo, first.path);
  const targets: Target[] = variant.files.map((file) => ({
    file,
    final: join(folder, localName(file.path)),
    digest: file.sha256 === undefined ? `sha1:${file.gitOid ?? ""}` : `sha256:${file.sha256}`,
  }));
  const record = recordPath(folder, localName(first.path));
  await mkdir(join(root, PARTIAL_FOLDER), { recursive: true });
  const lock = await acquire(lockPath(root, repo, first.path), {
    signal,
    onWait: (pid) => tellOthersProgress(root, repo, targets, pid, onEvent),
  });
  try {
    const known = await readRecord(record);
    const missing: Target[] = [];
    for (const target of targets) if (!(await isThere(target, known, signal))) missing.push(target);
    await checkRoom(missing, repo, options);
    for (const target of missing) await fetchFile(target, listing, options);
    await mkdir(folder, { recursive: true });
    for (const { file, final } of [...missing].reverse()) await moveIn(partialPaths(root, repo, file.path), final);
    if (missing.length > 0) await syncFolder(folder);
    for (const { file, final } of missing) await remember(final, file);
    if (missing.length > 0 || !known) await writeRecord(record, recordOf(reference, listing, variant, options));
    return targets[0]!.final;
  } finally {
    await lock.release();
  }
}

/** The content was just compared with the digest: nobody need read it again before it is loaded. */
async function remember(path: string, { sha256 }: HubFile): Promise<void> {
  if (sha256 !== undefined) await new DigestCache().set(path, await identityOf(path), sha256);
}

function recordOf({ revision = "main" }: HubReference, { repo, commit }: Listing, variant: Variant, { endpoint }: PullOptions): PullRecord {
  const [first, ...others] = variant.files;
  const pulled = ({ path, size, sha256, gitOid }: HubFile) => ({
    name: localName(path),
    path,
    size,
    ...(sha256 !== undefined && { sha256 }),
    ...(gitOid !== undefined && { gitOid }),
  });
  const pulledAt = new Date().toISOString();
  const files = [pulled(first), ...others.map(pulled)] as const;
  return { version: 1, endpoint: endpoint.href, repo, revision, commit, quantization: variant.label, pulledAt, files: [...files] };
}

/** Already pulled, by record and size; or put there by somebody, with the right content. */
async function isThere({ file, final }: Target, known: PullRecord | undefined, signal: AbortSignal): Promise<boolean> {
  const size = await stat(final).then(
    (found) => (found.isFile() ? found.size : -1),
    () => -1,
  );
  if (size !== file.size) return false;
  const recorded = known?.files.find(({ path }) => path === file.path);
  if (recorded && oidOf(recorded as HubFile) === oidOf(file)) return true;
  return matches(final, file, signal, () => undefined);
}

/** @throws disk_full */
async function checkRoom(missing: readonly Target[], repo: string, { root, freeDisk = freeBytes }: PullOptions): Promise<void> {
  let needed = 0;
  for (const { file } of missing) {
    const state = await readState(partialPaths(root, repo, file.path).state);
    needed += file.size - (state?.oid === oidOf(file) ? bytesDone(state) : 0);
  }
  const free = await freeDisk(root);
  if (needed > 0 && needed + SPARE_BYTES > free)
    throw new ShimmyError("disk_full", { needed: size(needed + SPARE_BYTES), free: size(free) });
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Content that is wrong although it was fetched in one go is an error; what was put together from two attempts gets one more. */
async function fetchFile(target: Target, listing: Listing, options: PullOptions): Promise<void> {
  const { file, digest } = target;
  const { root, signal, http, endpoint, hasToken, onEvent } = options;
  const partial = partialPaths(root, listing.repo, file.path);
  const subject: Subject = { endpoint, hasToken, repo: listing.repo, revision: listing.commit };
  const name = localName(file.path);
  const retry = retrying(options, ATTEMPTS.download);
  for (;;) {
    const downloading = progress(onEvent, `downloading ${name}`, digest, file.size);
    const resumed = await download({ ...options, http, subject, commit: listing.commit, file, partial, retry, onBytes: downloading }).catch(
      async (error) => {
        if (error instanceof FileChanged) await discard(partial);
        throw error;
      },
    );
    const verifying = progress(onEvent, `verifying ${digest.split(":")[0]} digest`, digest, file.size);
    if (await matches(partial.part, file, signal, verifying)) return;
    await discard(partial);
    if (!resumed) throw new ShimmyError("checksum_mismatch", { file: name });
    onEvent({ status: `${name} does not match its checksum: starting again` });
  }
}

async function moveIn(partial: ReturnType<typeof partialPaths>, final: string): Promise<void> {
  const handle: FileHandle = await open(partial.part, "r+");
  await handle.sync();
  await handle.close();
  await rename(partial.part, final);
  await discard(partial);
}

/** So that the new names outlive a power cut. Windows opens no folders and needs none of this. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

async function tellOthersProgress(
  root: string,
  repo: string,
  targets: readonly Target[],
  pid: number,
  onEvent: (event: PullEvent) => void,
): Promise<void> {
  for (const { file, digest } of targets) {
    const state = await readState(partialPaths(root, repo, file.path).state);
    if (!state || bytesDone(state) === state.size) continue;
    const status = `process ${pid} is downloading ${localName(file.path)}`;
    onEvent({ status, digest, total: state.size, completed: bytesDone(state) });
    return;
  }
  onEvent({ status: `waiting for process ${pid}` });
}

/** Events a few times a second, and always the first and the last. */
function progress(onEvent: (event: PullEvent) => void, status: string, digest: string, total: number): (completed: number) => void {
  let told = Number.NEGATIVE_INFINITY;
  return (completed) => {
    const now = performance.now();
    if (now - told < TELL_EVERY_MS && completed < total) return;
    told = now;
    onEvent({ status, digest, total, completed });
  };
}

function retrying({ signal, onEvent, retryPauseMs = RETRY_PAUSE_MS }: PullOptions, attempts: number): RetryOptions {
  const onPause = (reason: string, ms: number) => onEvent({ status: `${reason}; trying again in ${Math.ceil(ms / 1000)} s` });
  return { signal, attempts, pauseMs: retryPauseMs, onPause };
}
