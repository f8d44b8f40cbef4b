/**
 * `POST /api/models/discover`: looks for models again and tells what changed. The shape is that of the Rust original (`discovered`,
 * `models`) with what it never told. Places go by their label, files by their name: paths stay on this side.
 */
import { basename } from "node:path";
import * as z from "zod/mini";
import type { ModelInfo } from "../../contract/model.ts";
import type { Discovery } from "../../models/catalogue.ts";
import type { ApiRoute } from "./route.ts";

const discoverySchema = z.looseObject({
  discovered: z.number(),
  models: z.array(z.looseObject({ name: z.string(), size_bytes: z.number() })),
  places: z.array(z.looseObject({ place: z.string() })),
});

export const DISCOVER_ROUTES: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/api/models/discover",
    doc: { summary: "Look for models now", tag: "Models", answer: discoverySchema },
    handle: async ({ discover }) => Response.json(encode(await discover())),
  },
];

function encode({ models, adapters, places, equalNames, appeared, gone }: Discovery) {
  const adapterPaths = new Set(adapters.map(({ path }) => path));
  return {
    discovered: models.length,
    models: models.map(model),
    new: appeared,
    gone,
    adapters: adapters.map(({ name, source, sizeBytes, baseModel, bases }) => ({
      name,
      source,
      size_bytes: sizeBytes,
      base_model: baseModel ?? null,
      fits: bases,
    })),
    renamed: equalNames.map(({ id, wanted }) => ({ id, name: wanted })),
    places: places
      .filter(({ exists }) => exists)
      .map(({ label, models, adapters, skipped }) => ({
        place: label,
        models,
        adapters,
        skipped: skipped.filter(({ path }) => !adapterPaths.has(path)).map(({ path, reason }) => ({ file: basename(path), reason })),
      })),
  };
}

function model({ id, aliases = [], sizeBytes, architecture, parameters, quantization, source }: ModelInfo) {
  return { name: id, aliases, size_bytes: sizeBytes, model_type: architecture, parameter_count: parameters, quantization, source };
}
