/** How much memory an instance needs for some models, from their files alone. Called by `init`, which measures nothing; `plan` does. */
import type { LoadedConfig } from "../config/load.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { TemplateDefaults } from "../deploy/init/options.ts";
import { residentCost } from "../models/memory.ts";
import { findByName } from "../models/resolve.ts";
import { memoryPlan, UNUSED_IS_FREE } from "../pool/plan.ts";
import { openHere } from "./open.ts";

const MEBIBYTE = 1024 ** 2;
/** Resident memory of a gateway that serves (docs/decisions.md). */
const GATEWAY_BYTES = 96 * MEBIBYTE;
/** For what is put aside, buffers of long prompts and many clients. */
const MARGIN = 1.25;
/** Taken for a model that is not here. */
const UNKNOWN_BYTES = 2048 * MEBIBYTE;
/** What a limit is a multiple of. */
const STEP_BYTES = 64 * MEBIBYTE;

/** @param names as typed, lists separated by commas too; none: the model that comes with Shimmy. */
export async function estimatedMemory(
  loaded: LoadedConfig,
  names: readonly string[],
): Promise<Pick<TemplateDefaults, "memoryBytes" | "memoryReason">> {
  const words = names.flatMap((list) => list.split(",")).filter((name) => name !== "");
  const { catalogue, aliases } = await openHere(loaded);
  const models = await catalogue.list();
  const table = await aliases.current();
  const found = (words.length === 0 ? ["shimmy-tiny"] : words).map((name) => ({ name, info: findByName(name, models, table) }));
  const bytes = found.reduce((sum, { info }) => sum + (info ? costOf(info, loaded) : UNKNOWN_BYTES), GATEWAY_BYTES);
  const unknown = found.filter(({ info }) => !info).map(({ name }) => name);
  const missing =
    unknown.length > 0 ? `; not here to be looked at, so ${UNKNOWN_BYTES / MEBIBYTE} MiB were assumed: ${unknown.join(", ")}` : "";
  return {
    memoryBytes: Math.ceil((bytes * MARGIN) / STEP_BYTES) * STEP_BYTES,
    memoryReason: `Estimated from the files of the models, with a quarter to spare${missing}; \`shimmy plan\` measures it.`,
  };
}

function costOf(info: ModelInfo, { config }: LoadedConfig): number {
  return residentCost(memoryPlan(info, config), { cells: 0, storedBytes: 0 }, UNUSED_IS_FREE);
}
