/** `shimmy list`: what can be served, in the order of preference. */
import type { LoadedConfig } from "../config/load.ts";
import { size } from "../contract/byte-size.ts";
import type { ModelInfo } from "../contract/model.ts";
import { splitAdapter } from "../models/adapters.ts";
import { isPattern } from "../models/alias-table.ts";
import { findByName, withAliases } from "../models/resolve.ts";
import { openHere } from "./open.ts";
import { printable, printJson, printTable } from "./output.ts";
import { statesOfServer } from "./server-states.ts";

export async function list(loaded: LoadedConfig, flags: { short?: boolean; json?: boolean }): Promise<void> {
  const { catalogue, aliases, adapters } = await openHere(loaded);
  const table = await aliases.current();
  const models = withAliases(await catalogue.list(), table);
  if (flags.short) {
    for (const { id } of models) process.stdout.write(`${printable(id)}\n`);
    return;
  }
  const states = await statesOfServer(loaded);
  const listed = await Promise.all(models.map(async (info) => ({ ...info, adapters: await adapters.namesFor(info) })));
  if (flags.json) printJson(listed.map((info) => ({ ...info, state: stateOf(info, states) ?? null })));
  else if (models.length === 0)
    process.stderr.write("No models found. Put GGUF files into ./models, or name their folder with --model-dirs.\n");
  else printTable(rows(listed, states));
  for (const { name, target } of table) {
    const meant =
      isPattern(name) ||
      ["default", "auto"].includes(target.toLowerCase()) ||
      [target, splitAdapter(target)?.base ?? target].some((each) => findByName(each, models));
    if (!meant && !flags.json)
      process.stderr.write(printable(`note: the alias ${name} stands for ${target}, which is not here`).concat("\n"));
  }
}

interface Listed extends ModelInfo {
  readonly adapters: readonly string[];
}

function rows(models: readonly Listed[], states: ReadonlyMap<string, string> | undefined): string[][] {
  const named = models.some(({ aliases }) => aliases?.length);
  const adapted = models.some(({ adapters }) => adapters.length > 0);
  const others = [...(named ? ["ALIASES"] : []), ...(adapted ? ["ADAPTERS"] : [])];
  const head = ["MODEL", "SIZE", "QUANT", "PARAMETERS", "CONTEXT", "STATE", "SOURCE", ...others];
  const row = (info: Listed) => [
    info.id,
    size(info.sizeBytes),
    info.quantization,
    count(info.parameters),
    String(info.contextLength),
    stateOf(info, states) ?? "-",
    info.source,
    ...(named ? [(info.aliases ?? []).join(", ")] : []),
    ...(adapted ? [info.adapters.map((name) => `+${name}`).join(", ")] : []),
  ];
  return [head, ...models.map(row)];
}

/** Only a server knows what is loaded; undefined while none runs. */
function stateOf({ id }: ModelInfo, states: ReadonlyMap<string, string> | undefined): string | undefined {
  return states && (states.get(id) ?? "unknown");
}

export function count(parameters: number): string {
  if (parameters >= 1e9) return `${(parameters / 1e9).toFixed(1)}B`;
  return `${(parameters / 1e6).toFixed(parameters < 1e7 ? 1 : 0)}M`;
}
