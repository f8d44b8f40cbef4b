/**
 * What every OpenAI answer opens with, and the folding of events into whole texts. Called by the encoders of chat/ and completions/.
 */
import { type FinishReason, type GenerationEvent, nameOf, type ResolvedModel, type TokenLogprob } from "../../contract/generation.ts";
import type { OpenAICall } from "./request.ts";
import { Tally } from "./tally.ts";

/** `model` is the one that answers, also when another was asked for. */
export function headOf<Kind extends string>(call: OpenAICall, model: ResolvedModel, object: Kind) {
  return { id: call.id, object, created: call.created, model: nameOf(model), system_fingerprint: fingerprintOf(model) };
}

export interface WholeChoice {
  text: string;
  readonly logprobs: TokenLogprob[];
  reason: FinishReason;
}

/** @throws internal when the events ended too early, and whatever `events` throws. */
export async function collect(choices: number, events: AsyncIterable<GenerationEvent>): Promise<{ choices: WholeChoice[]; tally: Tally }> {
  const tally = new Tally(choices);
  const whole = Array.from({ length: choices }, (): WholeChoice => ({ text: "", logprobs: [], reason: "stop" }));
  for await (const event of events) {
    // Throws for a choice that is not there, hence the marks below.
    tally.add(event);
    if (event.type === "text") {
      whole[event.choice]!.text += event.text;
      for (const token of event.logprobs ?? []) whole[event.choice]!.logprobs.push(token);
    } else if (event.type === "finished") {
      whole[event.choice]!.reason = event.reason;
    }
  }
  tally.requireComplete();
  return { choices: whole, tally };
}

/** Changes when the file that answers does (FNV-1a over its name, size and time), which is all OpenAI promises of it. */
function fingerprintOf({ info }: ResolvedModel): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(`${info.id}:${info.sizeBytes}:${info.modifiedMs}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return `fp_${(hash >>> 0).toString(16).padStart(8, "0")}`;
}
