/** The parts that a command works with. Shared by all commands that look at models; it must not know what they do with them. */
import { type Assembly, assemble } from "../assemble.ts";
import type { LoadedConfig } from "../config/load.ts";

/**
 * For commands that answer here and end: their stderr is for people, so only errors are logged unless a level was asked for.
 * @throws model_file_missing, model_file_invalid: a file that was named and cannot be used is never passed over in silence.
 */
export async function openHere(loaded: LoadedConfig): Promise<Assembly> {
  return checked(assemble(loaded, loaded.sources.logLevel.from === "default" ? { logLevel: "error" } : {}));
}

/** For those of them that load models: what of the settings cannot hold here is told, where the log would be silent. @throws as `openHere` does. */
export async function openToLoad(loaded: LoadedConfig): Promise<Assembly> {
  const { threads } = loaded.config;
  if (threads > 1 && loaded.sources.logLevel.from === "default") {
    const { cutThreads } = await import("../pool/plan.ts");
    const used = cutThreads(threads);
    if (used !== undefined)
      process.stderr.write(`warning: --threads ${threads} is more than this machine can run at once: the engine gets ${used}\n`);
  }
  return openHere(loaded);
}

/** With the configured log: for the server. @throws as `openHere` does. */
export async function openServer(loaded: LoadedConfig): Promise<Assembly> {
  return checked(assemble(loaded, { watches: true }));
}

async function checked(assembly: Assembly): Promise<Assembly> {
  for (const error of [...(await assembly.catalogue.check()), ...(await assembly.adapters.check())]) throw error;
  return assembly;
}
