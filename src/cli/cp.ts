/** `shimmy cp`: another name for a model. Nothing is copied: the name is written into Shimmy's own file of aliases. */
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { ModelInfo } from "../contract/model.ts";
import { type AliasTable, isPattern } from "../models/alias-table.ts";
import { saveAlias } from "../models/aliases.ts";
import { findByName, resolveModel } from "../models/resolve.ts";
import { openHere } from "./open.ts";
import { printable, printJson } from "./output.ts";

/** @throws model_not_found, invalid_alias */
export async function cp(loaded: LoadedConfig, name: string, alias: string, { json }: { json?: boolean }): Promise<void> {
  const { catalogue, aliases } = await openHere(loaded);
  const models = await catalogue.list();
  const table = await aliases.current();
  const { defaultModel } = loaded.config;
  const options = { strict: true, aliases: table, ...(defaultModel !== undefined && { default: defaultModel }) };
  // The id itself is written, so an alias never leads to another alias.
  const { id } = resolveModel(name, models, options).info;
  refuseTaken(alias, models, table);
  const before = await saveAlias(alias, id);
  if (json) printJson({ alias, model: id, before: before ?? null });
  else
    process.stdout.write(printable(`${alias} -> ${id}${before !== undefined && before !== id ? ` (before: ${before})` : ""}`).concat("\n"));
}

/** An alias that would never be asked, for something else has the name first, is a mistake. */
function refuseTaken(alias: string, models: readonly ModelInfo[], table: AliasTable): void {
  const model = isPattern(alias) ? undefined : findByName(alias, models)?.id;
  const configured = table.some(({ name, from }) => from === "configured" && name.toLowerCase() === alias.toLowerCase());
  if (model !== undefined) throw new ShimmyError("invalid_alias", { alias, reason: `the model ${model} answers to that name` });
  if (configured) throw new ShimmyError("invalid_alias", { alias, reason: "a setting gives that alias already, and settings win" });
}
