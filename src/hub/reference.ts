/**
 * What a person writes for a model on the hub. Called by pull and rm. Pure: it never asks the hub.
 *
 *   owner/repo   owner/repo:Q4_K_M   owner/repo@revision:Q4_K_M   owner/repo/folder/file.gguf@revision   hf.co/owner/repo:Q4_K_M
 *   https://huggingface.co/owner/repo[/resolve|blob|raw/REVISION/file.gguf | /tree/REVISION/FOLDER]
 */
import { ShimmyError } from "../contract/errors.ts";

export interface HubReference {
  /** "owner/repo" */
  readonly repo: string;
  /** Branch, tag or commit. Absent: main. */
  readonly revision?: string;
  /** A quantisation, as the names of files spell it, or a folder. */
  readonly quant?: string;
  /** Path of one file in the repository, with slashes. */
  readonly file?: string;
}

const MAX_LENGTH = 1000;
const HUB_HOSTS = ["huggingface.co", "www.huggingface.co", "hf.co"];
/** As the hub allows them. */
const REPO_PART = /^(?!.*\.\.)[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?$/;
/** What git-check-ref-format(1) allows, without what has a meaning in URLs. */
const REVISION = /^(?!.*(?:\.\.|\/\/|@\{))[\w][\w./+-]{0,199}$/;
const QUANT = /^[\w.+-]{1,64}$/;

/**
 * @param hosts further names of the hub: that of the endpoint that is set.
 * @throws invalid_value of `model`, with what is allowed.
 */
export function parseReference(text: string, hosts: readonly string[] = []): HubReference {
  const written = text.trim().replace(/^hf:\/\//i, "");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (written.length > MAX_LENGTH || /[\u0000-\u0020\u007f\\]/.test(written)) throw refused(text);
  const known = [...HUB_HOSTS, ...hosts];
  const reference = /^https?:\/\//i.test(written) ? fromUrl(written, known) : fromWords(withoutHost(written, known));
  if (!reference || !isSound(reference)) throw refused(text);
  return reference;
}

/** One spelling for the same thing, to know that two pulls are one. */
export function canonical({ repo, revision = "main", quant = "", file = "" }: HubReference): string {
  return [repo.toLowerCase(), revision, quant.toLowerCase(), file].join("\n");
}

function withoutHost(written: string, hosts: readonly string[]): string {
  const [host = ""] = written.split("/");
  return hosts.includes(host.toLowerCase()) ? written.slice(host.length + 1) : written;
}

function fromWords(written: string): HubReference | undefined {
  const [path = "", after] = splitAt(written, "@");
  const [owner = "", name = "", ...rest] = path.split("/");
  if (rest.length > 0) {
    return { repo: `${owner}/${name}`, file: rest.join("/"), ...(after !== undefined && { revision: after }) };
  }
  const [repoName = "", quantBefore] = splitAt(name, ":");
  const repo = `${owner}/${repoName}`;
  if (after === undefined) return { repo, ...(quantBefore !== undefined && { quant: quantBefore }) };
  // The hub's own way of writing a file: owner/repo@revision/file.gguf. A branch's slash would be ambiguous, but for refs/….
  const inside = /^(refs\/[^/]+\/[^/]+|[^/]+)\/(.+\.gguf)$/i.exec(after);
  if (inside) return { repo, revision: inside[1]!, file: inside[2]! };
  const [revision = "", quantAfter] = splitAt(after, ":");
  const quant = quantBefore ?? quantAfter;
  return { repo, revision, ...(quant !== undefined && { quant }) };
}

function fromUrl(written: string, hosts: readonly string[]): HubReference | undefined {
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (!url || !hosts.includes(url.host.toLowerCase())) return undefined;
  const segments = url.pathname.split("/").filter(Boolean).map(decoded);
  if (segments.includes(undefined)) return undefined;
  const [owner = "", name = "", kind, revision, ...rest] = segments as string[];
  const repo = `${owner}/${name}`;
  const shown = url.searchParams.get("show_file_info");
  if (kind === undefined) return { repo, ...(shown && { file: shown }) };
  if (revision === undefined || !["resolve", "blob", "raw", "tree"].includes(kind)) return undefined;
  if (kind !== "tree") return { repo, revision, file: rest.join("/") };
  return { repo, revision, ...(rest.length > 0 && { quant: rest.at(-1)! }), ...(shown && { file: shown }) };
}

function isSound({ repo, revision, quant, file }: HubReference): boolean {
  const parts = repo.split("/");
  return (
    parts.length === 2 &&
    parts.every((part) => REPO_PART.test(part)) &&
    (revision === undefined || REVISION.test(revision)) &&
    (quant === undefined || QUANT.test(quant)) &&
    (file === undefined || (/\.gguf$/i.test(file) && file.split("/").every((part) => part !== "" && !/^\.{1,2}$/.test(part))))
  );
}

function splitAt(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function refused(text: string): ShimmyError {
  const reason = `${JSON.stringify(text.slice(0, 100))} names no model on the hub; write owner/repo, owner/repo:Q4_K_M, owner/repo/file.gguf or a URL of the hub, with @revision if need be`;
  return new ShimmyError("invalid_value", { param: "model", reason });
}
