/** Which model answers a request, and how the caller is told when it is another one. Called by generate.ts and answer.ts; the policy is models/resolve.ts. */
import { ShimmyError } from "../contract/errors.ts";
import { nameOf, type ResolvedModel, type Wanted } from "../contract/generation.ts";
import { shownName } from "../models/resolve.ts";
import type { Services } from "./services.ts";

/** Counts what was not answered by the model that was named. @throws model_not_found */
export async function chooseModel(
  { generator, metrics }: Pick<Services, "generator" | "metrics">,
  name: string,
  strict = false,
  wants: Wanted = "text",
): Promise<ResolvedModel> {
  try {
    const model = await generator.resolve(name, wants === "text" ? { strict } : { strict, wants });
    if (model.via === "family" || model.via === "default") metrics.modelFallback(model.via);
    return model;
  } catch (error) {
    if (error instanceof ShimmyError && error.code === "model_not_found") metrics.modelFallback("none");
    throw error;
  }
}

/**
 * Another model than the one asked for never answers unsaid: `asked -> id; step=family`. Header values are ASCII and short, so both names
 * are percent-encoded and a long one is cut.
 */
export function modelHeaders(model: ResolvedModel): Record<string, string> {
  const { via, fallbackFrom } = model;
  if (fallbackFrom === undefined) return {};
  return { "x-shimmy-model-fallback": `${encodeURIComponent(shownName(fallbackFrom))} -> ${encodeURI(nameOf(model))}; step=${via}` };
}
