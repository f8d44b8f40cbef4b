/** A request as its engine gets it: the prompt rendered with the model's template, caches kept apart where asked. Called by pool.ts. */
import type { AnswerPlan } from "../chat/answer/plan.ts";
import type { ChatTemplate } from "../chat/template.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { ChatMessage, GenerationRequest } from "../contract/generation.ts";
import type { EnginePrompt, EngineReady, GenerateMessage } from "../engine/ipc.ts";
import type { AuthorWords } from "../models/author-sampling.ts";
import type { Logger } from "../telemetry/log.ts";
import { type AnswerGrammar, RAW } from "./answer-grammar.ts";
import { withDefaults } from "./sampling-defaults.ts";

/** What it needs of a loaded model. */
interface Served {
  readonly template: Pick<ChatTemplate, "render">;
  readonly info: AuthorWords;
  readonly ready: Pick<EngineReady, "contextPerSequence">;
}

export interface Asked {
  readonly message: Omit<GenerateMessage, "type" | "id">;
  /** How the answer is read. Absent: it is text. */
  readonly answer?: AnswerPlan;
}

interface Rendered {
  readonly prompt: EnginePrompt;
  readonly answer?: AnswerPlan;
}

/** @throws template_error, context_length_exceeded, and what the grammar throws */
export async function engineMessage(
  model: Served,
  request: GenerationRequest,
  log: Logger,
  isolateCallers: boolean,
  grammar: AnswerGrammar,
): Promise<Asked> {
  const { choices, topLogprobs, promptLogprobs, progress, caller, priority, cachePrompt, maxDraft, ignoreEnd } = request;
  const salt = cachePrompt === false ? `alone ${request.id}` : isolateCallers ? caller : undefined;
  const { prompt, answer } = render(model, request, log);
  const constraint = await grammar(answer?.format ?? RAW);
  const message = {
    prompt,
    choices,
    ...withDefaults(model.info, request),
    ...(constraint && { constraint }),
    ...(answer?.thought && { thought: answer.thought }),
    ...(answer && answer.markers.length > 0 && { markers: answer.markers }),
    ...(topLogprobs !== undefined && { topLogprobs }),
    ...(promptLogprobs && { promptLogprobs }),
    ...(progress && { progress }),
    ...(maxDraft !== undefined && { maxDraft }),
    ...(ignoreEnd && { ignoreEnd }),
    ...(caller !== undefined && { tenant: caller }),
    ...(salt !== undefined && { salt }),
    ...(priority !== undefined && { priority }),
  };
  return { message, ...(answer && { answer }) };
}

function render({ template, info, ready }: Served, { id, prompt }: GenerationRequest, log: Logger): Rendered {
  switch (prompt.kind) {
    case "tokens":
      refuseTooLong(prompt.tokens, ready.contextPerSequence);
      return { prompt: { tokens: prompt.tokens } };
    case "text":
      // A raw prompt is the caller's own business: its control tokens are meant.
      return { prompt: { segments: [{ text: prompt.text, parseSpecial: true }] } };
    case "infill":
      return { prompt: { infill: prompt } };
    case "chat": {
      const { segments, warnings, answer } = template.render({ ...prompt, messages: withSystem(prompt.messages, info.defaults?.system) });
      for (const warning of warnings) log.debug("chat template", { id, warning });
      return { prompt: { segments }, answer };
    }
  }
}

/** The engine would say the same; sending it millions of numbers to hear it holds up all streams for a second. */
function refuseTooLong({ length }: readonly number[], context: number): void {
  if (length > context) throw new ShimmyError("context_length_exceeded", { n_prompt_tokens: length, n_ctx: context });
}

/** A store may give a model a system message (SYSTEM of an Ollama Modelfile): it holds where the conversation has none. */
export function withSystem(messages: readonly ChatMessage[], system: string | undefined): readonly ChatMessage[] {
  const given = messages.some(({ role }) => role === "system" || role === "developer");
  return system === undefined || given ? messages : [{ role: "system", content: system }, ...messages];
}
