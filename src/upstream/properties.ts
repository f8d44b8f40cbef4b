/**
 * GET /props of an upstream (llama-server: get_res_props of tools/server; a Shimmy tells the same) → how the model is served there. Called
 * by doors.ts; pure. What names paths of its disk (`model_path`) is not read, and what it does not tell is as a server that says nothing
 * of it has it: off.
 */
import type { SamplingParams } from "../contract/generation.ts";
import type { ModelProperties } from "../contract/inspection.ts";
import type { ModelStatus } from "../contract/model.ts";
import { SAMPLING_NAMES } from "../contract/sampling-names.ts";
import { isFields, UpstreamFailure } from "./failure.ts";
import type { RemoteQuestion } from "./questions.ts";

type Fields = Readonly<Record<string, unknown>>;

const WHAT = "its properties";
/** A template is 10 KB, one of many tools 100. */
const LONGEST = 4 * 1024 * 1024;
/** LLAMA_DEFAULT_SEED: a new one for each answer. */
const RANDOM_SEED = 2 ** 32 - 1;

const OFF: SamplingParams = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  repeatPenalty: 1,
  repeatLastN: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: [],
  mirostat: 0,
  mirostatTau: 5,
  mirostatEta: 0.1,
};

export function properties(status: ModelStatus): RemoteQuestion<ModelProperties> {
  return {
    what: WHAT,
    longest: LONGEST,
    call: (dialect, refuse) => {
      if (dialect !== "shimmy" && dialect !== "llama-server") throw refuse(WHAT);
      return { path: "/props", fields: {}, isRead: true };
    },
    read: (told) => propertiesOf(status, told),
  };
}

function propertiesOf(status: ModelStatus, told: Fields): ModelProperties {
  const { default_generation_settings: settings, total_slots: slots, chat_template: template, is_sleeping: sleeps } = told;
  if (!isFields(settings) || !isFields(settings.params) || !isCount(slots))
    throw new UpstreamFailure("unwell", "its properties cannot be read");
  const { params, n_ctx: context } = settings;
  const { stop, n_predict: most } = params;
  const served = { ...status, ...(isCount(context) && { servedContext: context }), ...(sleeps === true && { state: "unloaded" as const }) };
  return {
    status: served,
    slots,
    sampling: samplingOf(params),
    stop: Array.isArray(stop) ? stop.filter((each) => typeof each === "string") : [],
    ...(isCount(most) && { maxTokens: most }),
    ...(typeof template === "string" && { chatTemplate: template }),
    ...(typeof told.bos_token === "string" && { bosText: told.bos_token }),
    ...(typeof told.eos_token === "string" && { eosText: told.eos_token }),
  };
}

function samplingOf(params: Fields): SamplingParams {
  const told = Object.entries(SAMPLING_NAMES).flatMap(([key, name]) => {
    const value = params[name];
    const isSaid = typeof value === "number" && Number.isFinite(value) && !(key === "seed" && value === RANDOM_SEED);
    return isSaid ? [[key, value] as const] : [];
  });
  const { mirostat, ...rest } = Object.fromEntries(told);
  return { ...OFF, ...rest, ...((mirostat === 1 || mirostat === 2) && { mirostat }) };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
