/**
 * Items of the Responses API → messages of a chat. Called by decode.ts. It must not know any template or store: references to stored items
 * are already looked up.
 *
 * Reasoning, text and calls that follow each other are one turn of the assistant, as templates want it; a result of a tool ends the turn.
 */
import * as z from "zod/mini";
import type { ChatMessage } from "../../../contract/generation.ts";
import { contentText } from "../chat/content.ts";
import { invalid, validate } from "../validate.ts";
import { outputText, thoughtText } from "./content.ts";
import { SUMMARY_HEAD, unseal } from "./sealed.ts";
import { flatName } from "./tools.ts";

const itemSchema = z.looseObject({ type: z.nullish(z.string()), role: z.nullish(z.string()) });
const roleSchema = z.enum(["system", "developer", "user", "assistant"]);
const callSchema = z.looseObject({ call_id: z.string(), name: z.string(), namespace: z.nullish(z.string()) });
const callIdSchema = z.string();
const textSchema = z.string();

export interface Conversation {
  readonly messages: ChatMessage[];
  /** The caller wants a summary of all this, and no answer. */
  readonly compacts: boolean;
  /** Lists of tools that stood between the messages. */
  readonly tools: ReadonlyArray<{ readonly at: string; readonly tools: readonly unknown[] }>;
}

/** An item and the place it has in the body; items of earlier responses are never wrong. */
export interface PlacedItem {
  readonly item: unknown;
  readonly at: string;
}

/** @throws invalid_value with a path such as `input[2].call_id`. */
export function conversationOf(items: readonly PlacedItem[], warn: (warning: string) => void): Conversation {
  const reader = new ItemReader(warn);
  for (const { item, at } of items) reader.read(item, at);
  return reader.end();
}

interface Call {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A turn of the assistant in the making. */
class Turn {
  readonly texts: string[] = [];
  readonly thoughts: string[] = [];
  readonly calls: Call[] = [];

  message(): ChatMessage {
    const extra = {
      ...(this.thoughts.length > 0 && { reasoning_content: this.thoughts.join("\n") }),
      ...(this.calls.length > 0 && { tool_calls: this.calls }),
    };
    return { role: "assistant", content: this.texts.join("\n"), ...(Object.keys(extra).length > 0 && { extra }) };
  }
}

class ItemReader {
  private readonly messages: ChatMessage[] = [];
  private readonly tools: Array<{ at: string; tools: readonly unknown[] }> = [];
  /** Names by call id: templates print them beside results. */
  private readonly called = new Map<string, string>();
  private turn: Turn | undefined;
  private compacts = false;

  constructor(private readonly warn: (warning: string) => void) {}

  end(): Conversation {
    this.endTurn();
    return { messages: this.messages, compacts: this.compacts, tools: this.tools };
  }

  read(given: unknown, at: string): void {
    const item = validate(itemSchema, given, at);
    const type = item.type ?? (item.role ? "message" : undefined);
    switch (type) {
      case "message":
        this.message(item, at);
        break;
      case "reasoning":
        this.reasoning(item, at);
        break;
      case "function_call":
      case "custom_tool_call":
        this.call(item, type, at);
        break;
      case "function_call_output":
      case "custom_tool_call_output":
        this.result(item, at);
        break;
      case "compaction":
      case "compaction_summary":
        this.compaction(item, at);
        break;
      case "compaction_trigger":
        this.compacts = true;
        break;
      case "additional_tools":
        this.tools.push({ at: `${at}.tools`, tools: validate(z.array(z.unknown()), item.tools, `${at}.tools`) });
        break;
      case undefined:
        throw invalid(`${at}.type`, "it is required");
      default:
        this.warn(`${at}: an item of type '${type.slice(0, 64)}' has no meaning here; it was skipped`);
    }
  }

  private message(item: Readonly<Record<string, unknown>>, at: string): void {
    const role = validate(roleSchema, item.role, `${at}.role`);
    const content = contentText(item.content, `${at}.content`);
    if (role !== "assistant") {
      this.endTurn();
      this.messages.push({ role, content });
      return;
    }
    // Two texts in a row are two messages, as they were written; a text behind calls belongs to their turn, for their results come next.
    if (this.turn && this.turn.texts.length > 0 && this.turn.calls.length === 0) this.endTurn();
    this.open().texts.push(content);
  }

  private reasoning(item: Readonly<Record<string, unknown>>, at: string): void {
    const content = thoughtText(item.content, `${at}.content`);
    // `encrypted_content` of others can be read by nobody here, and we write none.
    const thought = content || thoughtText(item.summary, `${at}.summary`);
    if (this.turn && (this.turn.texts.length > 0 || this.turn.calls.length > 0)) this.endTurn();
    if (thought) this.open().thoughts.push(thought);
  }

  private call(given: unknown, type: "function_call" | "custom_tool_call", at: string): void {
    const item = validate(callSchema, given, at);
    const name = flatName(item.name, item.namespace);
    const text = (field: string) => validate(textSchema, item[field] ?? "", `${at}.${field}`);
    const args = type === "custom_tool_call" ? JSON.stringify({ input: text("input") }) : text("arguments");
    this.called.set(item.call_id, name);
    this.open().calls.push({ id: item.call_id, type: "function", function: { name, arguments: args } });
  }

  private result(item: Readonly<Record<string, unknown>>, at: string): void {
    const id = validate(callIdSchema, item.call_id, `${at}.call_id`);
    const content = outputText(item.output, `${at}.output`, this.warn);
    const name = this.called.get(id);
    this.endTurn();
    this.messages.push({ role: "tool", content, extra: { tool_call_id: id, ...(name !== undefined && { name }) } });
  }

  private compaction(item: Readonly<Record<string, unknown>>, at: string): void {
    const summary = unseal(validate(textSchema, item.encrypted_content, `${at}.encrypted_content`));
    this.endTurn();
    if (summary === undefined) this.warn(`${at}: a compaction that was not made here cannot be read; it was skipped`);
    else this.messages.push({ role: "user", content: SUMMARY_HEAD + summary });
  }

  private open(): Turn {
    this.turn ??= new Turn();
    return this.turn;
  }

  private endTurn(): void {
    if (this.turn) this.messages.push(this.turn.message());
    this.turn = undefined;
  }
}
