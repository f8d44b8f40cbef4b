/** `shimmy list`: what can be served, in the order of preference. */
import type { LoadedConfig } from "../config/load.ts";
import type { ModelInfo } from "../contract/model.ts";
import { openHere } from "./open.ts";
import { printJson, printTable } from "./output.ts";

export async function list(loaded: LoadedConfig, flags: { short?: boolean; json?: boolean }): Promise<void> {
  const { catalogue } = await openHere(loaded);
  const models = await catalogue.list();
  if (flags.json) printJson(models);
  else if (flags.short) for (const { id } of models) process.stdout.write(`${id}\n`);
  else if (models.length === 0)
    process.stderr.write("No models found. Put GGUF files into ./models, or name their folder with --model-dirs.\n");
  else printTable([["MODEL", "PARAMETERS", "QUANT", "CONTEXT", "SIZE", "FROM"], ...models.map(row)]);
}

function row({ id, parameters, quantization, contextLength, sizeBytes, source }: ModelInfo): string[] {
  return [id, count(parameters), quantization, String(contextLength), `${Math.round(sizeBytes / 1e6)} MB`, source];
}

function count(parameters: number): string {
  if (parameters >= 1e9) return `${(parameters / 1e9).toFixed(1)}B`;
  return `${(parameters / 1e6).toFixed(parameters < 1e7 ? 1 : 0)}M`;
}
