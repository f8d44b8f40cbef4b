/**
 * What can be seen of models beside their answers, for `Pool`: prompts as text, how each is served, what its slots do. Loaded with the first
 * such question. Only a prompt loads a model.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { ChatPrompt, ResolvedModel } from "../contract/generation.ts";
import type { ModelProperties, SlotStatus } from "../contract/inspection.ts";
import type { ModelStatus } from "../contract/model.ts";
import type { Logger } from "../telemetry/log.ts";
import { abortable } from "./abortable.ts";
import { withSystem } from "./engine-message.ts";
import { type Loaded, readTemplate } from "./open-engine.ts";
import { memoryPlan } from "./plan.ts";
import type { ResidentSettings, Residents } from "./residents.ts";
import { withDefaults } from "./sampling-defaults.ts";

export interface InspectionParts {
  readonly residents: Residents;
  readonly settings: ResidentSettings;
  readonly log: Logger;
}

export async function renderPrompt(
  { residents, log }: InspectionParts,
  { info }: ResolvedModel,
  prompt: ChatPrompt,
  signal: AbortSignal,
): Promise<string> {
  if (!info.generative) throw new ShimmyError("model_not_generative", { model: info.id, what: `an encoder (${info.architecture})` });
  const { resident, release } = await residents.join(info, signal);
  try {
    const { template, info: loaded } = await abortable(resident.opening, signal);
    const { segments, warnings } = template.render({ ...prompt, messages: withSystem(prompt.messages, loaded.defaults?.system) });
    for (const warning of warnings) log.debug("chat template", { warning });
    return segments.map(({ text }) => text).join("");
  } finally {
    release();
  }
}

export async function properties({ residents, settings }: InspectionParts, status: ModelStatus): Promise<ModelProperties> {
  const { info } = status;
  const loaded = residents.get(info.id)?.loaded;
  const file = settings.chatTemplateFile;
  const source = file === undefined ? info.chatTemplate : await readTemplate(file, info.id);
  const chatTemplate = !info.generative ? undefined : (loaded?.template.source ?? source);
  return {
    status,
    slots: loaded?.serving.slots ?? memoryPlan(info, settings).slots,
    ...withDefaults(info, { sampling: {}, stop: [] }),
    ...(chatTemplate !== undefined && { chatTemplate }),
    ...(loaded && { bosText: loaded.ready.bosText, eosText: loaded.ready.eosText }),
  };
}

export async function slots({ residents }: InspectionParts, id: string | undefined, signal: AbortSignal) {
  const all = [...residents.values()].filter(({ info }) => id === undefined || info.id === id);
  const loaded = all.flatMap((resident) => resident.loaded ?? []);
  const asked = await Promise.all(loaded.map(async (each) => ({ model: each.info.id, slots: await slotsOf(each, signal) })));
  return asked.flatMap(({ model, slots }) => (slots ? [{ model, slots }] : []));
}

/** Undefined: it has ended. */
async function slotsOf({ info, process, ready, serving }: Loaded, signal: AbortSignal): Promise<readonly SlotStatus[] | undefined> {
  // Vectors are made in waves; nobody has a slot of his own.
  if (!info.generative) return Array.from({ length: serving.slots }, (_, id) => ({ id, contextTokens: ready.contextPerSequence }));
  try {
    const answer = await process.ask({ kind: "slots" }, signal);
    if (answer.kind !== "slots") throw new Error(`${answer.kind} for slots`);
    return answer.slots;
  } catch (error) {
    if (error instanceof ShimmyError && error.code === "engine_gone") return undefined;
    throw error;
  }
}
