/** Conversations as clients send them, for the comparison of rendered prompts. Plain data in OpenAI's shape. */
import type { ChatMessage, ReasoningWish, Tool } from "../../src/contract/generation.ts";

export interface Conversation {
  readonly name: string;
  readonly messages: ReadonlyArray<Readonly<Record<string, unknown>> & { readonly role: string }>;
  readonly tools?: readonly Tool[];
  readonly templateOptions?: Readonly<Record<string, unknown>>;
  /** The reference is told by its variable `enable_thinking`. */
  readonly reasoning?: ReasoningWish;
}

export const WEATHER: Tool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Weather of a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string", description: "Its name" }, days: { type: "integer" } },
      required: ["city"],
    },
  },
};
const TIME: Tool = { type: "function", function: { name: "now", description: "The time", parameters: { type: "object", properties: {} } } };

const BARE: Tool = { type: "function", function: { name: "ping" } };

const call = (id: string, name: string, args: object) => ({ id, type: "function", function: { name, arguments: JSON.stringify(args) } });

export const CONVERSATIONS: readonly Conversation[] = [
  { name: "user", messages: [{ role: "user", content: "Hello, who are you?" }] },
  {
    name: "system",
    messages: [
      { role: "system", content: "You are brief." },
      { role: "user", content: "Hello!" },
    ],
  },
  {
    name: "turns",
    messages: [
      { role: "system", content: "You are brief." },
      { role: "user", content: "1 + 1?" },
      { role: "assistant", content: "2" },
      { role: "user", content: "And one more?\n\nTake your time. 🧮" },
    ],
  },
  { name: "tools", messages: [{ role: "user", content: "Weather in Oslo?" }], tools: [WEATHER, TIME] },
  {
    name: "call",
    messages: [
      { role: "user", content: "Weather in Oslo?" },
      { role: "assistant", content: "", tool_calls: [call("call00001", "get_weather", { city: "Oslo", days: 2 })] },
      { role: "tool", tool_call_id: "call00001", name: "get_weather", content: '{"sky": "clear"}' },
    ],
    tools: [WEATHER],
  },
  {
    name: "two calls",
    messages: [
      { role: "system", content: "You are brief." },
      { role: "user", content: "Weather in Oslo and Rome?" },
      {
        role: "assistant",
        content: "",
        tool_calls: [call("call00001", "get_weather", { city: "Oslo" }), call("call00002", "get_weather", { city: "Rome" })],
      },
      { role: "tool", tool_call_id: "call00001", name: "get_weather", content: "clear" },
      { role: "tool", tool_call_id: "call00002", name: "get_weather", content: "rain" },
      { role: "assistant", content: "Oslo is clear, Rome wet." },
      { role: "user", content: "Thanks!" },
    ],
    tools: [WEATHER],
  },
  {
    name: "thought",
    messages: [
      { role: "user", content: "7 * 6?" },
      { role: "assistant", content: "42", reasoning_content: "Seven sixes." },
      { role: "user", content: "Sure?" },
    ],
  },
  {
    name: "no thinking",
    messages: [{ role: "user", content: "Hello!" }],
    templateOptions: { enable_thinking: false },
  },
  {
    name: "developer",
    messages: [
      { role: "developer", content: "You are brief." },
      { role: "user", content: "Hello!" },
    ],
  },
  {
    name: "late system",
    messages: [
      { role: "user", content: "Hello!" },
      { role: "assistant", content: "Hi." },
      { role: "system", content: "Now answer in French." },
      { role: "user", content: "How are you?" },
    ],
  },
  {
    name: "two systems",
    messages: [
      { role: "system", content: "You are brief." },
      { role: "system", content: "You speak French." },
      { role: "user", content: "Hello!" },
    ],
  },
  {
    name: "thought and call",
    messages: [
      { role: "user", content: "Weather in Oslo?" },
      {
        role: "assistant",
        content: null,
        reasoning_content: "I look it up.",
        tool_calls: [call("call00001", "get_weather", { city: "Oslo" })],
      },
      { role: "tool", tool_call_id: "call00001", name: "get_weather", content: [{ type: "text", text: "clear" }] },
    ],
    tools: [WEATHER],
  },
  { name: "bare tool", messages: [{ role: "user", content: "Ping it." }], tools: [BARE] },
  {
    name: "prefill",
    messages: [
      { role: "user", content: "A poem, please." },
      { role: "assistant", content: "Roses are" },
    ],
  },
  { name: "reasoning off", messages: [{ role: "user", content: "Hello!" }], reasoning: { enabled: false } },
  { name: "reasoning on", messages: [{ role: "user", content: "Hello!" }], reasoning: { enabled: true } },
];

/** As the chat decoder makes them. */
export function messagesOf({ messages }: Conversation): ChatMessage[] {
  return messages.map(({ role, content, ...extra }) => ({
    role,
    content: textOf(content),
    ...(Object.keys(extra).length > 0 && { extra }),
  }));
}

function textOf(content: unknown): string {
  if (Array.isArray(content)) return content.map(({ text }: { readonly text: string }) => text).join("\n");
  return typeof content === "string" ? content : "";
}
