/**
 * Asks the hub what a repository holds, through @huggingface/hub with our own way to fetch. Called by pull.ts. Answers are checked here:
 * nothing behind this file trusts them. Routes and error headers: huggingface.co/docs/hub/api, huggingface_hub's `hf_raise_for_status`.
 */

import { listFiles, modelInfo } from "@huggingface/hub";
import { encodedPath } from "../contract/encoded-path.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { Answer, HttpClient } from "./http.ts";
import { type HubReference, parseReference } from "./reference.ts";
import { Passing, type RetryOptions, wishedPause, withRetries } from "./retry.ts";
import type { HubFile } from "./variants.ts";

export interface Listing {
  /** As the hub spells it now: it may have been renamed. */
  readonly repo: string;
  /** All files are of this one. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** What is asked about, for errors. */
export interface Subject {
  readonly endpoint: URL;
  readonly repo: string;
  readonly revision?: string;
  readonly hasToken: boolean;
}

const MAX_FILES = 20_000;
const MAX_ANSWER_BYTES = 32 * 1024 ** 2;

/** @throws hub_repo_missing, hub_revision_missing, hub_access_denied, hub_unreachable, hub_answer_invalid */
export async function lookUp(
  http: HttpClient,
  { repo, revision = "main" }: HubReference,
  options: Omit<RetryOptions, "progressed"> & Pick<Subject, "endpoint" | "hasToken">,
): Promise<Listing> {
  const { endpoint, hasToken } = options;
  const common = { hubUrl: endpoint.href.replace(/\/$/, ""), fetch: fetching(http, { endpoint, repo, revision, hasToken }, options) };
  try {
    const info = await modelInfo({ ...common, name: repo, revision, additionalFields: ["sha"] });
    const name = repoOf(info.name) ?? repo;
    const commit = /^[0-9a-f]{40,64}$/.test(info.sha ?? "") ? String(info.sha) : revision;
    const files: HubFile[] = [];
    for await (const entry of listFiles({ ...common, repo: name, revision: commit, recursive: true })) {
      if (files.length >= MAX_FILES) throw unusable(`more than ${MAX_FILES} files`);
      const file = entry.type === "file" ? fileOf(entry) : undefined;
      if (file) files.push(file);
    }
    return { repo: name, commit, files };
  } catch (error) {
    if (error instanceof ShimmyError) throw error;
    throw unusable(error instanceof Error ? error.message.slice(0, 200) : "it has another shape than expected", error);
  }
}

/** Where the content of a file is. */
export function contentUrl(endpoint: URL, repo: string, commit: string, path: string): string {
  const file = encodedPath(path);
  return `${endpoint.href.replace(/\/$/, "")}/${repo}/resolve/${encodeURIComponent(commit)}/${file}`;
}

/** What an answer other than 2xx means. */
export function failureOf({ status, headers, fromHub }: Omit<Answer, "body">, subject: Subject): ShimmyError | Passing {
  const { repo, endpoint, hasToken, revision = "main" } = subject;
  const code = fromHub ? String(headers["x-error-code"] ?? "") : "";
  const told = fromHub ? String(headers["x-error-message"] ?? "").slice(0, 200) : "";
  const page = `${endpoint.origin}/${repo}`;
  if (status === 429 || status === 408 || status >= 500) {
    return new Passing(`${fromHub ? "it" : "its content server"} answers ${status}`, wishedPause(headers));
  }
  if (code === "GatedRepo") return new ShimmyError("hub_access_denied", { repo, page, reason: "its licence must be accepted first" });
  if (code === "RevisionNotFound") return new ShimmyError("hub_revision_missing", { repo, revision });
  if (code === "EntryNotFound") return new ShimmyError("hub_answer_invalid", { reason: `a listed file of ${repo} is not there` });
  if (status === 401 && hasToken && code !== "RepoNotFound")
    return new ShimmyError("hub_access_denied", { repo, page, reason: "the token is not valid" });
  if (fromHub && (status === 404 || status === 401)) return new ShimmyError("hub_repo_missing", { repo, host: endpoint.host });
  // A signed address of the content server may have run out: the next attempt gets a new one from the hub.
  if (!fromHub && status === 403) return new Passing("its content server answers 403");
  if (status === 403) return new ShimmyError("hub_access_denied", { repo, page, reason: told || "access is refused" });
  return new ShimmyError("hub_unreachable", { reason: `it answers ${status}${told && `: ${told}`}` });
}

/** A `fetch` over our client, for the library: whole answers, retried, and failures as errors of the catalogue. */
function fetching(http: HttpClient, subject: Subject, retry: RetryOptions): typeof fetch {
  const get = async (url: string): Promise<Response> => {
    const answer = await http.get(url, { accept: "application/json" }, retry.signal);
    if (answer.status < 200 || answer.status > 299) {
      answer.body.destroy();
      throw failureOf(answer, subject);
    }
    const { link } = answer.headers;
    return new Response(await wholeText(answer), { headers: typeof link === "string" ? { link } : {} });
  };
  return (input) => withRetries(() => get(input instanceof Request ? input.url : String(input)), retry);
}

async function wholeText({ body }: Answer): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw unusable("it is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Undefined: not what a file looks like. Such an entry is passed over, since one odd file need not spoil a repository. */
function fileOf({ path, size, oid, lfs }: { path: unknown; size: unknown; oid?: unknown; lfs?: unknown }): HubFile | undefined {
  const large = lfs as { oid?: unknown; size?: unknown } | undefined;
  const bytes = large?.size ?? size;
  if (typeof path !== "string" || !Number.isSafeInteger(bytes) || (bytes as number) < 0) return undefined;
  const sha256 = typeof large?.oid === "string" && /^[0-9a-f]{64}$/.test(large.oid) ? large.oid : undefined;
  const gitOid = typeof oid === "string" && /^[0-9a-f]{40}$/.test(oid) ? oid : undefined;
  return { path, size: bytes as number, ...(sha256 !== undefined && { sha256 }), ...(!large && gitOid !== undefined && { gitOid }) };
}

function repoOf(name: unknown): string | undefined {
  return typeof name === "string" ? parseReference(name).repo : undefined;
}

function unusable(reason: string, cause?: unknown): ShimmyError {
  return new ShimmyError("hub_answer_invalid", { reason }, { cause });
}
