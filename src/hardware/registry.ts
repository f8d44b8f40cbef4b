/**
 * Fetches a package of @node-llama-cpp from the registry that npm is set to, and compares it with its pinned checksum. Called by
 * install.ts. Directly, to show how far it is; by npm itself where a proxy or certificates are set that npm knows how to use.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ShimmyError } from "../contract/errors.ts";
import type { NpmSettings } from "./npm-settings.ts";
import { ENGINE_VERSION, type EnginePackage } from "./packages.ts";

export const SCOPE = "@node-llama-cpp";
/** Of npm's registry; one that mirrors it often leaves this host in what it tells of a package, and npm replaces it too. */
const NPM_HOST = "registry.npmjs.org";
/** Silence after which the connection counts as cut. */
const SILENCE_MS = 60_000;

export type OnBytes = (bytes: number) => void;

/** Writes the packed package to `path`. @throws engine_install_failed; nothing that failed the check stays usable. */
export async function fetchPackage(
  wanted: EnginePackage,
  path: string,
  settings: NpmSettings,
  onBytes: OnBytes,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (settings.needsNpm === undefined) await download(wanted, path, settings, onBytes, signal);
    else await packByNpm(wanted, path, signal);
  } catch (cause) {
    if (cause instanceof ShimmyError) throw cause;
    throw failed(wanted, signal.aborted ? "it was stopped" : reasonOf(cause), cause);
  }
  const integrity = `sha512-${await sha512(path)}`;
  if (integrity !== wanted.integrity) {
    throw failed(wanted, `what ${settings.registry.host} sent is not the package this version was made for (its checksum differs)`);
  }
}

async function download(
  wanted: EnginePackage,
  path: string,
  { registry, authorization }: NpmSettings,
  onBytes: OnBytes,
  signal: AbortSignal,
): Promise<void> {
  const silence = new AbortController();
  const guard = setTimeout(() => silence.abort(new Error(`nothing came for ${SILENCE_MS / 1000} s`)), SILENCE_MS);
  const get = async (url: URL) => {
    const headers = authorization !== undefined && url.origin === registry.origin ? { authorization } : {};
    const response = await fetch(url, { headers, signal: AbortSignal.any([signal, silence.signal]) });
    if (!response.ok || !response.body) throw failed(wanted, `${url.host} answered ${response.status}`);
    return { response, body: response.body };
  };
  const file = await open(path, "wx");
  try {
    const { response } = await get(new URL(`${SCOPE}%2f${wanted.name}/${ENGINE_VERSION}`, registry));
    const { body } = await get(tarballOf((await response.json()) as Described, registry, wanted));
    let bytes = 0;
    for await (const chunk of body) {
      guard.refresh();
      bytes += chunk.length;
      // A checksum would tell too, but only after a disk has been filled.
      if (bytes > wanted.bytes) throw failed(wanted, `it is longer than the ${wanted.bytes} bytes that it should have`);
      await file.writeFile(chunk);
      onBytes(bytes);
    }
  } finally {
    clearTimeout(guard);
    await file.close();
  }
}

interface Described {
  readonly dist?: { readonly tarball?: unknown };
}

function tarballOf({ dist }: Described, registry: URL, wanted: EnginePackage): URL {
  const written = typeof dist?.tarball === "string" && URL.canParse(dist.tarball) ? new URL(dist.tarball) : undefined;
  if (!written || !/^https?:$/.test(written.protocol)) throw failed(wanted, `${registry.host} does not tell where its file is`);
  if (written.host !== NPM_HOST || registry.host === NPM_HOST) return written;
  return new URL(registry.href.replace(/\/$/, "") + written.pathname);
}

async function packByNpm(wanted: EnginePackage, path: string, signal: AbortSignal): Promise<void> {
  const beside = dirname(process.execPath);
  const cli = [
    process.env.npm_execpath ?? "",
    join(beside, "../lib/node_modules/npm/bin/npm-cli.js"),
    join(beside, "node_modules/npm/bin/npm-cli.js"),
  ].find((each) => each.endsWith("npm-cli.js") && existsSync(each));
  if (cli === undefined) throw failed(wanted, "a proxy or certificates are set for npm, and npm itself was not found");
  const spec = `${SCOPE}/${wanted.name}@${ENGINE_VERSION}`;
  const args = [cli, "pack", spec, "--pack-destination", dirname(path), "--ignore-scripts", "--loglevel=error"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal });
  const written = stdout.trim().split("\n").at(-1) ?? "";
  if (!/^[\w.-]+\.tgz$/.test(written)) throw failed(wanted, "npm pack did not say what it wrote");
  await rename(join(dirname(path), written), path);
}

async function sha512(path: string): Promise<string> {
  const hash = createHash("sha512");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("base64");
}

/** fetch says "fetch failed" and hides why in a cause; npm says it on stderr. */
function reasonOf(thrown: unknown): string {
  const { message, cause, stderr } = thrown as Error & { stderr?: string };
  const told = stderr?.split("\n").find((line) => /error/i.test(line));
  return told ?? (cause instanceof Error ? cause.message : message);
}

function failed({ name }: EnginePackage, reason: string, cause?: unknown): ShimmyError {
  return new ShimmyError("engine_install_failed", { name: `${SCOPE}/${name}`, reason }, { cause });
}
