/** Which of the files that were passed over are broken models, and which are just no models. Called by `verify`, `validate` and `doctor`. */
import { readGgufHeader } from "./gguf/header.ts";
import type { Skipped } from "./stores/store.ts";

/** Projectors, adapters and further parts are whole files, just no models. */
async function isBrokenModel({ path, reason }: Skipped): Promise<boolean> {
  // Blobs of Ollama's have no ending, and not all of them are GGUF files.
  if (!/\.gguf$/i.test(path) && !reason.startsWith("truncated")) return false;
  return readGgufHeader(path, { checksVocabulary: false }).then(
    () => false,
    () => true,
  );
}

export async function brokenModels(skipped: readonly Skipped[]): Promise<Skipped[]> {
  const broken = await Promise.all(skipped.map(isBrokenModel));
  return skipped.filter((_, index) => broken[index]);
}
