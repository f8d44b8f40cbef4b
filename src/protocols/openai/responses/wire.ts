/**
 * The Response object around its output, and the events of a stream before they are numbered. Called by answer.ts and stream.ts.
 * The literals are checked against the types of OpenAI's client.
 */
import type * as Wire from "openai/resources/responses/responses";
import { nameOf, type ResolvedModel } from "../../../contract/generation.ts";
import type { ResponseCall } from "./decode.ts";

/** As sent: what the client's type adds (`output_text`) is left to it, and what it leaves out is null, as OpenAI sends it. */
export type WireResponse = Omit<Wire.Response, "output_text" | "usage" | "user"> & {
  status: Wire.ResponseStatus;
  usage: Wire.ResponseUsage | null;
  user: string | null;
  store: boolean;
  max_tool_calls: number | null;
};

type Lifecycle = "created" | "queued" | "in_progress" | "completed" | "incomplete" | "failed";
type OfResponse = { [Name in Lifecycle]: { type: `response.${Name}`; response: WireResponse } }[Lifecycle];
type Unnumbered<Event> = Event extends { response: unknown } ? never : Omit<Event, "sequence_number">;
/** An event of the stream, before it has its number. */
export type WireEvent = OfResponse | Unnumbered<Wire.ResponseStreamEvent>;

/** What changes while an answer is made. */
export type Progress = Pick<WireResponse, "status" | "output" | "error" | "incomplete_details" | "usage" | "completed_at">;

export function wireResponse(call: ResponseCall, model: ResolvedModel, progress: Progress): WireResponse {
  const { fields } = call;
  return {
    id: call.id,
    object: "response",
    created_at: call.created,
    background: call.background,
    instructions: fields.instructions ?? null,
    max_output_tokens: call.request.maxTokens ?? null,
    max_tool_calls: fields.max_tool_calls ?? null,
    metadata: fields.metadata ?? {},
    model: nameOf(model),
    parallel_tool_calls: fields.parallel_tool_calls ?? true,
    previous_response_id: fields.previous_response_id || null,
    prompt_cache_key: fields.prompt_cache_key ?? null,
    reasoning: {
      effort: (fields.reasoning?.effort ?? null) as Wire.Response["reasoning"] extends infer R ? NonNullable<R>["effort" & keyof R] : never,
      summary: summaryOf(call),
    },
    safety_identifier: fields.safety_identifier ?? null,
    service_tier: "default",
    store: call.store,
    temperature: fields.temperature ?? null,
    text: { format: (fields.text?.format ?? { type: "text" }) as Wire.ResponseFormatTextConfig },
    tool_choice: (fields.tool_choice ?? "auto") as Wire.Response["tool_choice"],
    tools: (fields.tools ?? []) as Wire.Tool[],
    top_logprobs: fields.top_logprobs ?? 0,
    top_p: fields.top_p ?? null,
    // Nothing is ever cut from a prompt, whatever was asked for.
    truncation: "disabled",
    user: fields.user ?? null,
    ...progress,
  };
}

/** The kind of summary of the thoughts that the caller asked for. */
export function summaryOf({ fields: { reasoning } }: ResponseCall): "auto" | "concise" | "detailed" | null {
  const wish = reasoning?.summary ?? reasoning?.generate_summary;
  return wish === "auto" || wish === "concise" || wish === "detailed" ? wish : null;
}
