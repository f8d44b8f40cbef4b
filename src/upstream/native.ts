/**
 * llama-server's own stream of POST /infill → chunks as OpenAI's completions have them, for answer.ts to read. Called by answer.ts.
 * Source: server_task_result_cmpl_partial and _final of llama.cpp's tools/server/server-task.cpp; a Shimmy answers the same.
 */
import { isFields } from "./failure.ts";

type Fields = Readonly<Record<string, unknown>>;

const REASONS: Readonly<Record<string, string>> = { eos: "stop", word: "stop", limit: "length" };

export class NativeChunks {
  /** Of the choices that have ended: each tells its own. */
  #generated = 0;

  /** What is none of its chunks (an error, for one) stays as it is. */
  read(chunk: Fields): Fields {
    const { index = 0, content, stop, stop_type: type, stopping_word: word, timings, prompt_progress: progress } = chunk;
    if (typeof content !== "string") return chunk;
    const { completion_probabilities: probabilities, tokens_evaluated: read, tokens_predicted: made } = chunk;
    const ended = stop === true;
    if (ended && typeof made === "number") this.#generated += made;
    const choice = {
      index,
      text: content,
      finish_reason: ended ? (REASONS[String(type)] ?? "stop") : null,
      ...(type === "word" && { stop_reason: word }),
      ...(Array.isArray(probabilities) && { logprobs: { content: probabilities } }),
    };
    return {
      choices: [choice],
      usage: { prompt_tokens: read, ...(ended && { completion_tokens: this.#generated }) },
      ...(isFields(timings) && { timings }),
      ...(isFields(progress) && { prompt_progress: progress }),
    };
  }
}
