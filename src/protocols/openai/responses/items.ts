/**
 * The output items of a Response while they are written: each says which events tell of it, and what it is on the wire at any moment.
 * Called by answer.ts. Order of events: added, part added, deltas, text done, part done, item done.
 *
 * A call that was cut short has no `done` events: agents act on these, and half a call must not be acted on.
 */
import type * as Wire from "openai/resources/responses/responses";
import type { GenerationEvent } from "../../../contract/generation.ts";
import { chatLogprobs } from "../logprobs.ts";
import { CustomInput } from "./custom-input.ts";
import { seal } from "./sealed.ts";
import type { KnownTool } from "./tools.ts";
import type { WireEvent } from "./wire.ts";

type TextEvent = Extract<GenerationEvent, { type: "text" }>;
export type ItemStatus = "in_progress" | "completed" | "incomplete";
type Ended = Exclude<ItemStatus, "in_progress">;

export interface Item {
  begin(): WireEvent[];
  end(status: Ended): WireEvent[];
  wire(status: ItemStatus): Wire.ResponseOutputItem;
}

export class MessageItem implements Item {
  private text = "";
  private readonly logprobs: Wire.ResponseOutputText.Logprob[] = [];

  constructor(
    private readonly id: string,
    private readonly index: number,
  ) {}

  begin(): WireEvent[] {
    const item: Wire.ResponseOutputMessage = { id: this.id, type: "message", role: "assistant", status: "in_progress", content: [] };
    return [
      { type: "response.output_item.added", output_index: this.index, item },
      { type: "response.content_part.added", ...this.place(), part: this.part() },
    ];
  }

  add({ text, logprobs: tokens }: TextEvent): WireEvent[] {
    const logprobs = tokens ? chatLogprobs(tokens).content.map((entry) => ({ ...entry, bytes: entry.bytes ?? [] })) : [];
    this.text += text;
    for (const entry of logprobs) this.logprobs.push(outputLogprob(entry));
    return [{ type: "response.output_text.delta", ...this.place(), delta: text, logprobs }];
  }

  end(status: Ended): WireEvent[] {
    return [
      { type: "response.output_text.done", ...this.place(), text: this.text, logprobs: this.logprobs },
      { type: "response.content_part.done", ...this.place(), part: this.part() },
      { type: "response.output_item.done", output_index: this.index, item: this.wire(status) },
    ];
  }

  wire(status: ItemStatus): Wire.ResponseOutputMessage {
    return { id: this.id, type: "message", role: "assistant", status, content: [this.part()] };
  }

  private part(): Wire.ResponseOutputText {
    return { type: "output_text", text: this.text, annotations: [], logprobs: [...this.logprobs] };
  }

  private place() {
    return { item_id: this.id, output_index: this.index, content_index: 0 };
  }
}

function outputLogprob(entry: ReturnType<typeof chatLogprobs>["content"][number]): Wire.ResponseOutputText.Logprob {
  const { token, logprob, bytes, top_logprobs: top } = entry;
  return { token, logprob, bytes: bytes ?? [], top_logprobs: top.map((each) => ({ ...each, bytes: each.bytes ?? [] })) };
}

/** Told as its own summary where the caller asked for one: nobody here writes another, and clients that ask show nothing else. */
export class ReasoningItem implements Item {
  private text = "";

  constructor(
    private readonly id: string,
    private readonly index: number,
    private readonly asSummary: boolean,
  ) {}

  begin(): WireEvent[] {
    const item: Wire.ResponseReasoningItem = { id: this.id, type: "reasoning", status: "in_progress", summary: [] };
    if (!this.asSummary) item.content = [];
    const added: WireEvent = { type: "response.output_item.added", output_index: this.index, item };
    if (this.asSummary) return [added, { type: "response.reasoning_summary_part.added", ...this.summaryPlace(), part: this.summary() }];
    return [added, { type: "response.content_part.added", ...this.place(), part: this.content() }];
  }

  add(delta: string): WireEvent[] {
    this.text += delta;
    if (this.asSummary) return [{ type: "response.reasoning_summary_text.delta", ...this.summaryPlace(), delta }];
    return [{ type: "response.reasoning_text.delta", ...this.place(), delta }];
  }

  end(status: Ended): WireEvent[] {
    const done: WireEvent = { type: "response.output_item.done", output_index: this.index, item: this.wire(status) };
    if (this.asSummary)
      return [
        { type: "response.reasoning_summary_text.done", ...this.summaryPlace(), text: this.text },
        { type: "response.reasoning_summary_part.done", ...this.summaryPlace(), part: this.summary() },
        done,
      ];
    return [
      { type: "response.reasoning_text.done", ...this.place(), text: this.text },
      { type: "response.content_part.done", ...this.place(), part: this.content() },
      done,
    ];
  }

  wire(status: ItemStatus): Wire.ResponseReasoningItem {
    const text = this.asSummary ? { summary: [this.summary()] } : { summary: [], content: [this.content()] };
    return { id: this.id, type: "reasoning", status, ...text };
  }

  private summary(): Wire.ResponseReasoningItem.Summary {
    return { type: "summary_text", text: this.text };
  }

  private content(): Wire.ResponseReasoningItem.Content {
    return { type: "reasoning_text", text: this.text };
  }

  private place() {
    return { item_id: this.id, output_index: this.index, content_index: 0 };
  }

  private summaryPlace() {
    return { item_id: this.id, output_index: this.index, summary_index: 0 };
  }
}

/** A call of a function or of a custom tool. */
export class CallItem implements Item {
  private json = "";
  private readonly custom: CustomInput | undefined;
  private told = 0;

  constructor(
    private readonly id: string,
    private readonly index: number,
    private readonly callId: string,
    private readonly tool: Pick<KnownTool, "name" | "namespace" | "custom">,
  ) {
    this.custom = tool.custom ? new CustomInput() : undefined;
  }

  begin(): WireEvent[] {
    return [{ type: "response.output_item.added", output_index: this.index, item: this.wire("in_progress") }];
  }

  add(fragment: string): WireEvent[] {
    this.json += fragment;
    if (!this.custom) return [{ type: "response.function_call_arguments.delta", ...this.place(), delta: fragment }];
    const delta = this.custom.push(fragment);
    this.told += delta.length;
    return delta === "" ? [] : [{ type: "response.custom_tool_call_input.delta", ...this.place(), delta }];
  }

  end(status: Ended): WireEvent[] {
    if (status === "incomplete") return [];
    const done: WireEvent = { type: "response.output_item.done", output_index: this.index, item: this.wire(status) };
    if (!this.custom) {
      const { name } = this.tool;
      return [{ type: "response.function_call_arguments.done", ...this.place(), name, arguments: this.json }, done];
    }
    const input = this.custom.text;
    const rest = input.slice(this.told);
    return [
      ...(rest === "" ? [] : [{ type: "response.custom_tool_call_input.delta" as const, ...this.place(), delta: rest }]),
      { type: "response.custom_tool_call_input.done", ...this.place(), input },
      done,
    ];
  }

  wire(status: ItemStatus): Wire.ResponseFunctionToolCallItem | Wire.ResponseCustomToolCallItem {
    const { name, namespace } = this.tool;
    const head = { id: this.id, call_id: this.callId, name, status, ...(namespace !== undefined && { namespace }) };
    if (!this.custom) return { ...head, type: "function_call", arguments: this.json };
    // Before the end, only what was told.
    return { ...head, type: "custom_tool_call", input: status === "in_progress" ? this.custom.text.slice(0, this.told) : this.custom.text };
  }

  private place() {
    return { item_id: this.id, output_index: this.index };
  }
}

/** The summary comes whole: there are no events for parts of it. One that met the token limit is still the best there is. */
export class CompactionItem implements Item {
  private text = "";

  constructor(
    private readonly id: string,
    private readonly index: number,
  ) {}

  begin(): WireEvent[] {
    return [{ type: "response.output_item.added", output_index: this.index, item: this.wire("in_progress") }];
  }

  add({ text }: TextEvent): WireEvent[] {
    this.text += text;
    return [];
  }

  end(status: Ended): WireEvent[] {
    return [{ type: "response.output_item.done", output_index: this.index, item: this.wire(status) }];
  }

  wire(status: ItemStatus): Wire.ResponseCompactionItem {
    return { id: this.id, type: "compaction", encrypted_content: status === "in_progress" ? "" : seal(this.text.trim()) };
  }
}
