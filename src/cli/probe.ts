/** `shimmy probe`: whether a model loads on this machine, and how. */
import { assemble } from "../assemble.ts";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { resolveModel } from "../models/resolve.ts";
import { printJson } from "./output.ts";

export async function probe(loaded: LoadedConfig, name: string, { json }: { json?: boolean }): Promise<void> {
  const { pool, catalogue } = assemble(loaded, { logLevel: "error" });
  try {
    // Strict whatever the settings say: a probe of another model would be no answer.
    const { info } = resolveModel(name, await catalogue.list(), { strict: true });
    const { ready } = await pool.load(info);
    const { contextPerSequence, loadMs } = ready;
    if (json) printJson({ ok: true, model: info.id, contextLength: contextPerSequence, loadMs });
    else process.stdout.write(`ok: loaded ${info.id} (context ${contextPerSequence} tokens, ${Math.round(loadMs)} ms)\n`);
  } catch (thrown) {
    const error = ShimmyError.from(thrown);
    if (json) printJson({ ok: false, model: name, code: error.code, message: error.message });
    throw error;
  } finally {
    await pool.stop();
  }
}
