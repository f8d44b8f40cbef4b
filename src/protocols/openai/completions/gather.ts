/** Events → whole answers, the prompt's own log probabilities included, and which of them are the likeliest. Called by encode.ts. */
import type { FinishReason, GenerationEvent, TokenLogprob } from "../../../contract/generation.ts";
import { choicesOf } from "../request.ts";
import { Tally } from "../tally.ts";
import type { CompletionCall } from "./decode.ts";

export interface Answer {
  text: string;
  readonly logprobs: TokenLogprob[];
  prompt?: readonly TokenLogprob[];
  /** The token that ended it. */
  end?: TokenLogprob;
  reason: FinishReason;
}

/** By prompt, the choices of each. @throws internal when the events ended too early, and whatever `events` throws */
export async function gather(call: CompletionCall, events: AsyncIterable<GenerationEvent>): Promise<{ prompts: Answer[][]; tally: Tally }> {
  const perPrompt = call.request.choices;
  const tally = new Tally(choicesOf(call), perPrompt);
  const answers = Array.from({ length: choicesOf(call) }, (): Answer => ({ text: "", logprobs: [], reason: "stop" }));
  for await (const event of events) {
    // Throws for a choice that is not there, hence the marks below.
    tally.add(event);
    if (event.type === "text") {
      answers[event.choice]!.text += event.text;
      for (const token of event.logprobs ?? []) answers[event.choice]!.logprobs.push(token);
    } else if (event.type === "prompt") {
      answers[event.choice]!.prompt = event.tokens;
    } else if (event.type === "finished") {
      answers[event.choice]!.reason = event.reason;
      if (event.end) answers[event.choice]!.end = event.end;
    }
  }
  tally.requireComplete();
  const prompts = Array.from({ length: answers.length / perPrompt }, (_, i) => answers.slice(i * perPrompt, (i + 1) * perPrompt));
  return { prompts, tally };
}

/** The `count` answers with the largest mean log probability a token, likeliest first, as OpenAI defines `best_of`. */
export function likeliest(answers: readonly Answer[], count: number): readonly Answer[] {
  if (answers.length === count) return answers;
  const ranked = answers.map((answer) => ({ answer, mean: meanLogprob(answer) }));
  // Of equal ones the earlier; Infinity − Infinity is no number to sort by.
  ranked.sort((a, b) => (a.mean === b.mean ? 0 : b.mean - a.mean));
  return ranked.slice(0, count).map(({ answer }) => answer);
}

/** An answer of no tokens said nothing unlikely. */
function meanLogprob({ logprobs }: Answer): number {
  return logprobs.length === 0 ? 0 : logprobs.reduce((sum, { logprob }) => sum + logprob, 0) / logprobs.length;
}
