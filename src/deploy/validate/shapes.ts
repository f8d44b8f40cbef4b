/**
 * Whether an answer has the shape that OpenAI's clients read (github.com/openai/openai-openapi). Each function says what is wrong, or
 * undefined. Pure; called by api.ts.
 */

export function listProblem(json: unknown): string | undefined {
  const list = record(json);
  if (list?.object !== "list" || !Array.isArray(list.data)) return 'no {object: "list", data: […]}';
  const odd = list.data.find((each) => typeof record(each)?.id !== "string" || record(each)?.object !== "model");
  return odd === undefined ? undefined : "an entry without id or object";
}

export function chatProblem(json: unknown): string | undefined {
  const answer = record(json);
  if (answer?.object !== "chat.completion") return 'object is not "chat.completion"';
  const choice = record(listed(answer.choices)[0]);
  const message = record(choice?.message);
  if (message?.role !== "assistant") return "choices[0].message has no role assistant";
  if (!isText(message.content) && !isText(message.reasoning_content)) return "choices[0].message has no content";
  if (!isText(choice?.finish_reason)) return "choices[0].finish_reason is missing";
  return usageProblem(answer);
}

export function completionProblem(json: unknown): string | undefined {
  const answer = record(json);
  if (answer?.object !== "text_completion") return 'object is not "text_completion"';
  const choice = record(listed(answer.choices)[0]);
  if (typeof choice?.text !== "string") return "choices[0].text is missing";
  return usageProblem(answer);
}

export function embeddingProblem(json: unknown): string | undefined {
  const vector = record(listed(record(json)?.data)[0])?.embedding;
  return Array.isArray(vector) && vector.length > 0 && vector.every((n) => typeof n === "number" && Number.isFinite(n))
    ? undefined
    : "data[0].embedding is no vector";
}

export function errorProblem(json: unknown): string | undefined {
  const error = record(record(json)?.error);
  return isText(error?.message) && isText(error?.type) ? undefined : "no {error: {message, type}}";
}

export interface StreamSeen {
  /** Content and thoughts, joined. */
  readonly text: string;
  readonly chunks: number;
  readonly problem?: string;
}

/** A whole stream of server-sent events, comments left out. */
export function readChatStream(body: string): StreamSeen {
  const data = body
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trim());
  const chunks = data.filter((each) => each !== "[DONE]").map(parsed);
  const deltas = chunks.map((chunk) => record(record(listed(record(chunk)?.choices)[0])?.delta));
  const text = deltas.map((delta) => `${textOf(delta?.reasoning_content)}${textOf(delta?.content)}`).join("");
  const problem =
    data.at(-1) !== "[DONE]"
      ? "it does not end with [DONE]"
      : chunks.some((chunk) => record(chunk)?.object !== "chat.completion.chunk")
        ? 'a frame is no "chat.completion.chunk"'
        : text === ""
          ? "no text came"
          : undefined;
  return { text, chunks: chunks.length, ...(problem !== undefined && { problem }) };
}

/** What an answer that is an error says. */
export function messageOf(json: unknown): string | undefined {
  const message = record(record(json)?.error)?.message;
  return typeof message === "string" ? message : undefined;
}

function usageProblem(answer: Readonly<Record<string, unknown>>): string | undefined {
  const tokens = record(answer.usage)?.completion_tokens;
  return typeof tokens === "number" && tokens > 0 ? undefined : "usage.completion_tokens is missing or 0";
}

export function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

export function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // told as a frame that is no chunk
  }
}
