/**
 * The making of one Response: events of a generation → events of the stream, and the whole object that they add up to. Called by encode.ts,
 * for whole and streamed answers alike, so that the two cannot differ. Pure: it must not know the wire's frames.
 *
 *     open ─▶ created, in_progress      event ─▶ item added, deltas, item done      finish ─▶ completed | incomplete      fail ─▶ failed
 */
import type * as Wire from "openai/resources/responses/responses";
import { ShimmyError } from "../../../contract/errors.ts";
import type { GenerationEvent, ResolvedModel } from "../../../contract/generation.ts";
import type { ResponseCall } from "./decode.ts";
import { CallItem, CompactionItem, type Item, MessageItem, ReasoningItem } from "./items.ts";
import { itemId } from "./references.ts";
import { summaryOf, type WireEvent, type WireResponse, wireResponse } from "./wire.ts";

type TextEvent = Extract<GenerationEvent, { type: "text" }>;
type CallEvent = Extract<GenerationEvent, { type: "toolCall" }>;
type Finished = Extract<GenerationEvent, { type: "finished" }>;

export class ResponseAnswer {
  private readonly closed: Wire.ResponseOutputItem[] = [];
  private open: Item | undefined;
  private openCall: number | undefined;
  /** White space that may turn out to stand between two calls, where it is nothing. */
  private held: TextEvent[] = [];
  private promptTokens: number | undefined;
  private finished: Finished | undefined;
  private ended: WireResponse | undefined;

  constructor(
    private readonly call: ResponseCall,
    private readonly model: ResolvedModel,
  ) {}

  begin(): WireEvent[] {
    return [
      { type: "response.created", response: this.response("in_progress", []) },
      { type: "response.in_progress", response: this.response("in_progress", []) },
    ];
  }

  /** @throws internal for events in an order that no generator gives. */
  add(event: GenerationEvent): WireEvent[] {
    switch (event.type) {
      case "started":
        this.promptTokens = event.promptTokens;
        return [];
      case "reasoning":
        return this.reasoning(event.text);
      case "text":
        return this.text(event);
      case "toolCall":
        return this.toolCall(event);
      case "finished":
        this.finished = event;
        this.promptTokens = (this.promptTokens ?? 0) + (event.promptTokens ?? 0);
        return [];
      default:
        return [];
    }
  }

  /** @throws internal when the events ended too early. */
  finish(): WireEvent[] {
    if (this.promptTokens === undefined || !this.finished) throw broken("the events ended before the answer had finished");
    const cut = this.finished.reason === "length" && !this.call.compacts;
    const events: WireEvent[] = [];
    // An answer of nothing is a message of nothing, which clients know how to read.
    if (!this.open && this.closed.length === 0) events.push(...this.ensureText());
    const status = cut ? "incomplete" : "completed";
    events.push(...this.close(status));
    this.ended = this.response(status);
    return [...events, { type: `response.${status}`, response: this.ended }];
  }

  /** In mid-stream: what was written so far stays, and is not complete. */
  fail(error: ShimmyError): WireEvent[] {
    this.close("incomplete");
    const code = error.kind === "rate_limit" ? "rate_limit_exceeded" : error.kind === "invalid_request" ? "invalid_prompt" : "server_error";
    this.ended = { ...this.response("failed"), error: { code, message: error.message } };
    return [{ type: "response.failed", response: this.ended }];
  }

  /** Somebody called it off. There is no event of that name; clients read this one as the end. */
  cancel(): WireEvent[] {
    this.close("incomplete");
    this.ended = this.response("cancelled");
    return [{ type: "response.incomplete", response: this.ended }];
  }

  /** As it is now. */
  snapshot(): WireResponse {
    return this.ended ?? this.response("in_progress");
  }

  private reasoning(text: string): WireEvent[] {
    if (text === "" || this.call.compacts) return [];
    if (this.open instanceof ReasoningItem) return this.open.add(text);
    const events = this.close("completed");
    const item = new ReasoningItem(this.nextId("reasoning"), this.closed.length, summaryOf(this.call) !== null);
    this.open = item;
    return [...events, ...item.begin(), ...item.add(text)];
  }

  private text(event: TextEvent): WireEvent[] {
    if (event.text === "" && !event.logprobs?.length) return [];
    if (this.open instanceof MessageItem || this.open instanceof CompactionItem) return this.open.add(event);
    this.held.push(event);
    return event.text.trim() === "" ? [] : this.ensureText();
  }

  /** Opens the item that holds text, with what was held back for it. */
  private ensureText(): WireEvent[] {
    const held = this.held;
    const events = this.close("completed");
    const item = this.call.compacts
      ? new CompactionItem(this.nextId("compaction"), this.closed.length)
      : new MessageItem(this.nextId("message"), this.closed.length);
    this.open = item;
    return [...events, ...item.begin(), ...held.flatMap((event) => item.add(event))];
  }

  private toolCall(event: CallEvent): WireEvent[] {
    const events: WireEvent[] = [];
    if (this.openCall !== event.call) {
      if (event.id === undefined || event.name === undefined) throw broken(`call ${event.call} goes on and has not begun`);
      events.push(...this.close("completed"));
      const known = this.call.tools.get(event.name);
      const type = known?.custom ? "custom_tool_call" : "function_call";
      const item = new CallItem(this.nextId(type), this.closed.length, event.id, known ?? { name: event.name, custom: false });
      this.open = item;
      this.openCall = event.call;
      events.push(...item.begin());
    }
    if (event.arguments !== "" && this.open instanceof CallItem) events.push(...this.open.add(event.arguments));
    return events;
  }

  private close(status: "completed" | "incomplete"): WireEvent[] {
    this.held = [];
    if (!this.open) return [];
    const events = this.open.end(status);
    this.closed.push(this.open.wire(status));
    this.open = undefined;
    this.openCall = undefined;
    return events;
  }

  private nextId(type: string): string {
    return itemId(type, this.call.base, this.closed.length);
  }

  private response(status: Wire.ResponseStatus, output?: Wire.ResponseOutputItem[]): WireResponse {
    const timings = this.finished?.timings;
    const seconds = timings ? Math.round((timings.queueMs + timings.promptMs + timings.predictedMs) / 1000) : 0;
    return wireResponse(this.call, this.model, {
      status,
      output: output ?? [...this.closed, ...(this.open ? [this.open.wire("in_progress")] : [])],
      error: null,
      incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
      usage: this.usage(),
      completed_at: status === "completed" ? this.call.created + seconds : null,
    });
  }

  private usage(): Wire.ResponseUsage | null {
    const { promptTokens, finished } = this;
    if (promptTokens === undefined || !finished) return null;
    return {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: finished.cachedTokens, cache_write_tokens: 0 },
      output_tokens: finished.completionTokens,
      output_tokens_details: { reasoning_tokens: finished.reasoningTokens ?? 0 },
      total_tokens: promptTokens + finished.completionTokens,
    };
  }
}

function broken(reason: string): ShimmyError {
  return new ShimmyError("internal", {}, { cause: new Error(`Generation events out of order: ${reason}`) });
}
