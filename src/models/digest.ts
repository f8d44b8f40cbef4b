/**
 * The SHA-256 of a file where its store names the file after it, so that nothing needs to be hashed to tell it. Called by the catalogue
 * with real paths, links followed. It is what the store claims; whether the content agrees is for whoever verifies.
 */

/**
 * Ollama: `blobs/sha256-<hex>`. Hugging Face cache: `blobs/<hex>` of 64 digits is the oid of an LFS file; 40 digits are git's own hash,
 * which is no digest of the content.
 * @returns `digest` as "sha256:<hex>", or nothing.
 */
export function digestInName(realPath: string): { readonly digest?: string } {
  const match = /[\\/]blobs[\\/](?:sha256-)?([0-9a-f]{64})$/.exec(realPath);
  return match ? { digest: `sha256:${match[1]}` } : {};
}
