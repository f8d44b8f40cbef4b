/** `shimmy discover`: every place that was looked at, what was found there, and why a file was skipped. */
import type { LoadedConfig } from "../config/load.ts";
import { size } from "../contract/byte-size.ts";
import type { AdapterInfo } from "../contract/model.ts";
import { counted } from "../deploy/figures.ts";
import type { Discovery, PlaceReport } from "../models/catalogue.ts";
import { writableByAll } from "../models/integrity/permissions.ts";
import { openHere } from "./open.ts";
import { printJson, warnOfWriters } from "./output.ts";

export async function discover(loaded: LoadedConfig, { json }: { json?: boolean }): Promise<void> {
  const { catalogue } = await openHere(loaded);
  const found = await catalogue.discover();
  if (json) {
    // Nobody listed before: what appeared and what is gone means nothing here.
    const { appeared, gone, ...rest } = found;
    printJson(rest);
    return;
  }
  process.stdout.write(`${lines(found).join("\n")}\n`);
  warnOfWriters(await Promise.all(found.models.map(({ path }) => writableByAll(path))));
}

function lines({ models, adapters, places, equalNames }: Discovery): string[] {
  const sizes = new Map(models.map(({ id, sizeBytes }) => [id, size(sizeBytes)]));
  const aliases = new Map(models.map(({ id, aliases = [] }) => [id, aliases]));
  const adapter = new Map(adapters.map((each) => [each.name, each]));
  const adapterPaths = new Set(adapters.map(({ path }) => path));
  return [
    ...places.flatMap((place) => [
      head(place),
      ...place.models.map((id) => {
        const also = aliases.get(id) ?? [];
        return `  ${id} [${sizes.get(id)}]${also.length > 0 ? ` also ${also.join(", ")}` : ""}`;
      }),
      ...place.adapters.map((name) => `  ${describeAdapter(adapter.get(name)!)}`),
      ...place.skipped
        .filter(({ path }) => !adapterPaths.has(path))
        .map(({ path, reason }) => `  skipped ${relativeTo(place.path, path)}: ${reason}`),
    ]),
    "",
    ...equalNames.map(({ id, wanted, path }) => `${path} is listed as ${id}: another model is called ${wanted}`),
    `${counted(models.length, "model")}${adapters.length > 0 ? `, ${counted(adapters.length, "LoRA adapter")}` : ""}`,
  ];
}

function head({ label, path, exists, models }: PlaceReport): string {
  return `${label}: ${path} ${exists ? `(${counted(models.length, "model")})` : "(not there)"}`;
}

function describeAdapter({ name, sizeBytes, bases, baseModel }: AdapterInfo): string {
  const base = bases.length > 0 ? `for ${bases.join(", ")}` : `its base${baseModel === undefined ? "" : ` ${baseModel}`} is not here`;
  return `${name} [LoRA adapter, ${size(sizeBytes)}] ${base}`;
}

function relativeTo(folder: string, path: string): string {
  return path.startsWith(folder) && path.length > folder.length ? path.slice(folder.length + 1) : path;
}
