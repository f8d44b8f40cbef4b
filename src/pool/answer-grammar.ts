/**
 * Which grammar a request needs, made before its model is loaded where that is possible: an error of a schema comes at once. Called by
 * pool.ts. The format of the calls is that of the model's template; if that cannot be run, it is found again with what replaces it.
 */
import type { GrammarJob } from "../chat/answer/grammar.ts";
import type { EngineConstraint } from "../contract/answer.ts";
import type { GenerationRequest } from "../contract/generation.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { Logger } from "../telemetry/log.ts";

/** The grammar for an answer in this format, by its name; undefined: the answer is free. */
export type AnswerGrammar = (format: string) => Promise<EngineConstraint | undefined>;

/** @throws invalid_value for what no grammar can promise; client_closed */
export async function answerGrammar(
  request: GenerationRequest,
  { chatTemplate }: ModelInfo,
  signal: AbortSignal,
  log: Logger,
): Promise<AnswerGrammar> {
  const { prompt, constraint, id } = request;
  const { tools = [], toolChoice, parallelToolCalls = true } = prompt.kind === "chat" ? prompt : {};
  if (tools.length === 0 && !constraint) return async () => undefined;
  const [{ compileGrammar }, { formatOf }] = await Promise.all([import("./compile-grammar.ts"), import("../chat/answer/formats/index.ts")]);
  const compile = async (format: string): Promise<EngineConstraint> => {
    const job: GrammarJob = {
      format,
      tools,
      parallel: parallelToolCalls,
      ...(toolChoice && { toolChoice }),
      ...(constraint && { constraint }),
    };
    const compiled = await compileGrammar(job, signal);
    for (const warning of compiled.warnings) log.warn("tool is not enforced", { id, warning });
    return compiled.constraint;
  };
  const expected = prompt.kind === "chat" ? formatOf(chatTemplate ?? "").name : RAW;
  const grammar = await compile(expected);
  return async (format) => (format === expected ? grammar : compile(format));
}

/** The format of an answer to a prompt that is no chat: text alone. */
export const RAW = "generic";
