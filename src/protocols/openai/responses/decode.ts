/**
 * The body of POST /v1/responses → a `ResponseCall`. Called by the server with parsed JSON of unknown shape, and with what it has kept of
 * earlier responses. It must not know any template, model, engine or store.
 */
import { ShimmyError } from "../../../contract/errors.ts";
import type { ChatMessage, ChatPrompt, Constraint, GenerationRequest } from "../../../contract/generation.ts";
import type { DecodeContext, ProtocolCall } from "../../protocol.ts";
import { checkExtent } from "../chat/extent.ts";
import { reasoningWish, templateOptions } from "../chat/reasoning.ts";
import type { ReasoningFields } from "../chat/schema.ts";
import { commonCall } from "../request.ts";
import { invalid, validate } from "../validate.ts";
import { conversationOf, type PlacedItem } from "./input.ts";
import { idBase, keptItems, referenceOf } from "./references.ts";
import { compactSchema, inputTokensSchema, type ResponseFields, responseSchema } from "./schema.ts";
import { SUMMARY_REQUEST } from "./sealed.ts";
import { type ToolTable, toolPart, toolTable } from "./tools.ts";

/** What the server has kept and the body refers to. */
export interface Earlier {
  /** All items of the conversation of `previous_response_id`, its output included. */
  readonly conversation?: readonly unknown[];
  /** Items by the ids that `item_reference`s name. */
  readonly items: ReadonlyMap<string, unknown>;
}

export interface ResponseContext extends DecodeContext {
  readonly earlier?: Earlier;
}

export interface ResponseCall extends ProtocolCall {
  /** `resp_…`. */
  readonly id: string;
  /** The common part of the ids of its items. */
  readonly base: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly fields: ResponseFields;
  readonly tools: ToolTable;
  /** The answer is to be a compaction item. */
  readonly compacts: boolean;
  /** Everything the model is shown, earlier turns included, as it is kept. */
  readonly items: readonly unknown[];
  readonly background: boolean;
  readonly store: boolean;
}

/** Each is a line of the log. */
const MOST_WARNINGS = 16;
/** Of an id in a message. */
const LONGEST_ID = 64;
/** The most tokens of a summary, where the caller sets no limit. */
const SUMMARY_TOKENS = 4096;

export function decodeResponse(body: unknown, context: ResponseContext): ResponseCall {
  const fields = validate(responseSchema, body);
  if (fields.background && fields.stream)
    throw invalid("background", "cannot be combined with stream; poll the response, or stream without background");
  return callOf(fields, promptOf(fields, context), context);
}

/** POST /v1/responses/compact: the items, and the model's own summary of them asked for. */
export function decodeCompaction(body: unknown, context: ResponseContext): ResponseCall {
  const fields = validate(compactSchema, body);
  return { ...callOf(fields, promptOf(fields, context, true), context), store: false };
}

/** POST /v1/responses/input_tokens: the prompt is made and nothing is generated. */
export function decodeInputTokens(body: unknown, context: ResponseContext): ResponseCall {
  const fields = validate(inputTokensSchema, body);
  const call = callOf(fields, promptOf(fields, context), context);
  return { ...call, store: false, request: { ...call.request, maxTokens: 0 } };
}

function callOf(fields: ResponseFields, decoded: DecodedPrompt, context: ResponseContext): ResponseCall {
  const { prompt, tools, compacts, items, warnings } = decoded;
  const common = commonCall(fields, "resp", context);
  const constraint = compacts ? undefined : constraintOf(fields.text?.format);
  const topLogprobs = topLogprobsOf(fields);
  const maxTokens = common.request.maxTokens ?? (compacts ? SUMMARY_TOKENS : undefined);
  const request: GenerationRequest = {
    ...common.request,
    choices: 1,
    prompt,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(constraint && { constraint }),
    ...(topLogprobs !== undefined && { topLogprobs }),
  };
  const base = idBase(context.requestId);
  return {
    id: `resp_${base}`,
    base,
    created: common.created,
    stream: common.stream,
    request,
    fields,
    tools,
    compacts,
    items: keptItems(items, base),
    background: fields.background ?? false,
    store: fields.store ?? true,
    ...(warnings.length > 0 && { warnings }),
  };
}

type PromptFields = ReasoningFields &
  Pick<
    ResponseFields,
    "input" | "instructions" | "previous_response_id" | "conversation" | "prompt" | "tools" | "tool_choice" | "parallel_tool_calls"
  >;

interface DecodedPrompt {
  readonly prompt: ChatPrompt;
  readonly tools: ToolTable;
  readonly compacts: boolean;
  readonly items: readonly unknown[];
  readonly warnings: readonly string[];
}

/** @param compacts Whatever the items say, a summary is wanted. */
function promptOf(fields: PromptFields, context: ResponseContext, compacts = false): DecodedPrompt {
  refuseForeign(fields);
  const warnings: string[] = [];
  const warn = (warning: string) => {
    if (warnings.length < MOST_WARNINGS) warnings.push(warning);
  };
  const placed = itemsOf(fields, context.earlier);
  const conversation = conversationOf(placed, warn);
  checkExtent(conversation.messages, "input");
  // A tool that is given again takes the place of the first.
  const tools = new Map(toolTable(fields.tools ?? [], "tools", warn));
  for (const more of conversation.tools) for (const [name, tool] of toolTable(more.tools, more.at, warn)) tools.set(name, tool);
  const summary = compacts || conversation.compacts;
  const messages: ChatMessage[] = [
    ...(fields.instructions ? [{ role: "system", content: fields.instructions }] : []),
    ...conversation.messages,
    ...(summary ? [{ role: "user", content: SUMMARY_REQUEST }] : []),
  ];
  // Clients probe with an empty input; a template wants somebody to have said something.
  if (conversation.messages.length === 0 && !summary) messages.push({ role: "user", content: "" });
  const reasoning = summary ? { enabled: false } : reasoningWish(fields);
  const options = templateOptions(fields, reasoning);
  return {
    prompt: {
      kind: "chat",
      messages,
      ...(!summary && toolPart(tools, fields)),
      ...(reasoning && { reasoning }),
      ...(options && { templateOptions: options }),
    },
    tools,
    compacts: summary,
    items: placed.map(({ item }) => item).filter((item) => (item as { type?: unknown }).type !== "compaction_trigger"),
    warnings,
  };
}

function itemsOf({ input, previous_response_id: previous }: PromptFields, earlier: Earlier | undefined): PlacedItem[] {
  if (previous && !earlier?.conversation)
    throw new ShimmyError("previous_response_not_found", { id: previous.slice(0, LONGEST_ID), param: "previous_response_id" });
  const before = previous ? sinceCompaction(earlier?.conversation ?? []) : [];
  if (input === undefined || input === null) {
    if (before.length === 0) throw invalid("input", "it is required");
    return placed(before);
  }
  if (typeof input === "string") return [...placed(before), ...(input ? [{ item: said(input), at: "input" }] : [])];
  return [
    ...placed(before),
    ...input.map((item, index) => {
      const id = referenceOf(item);
      if (id === undefined) return { item, at: `input[${index}]` };
      const referenced = earlier?.items.get(id);
      if (referenced === undefined) throw new ShimmyError("item_not_found", { id: id.slice(0, LONGEST_ID), param: `input[${index}].id` });
      return { item: referenced, at: `input[${index}]` };
    }),
  ];
}

function said(content: string): unknown {
  return { type: "message", role: "user", content };
}

function placed(items: readonly unknown[]): PlacedItem[] {
  return items.map((item, index) => ({ item, at: `previous_response_id[${index}]` }));
}

/** What a summary stands for is not said again. */
function sinceCompaction(items: readonly unknown[]): readonly unknown[] {
  const last = items.findLastIndex((item) => (item as { type?: unknown }).type === "compaction");
  return items.slice(Math.max(0, last));
}

function refuseForeign({ conversation, prompt }: PromptFields): void {
  if (conversation) throw invalid("conversation", "conversations are not kept here; use previous_response_id, or send all items as input");
  if (prompt) throw invalid("prompt", "templates of prompts are kept by OpenAI only; send instructions and input");
}

function constraintOf(format: { readonly type: string; readonly [name: string]: unknown } | null | undefined): Constraint | undefined {
  const param = "text.format";
  switch (format?.type) {
    case undefined:
    case "text":
      return undefined;
    case "json_object":
      return { schema: { type: "object" }, param };
    case "json_schema": {
      const schema = format.schema ?? (format.json_schema as { schema?: unknown } | undefined)?.schema;
      if (schema === undefined || schema === null) throw invalid(`${param}.schema`, "it is required");
      return { schema, param };
    }
    default:
      throw invalid(`${param}.type`, "must be 'text', 'json_object' or 'json_schema'");
  }
}

/** OpenAI wants them named in `include`; who asks for alternatives means the same. */
function topLogprobsOf({ include, top_logprobs: top }: ResponseFields): number | undefined {
  return include?.includes("message.output_text.logprobs") || top ? (top ?? 0) : undefined;
}
