/** `shimmy probe`: whether a model loads on this machine, and how. */
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { AliasTable } from "../models/alias-table.ts";
import type { Catalogue } from "../models/catalogue.ts";
import { idOfFile, idsMeantBy } from "../models/names.ts";
import { resolveModel } from "../models/resolve.ts";
import { openToLoad } from "./open.ts";
import { printJson } from "./output.ts";

export async function probe(loaded: LoadedConfig, name: string, { json }: { json?: boolean }): Promise<void> {
  const { pool, catalogue, aliases } = await openToLoad(loaded);
  try {
    const info = await find(name, catalogue, await aliases.current());
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

/** @throws model_file_invalid, with the reason, when a file of that name is there but no model; model_not_found. */
async function find(name: string, catalogue: Catalogue, aliases: AliasTable): Promise<ModelInfo> {
  const models = await catalogue.list();
  try {
    // Strict whatever the settings say: a probe of another model would be no answer.
    return resolveModel(name, models, { strict: true, aliases }).info;
  } catch (error) {
    const meant = new Set(idsMeantBy(name));
    const refused = catalogue.skipped().find(({ path }) => meant.has(idOfFile(path)));
    throw refused ? new ShimmyError("model_file_invalid", { ...refused }) : error;
  }
}
