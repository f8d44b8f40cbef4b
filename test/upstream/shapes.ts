/** What clients ask of /v1/chat/completions and /v1/completions, one shape each, for differential.test.ts: the same to a server and through a gateway. */

export interface Shape {
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** What must be there in the answer, or the comparison proves nothing. */
  readonly has?: "calls" | "thoughts" | "logprobs";
  /** The prompt is long: it is read once, and then is in the cache for both. */
  readonly isLong?: boolean;
}

const parameters = {
  type: "object",
  properties: { on: { type: "boolean" }, room: { type: "string" } },
  required: ["on", "room"],
  additionalProperties: false,
};
const light = { type: "function", function: { name: "set_light", description: "Switches the light.", parameters } };

/** A small model calls a tool once it has seen some calls. */
const called = (id: string, room: string, on: boolean) => [
  { role: "user", content: `Switch the light ${on ? "on" : "off"} in the ${room}.` },
  {
    role: "assistant",
    content: null,
    tool_calls: [{ id, type: "function", function: { name: "set_light", arguments: JSON.stringify({ on, room }) } }],
  },
  { role: "tool", tool_call_id: id, content: "done" },
];
const bothWish = (one: string, other: string) => ({ role: "user", content: `Switch the lights on in ${one} and ${other}.` });
const both = (...rooms: [string, string]) => [
  bothWish(...rooms),
  {
    role: "assistant",
    content: null,
    tool_calls: rooms.map((room) => ({
      id: room,
      type: "function",
      function: { name: "set_light", arguments: JSON.stringify({ on: true, room }) },
    })),
  },
  ...rooms.map((room) => ({ role: "tool", tool_call_id: room, content: "done" })),
];
const CALLS = [...called("c1", "kitchen", true), ...called("c2", "hall", false), ...called("c3", "bath", true)];
const wish = { role: "user", content: "Switch the light on in the garden." };
const tools = { messages: [...CALLS, wish], tools: [light], max_tokens: 256 };

const hello = [{ role: "user", content: "Say something." }];
const schema = { type: "object", properties: { n: { enum: [1, 2] } }, required: ["n"], additionalProperties: false };

const chat = (name: string, fields: object, has?: Shape["has"]): Shape => ({
  name,
  body: { messages: hello, max_tokens: 12, ...fields },
  ...(has && { has }),
  ...(has === "calls" && { isLong: true }),
});

export const CHATS: readonly Shape[] = [
  chat("a plain question", {}),
  chat("an end by the model itself", { messages: [{ role: "user", content: "Answer with one word: yes or no?" }], max_tokens: 100 }),
  chat("instructions and earlier turns", {
    messages: [
      { role: "system", content: "You are brief." },
      { role: "user", content: "Hello" },
      { role: "assistant", content: "Hi." },
      { role: "user", content: "How are you?" },
    ],
  }),
  chat("content in parts", { messages: [{ role: "user", content: [{ type: "text", text: "Say something." }] }] }),
  chat("an answer that was begun", { messages: [...hello, { role: "assistant", content: "Once upon a" }] }),
  chat("OpenAI's newer name of the limit", { max_tokens: undefined, max_completion_tokens: 5 }),
  chat("a stop string", { stop: ["you", "the"], max_tokens: 60 }),
  chat("a seed", { temperature: 1, seed: 7 }),
  chat("samplers", { temperature: 0.8, top_p: 0.9, top_k: 20, min_p: 0.02, repeat_penalty: 1.2, seed: 3 }),
  chat("penalties", { frequency_penalty: 1, presence_penalty: 0.5, max_tokens: 30 }),
  chat("biases", { logit_bias: { "504": -100, "28": 5 } }),
  chat("several answers", { n: 2, temperature: 1, seed: 5 }),
  chat("log probabilities", { logprobs: true, top_logprobs: 3, max_tokens: 5 }, "logprobs"),
  chat("log probabilities of the drawn tokens alone", { logprobs: true, max_tokens: 5 }, "logprobs"),
  chat(
    "log probabilities of parts of characters",
    {
      logprobs: true,
      top_logprobs: 1,
      grammar: 'root ::= "🦝🌊"',
    },
    "logprobs",
  ),
  chat("JSON of a schema", { response_format: { type: "json_schema", json_schema: { name: "x", schema } }, max_tokens: 60 }),
  chat("any JSON", { response_format: { type: "json_object" }, max_tokens: 40 }),
  chat("a grammar", { grammar: 'root ::= "yes" | "no"' }),
  chat("no early end", { ignore_eos: true, max_tokens: 60 }),
  chat("a call that must be made", { ...tools, tool_choice: "required" }, "calls"),
  chat("a call of a named tool", { ...tools, tool_choice: { type: "function", function: { name: "set_light" } } }, "calls"),
  chat("a call that may be made", { ...tools, tool_choice: "auto" }, "calls"),
  chat(
    "several calls at once",
    {
      ...tools,
      messages: [...both("kitchen", "hall"), ...both("attic", "bath"), ...both("cellar", "porch"), bothWish("garden", "garage")],
      tool_choice: "required",
      parallel_tool_calls: true,
    },
    "calls",
  ),
  chat("a call that is cut short", { ...tools, tool_choice: "required", max_tokens: 25 }, "calls"),
  chat("tools that may not be called", { ...tools, tool_choice: "none", max_tokens: 20 }),
  chat("thoughts", { chat_template_kwargs: { enable_thinking: true }, max_tokens: 20 }, "thoughts"),
  chat("no thoughts", { chat_template_kwargs: { enable_thinking: false } }),
  chat("thoughts that stay in the text", { chat_template_kwargs: { enable_thinking: true }, reasoning_format: "none", max_tokens: 20 }),
];

const text = (name: string, fields: object): Shape => ({ name, body: { prompt: "Once upon a time", max_tokens: 8, ...fields } });

export const TEXTS: readonly Shape[] = [
  text("a text", {}),
  text("tokens", { prompt: [504, 260, 28] }),
  text("a stop string", { stop: ["the", ","], max_tokens: 40 }),
  text("several answers", { n: 2, temperature: 1, seed: 5 }),
  text("log probabilities of a text", { logprobs: 2 }),
  text("several texts", { prompt: ["Once", "The sea"] }),
  text("a grammar", { grammar: 'root ::= "yes" | "no"' }),
];
