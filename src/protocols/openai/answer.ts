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
  reasoning: string;
  readonly calls: WholeCall[];
  /** Of the text only: thoughts and calls have none on the wire. */
  readonly logprobs: TokenLogprob[];
  reason: FinishReason;
}

export interface WholeCall {
  id: string;
  name: string;
  /** JSON text; cut short where the reason is "length". */
  arguments: string;
}

/** @throws internal when the events ended too early, and whatever `events` throws. */
export async function collect(choices: number, events: AsyncIterable<GenerationEvent>): Promise<{ choices: WholeChoice[]; tally: Tally }> {
  const tally = new Tally(choices);
  const whole = Array.from({ length: choices }, (): WholeChoice => ({ text: "", reasoning: "", calls: [], logprobs: [], reason: "stop" }));
  for await (const event of events) {
    // Throws for a choice that is not there.
    tally.add(event);
    if ("choice" in event) fold(whole[event.choice]!, event);
  }
  tally.requireComplete();
  return { choices: whole, tally };
}

function fold(choice: WholeChoice, event: GenerationEvent): void {
  switch (event.type) {
    case "text":
      choice.text += event.text;
      for (const token of event.logprobs ?? []) choice.logprobs.push(token);
      break;
    case "reasoning":
      choice.reasoning += event.text;
      break;
    case "toolCall": {
      choice.calls[event.call] ??= { id: "", name: "", arguments: "" };
      const call = choice.calls[event.call]!;
      call.id += event.id ?? "";
      call.name += event.name ?? "";
      call.arguments += event.arguments;
      break;
    }
    case "finished":
      choice.reason = event.reason;
      break;
  }
}

/** Changes when the file that answers does (FNV-1a over its name, size and time), which is all OpenAI promises of it. */
function fingerprintOf({ info }: ResolvedModel): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(`${info.id}:${info.sizeBytes}:${info.modifiedMs}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return `fp_${(hash >>> 0).toString(16).padStart(8, "0")}`;
}
