/** A request as its engine gets it: the prompt rendered with the model's template, caches kept apart where asked. Called by pool.ts. */
import type { ChatTemplate } from "../chat/template.ts";
import type { EngineConstraint } from "../contract/answer.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { ChatMessage, GenerationRequest, PromptSegment } from "../contract/generation.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { GenerateMessage } from "../engine/ipc.ts";
import type { Logger } from "../telemetry/log.ts";
import { SAMPLING_DEFAULTS } from "./sampling-defaults.ts";

/** What it needs of a loaded model. */
interface Served {
  readonly template: Pick<ChatTemplate, "render">;
  readonly info: Pick<ModelInfo, "defaults">;
}

/** @throws template_error */
export function engineMessage(
  model: Served,
  request: GenerationRequest,
  log: Logger,
  isolateCallers: boolean,
  constraint: EngineConstraint | undefined,
): Omit<GenerateMessage, "type" | "id"> {
  const { choices, maxTokens, stop, sampling, topLogprobs, progress, caller, priority, cachePrompt, maxDraft } = request;
  const salt = cachePrompt === false ? `alone ${request.id}` : isolateCallers ? caller : undefined;
  return {
    prompt: request.prompt.kind === "tokens" ? { tokens: request.prompt.tokens } : { segments: segments(model, request, log) },
    choices,
    stop,
    sampling: { ...SAMPLING_DEFAULTS, ...sampling },
    ...(maxTokens !== undefined && { maxTokens }),
    ...(constraint && { constraint }),
    ...(topLogprobs !== undefined && { topLogprobs }),
    ...(progress && { progress }),
    ...(maxDraft !== undefined && { maxDraft }),
    ...(caller !== undefined && { tenant: caller }),
    ...(salt !== undefined && { salt }),
    ...(priority !== undefined && { priority }),
  };
}

function segments({ template, info }: Served, { id, prompt }: GenerationRequest, log: Logger): readonly PromptSegment[] {
  // A raw prompt is the caller's own business: its control tokens are meant.
  if (prompt.kind === "text") return [{ text: prompt.text, parseSpecial: true }];
  if (prompt.kind === "infill")
    throw new ShimmyError("invalid_value", { param: "suffix", reason: "fill-in-the-middle is not supported yet" });
  if (prompt.kind !== "chat") return [];
  const { segments, warnings } = template.render({ ...prompt, messages: withSystem(prompt.messages, info.defaults?.system) });
  for (const warning of warnings) log.debug("chat template", { id, warning });
  return segments;
}

/** A store may give a model a system message (SYSTEM of an Ollama Modelfile): it holds where the conversation has none. */
function withSystem(messages: readonly ChatMessage[], system: string | undefined): readonly ChatMessage[] {
  const given = messages.some(({ role }) => role === "system" || role === "developer");
  return system === undefined || given ? messages : [{ role: "system", content: system }, ...messages];
}
