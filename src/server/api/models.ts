/**
 * GET /api/models and /api/models/{name}: what can be served, with all that is known of it. The first four fields are the Rust
 * original's. Never a path of the file system. Also used for GET /v1/models/{id}, which answers to the same names.
 */
import * as z from "zod/mini";
import type { ModelInfo, ModelStatus } from "../../contract/model.ts";
import { spelled } from "../../contract/sampling-names.ts";
import { authorDefaults } from "../../models/author-sampling.ts";
import type { Services } from "../services.ts";
import type { ApiRoute } from "./route.ts";

/**
 * The model that a name in a path means: an id, another spelling of it, an alias; never a fallback. `adapter`: the one it was named with.
 * @throws model_not_found, adapter_not_found, adapter_unusable
 */
export async function statusOf(
  { generator, models }: Pick<Services, "generator" | "models">,
  name: string,
): Promise<{ status: ModelStatus; adapter: string | undefined }> {
  const { info, adapter } = await generator.resolve(name, { strict: true });
  const status = (await models()).find((candidate) => candidate.info.id === info.id);
  // It vanished between the two questions: what was known of it then.
  return { status: status ?? { info, state: "unloaded", servedContext: info.contextLength }, adapter: adapter?.name };
}

const modelSchema = z.looseObject({
  name: z.string(),
  size_bytes: z.number(),
  model_type: z.string(),
  parameter_count: z.number(),
  state: z.enum(["unloaded", "loading", "loaded", "failed"]),
  capabilities: z.array(z.string()),
  context_length: z.number(),
});

/** To be listed last: `{name}` takes slashes, so it would also take the paths of others below /api/models/. */
export const MODEL_ROUTES: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/api/models",
    doc: { summary: "All models, with what is known of them", tag: "Models", answer: z.object({ models: z.array(modelSchema) }) },
    handle: async ({ models }) => Response.json({ models: (await models()).map(encodeStatus) }),
  },
  {
    method: "GET",
    path: "/api/models/:name{.+}",
    doc: { summary: "One model, with its chat template", tag: "Models", answer: modelSchema },
    handle: async (services, { params }) => {
      const { status } = await statusOf(services, params.name ?? "");
      return Response.json({ ...encodeStatus(status), template: status.info.chatTemplate ?? null, sampling: encodeDefaults(status.info) });
    },
  },
];

function encodeStatus({ info, state, servedContext, adapters }: ModelStatus): Record<string, unknown> {
  return {
    name: info.id,
    size_bytes: info.sizeBytes,
    model_type: info.architecture,
    parameter_count: info.parameters,
    source: sourceWord(info),
    aliases: info.aliases ?? [],
    adapters: adapters ?? [],
    state,
    capabilities: info.capabilities ?? [],
    family: info.family,
    quantization: info.quantization,
    context_length: servedContext,
    trained_context_length: info.contextLength,
    template_format: info.chatTemplate === undefined ? null : (info.templateFormat ?? "other"),
    license: info.license ?? null,
    digest: info.digest ?? null,
    modified_at: new Date(info.modifiedMs).toISOString(),
  };
}

/** What holds where a request says nothing, by the names of its fields; what the model's authors do not say is not in it. */
function encodeDefaults(info: ModelInfo): Record<string, unknown> {
  const { sampling, stop, maxTokens } = authorDefaults(info);
  return { ...spelled(sampling), ...(stop && { stop }), ...(maxTokens !== undefined && { max_tokens: maxTokens }) };
}

/** A configured folder is a path of the user's disk: only that it was found in one is told. */
function sourceWord({ source }: ModelInfo): string {
  return /[\\/]/.test(source) ? "folder" : source;
}
