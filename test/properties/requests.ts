/** Random requests of a chat, as clients of every kind send them; the same wish as a body of each API. For fold.test.ts. */
import fc from "fast-check";

const word = fc.constantFrom("fox", "Paris", "7", "weather", "naïve", "🦊", "<tool_call>", "</think>", '{"a": 1}', "\n\n", "hello there");
const sentence = fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join(" "));

const value = fc.constantFrom<object>(
  { type: "string", maxLength: 12 },
  { type: "integer", minimum: 0, maximum: 20 },
  { enum: ["red", "Grün", 'say "hi"', "a\nb"] },
  { type: "boolean" },
  { type: "array", items: { type: "number" }, maxItems: 2 },
);
const parameters = fc
  .tuple(
    fc.dictionary(fc.constantFrom("city", "n", "a b", "ü"), fc.tuple(value, fc.boolean()), { maxKeys: 3, noNullPrototype: true }),
    fc.boolean(),
  )
  .map(([members, open]) => ({
    type: "object",
    properties: Object.fromEntries(Object.entries(members).map(([key, [schema]]) => [key, schema])),
    required: Object.entries(members).flatMap(([key, [, required]]) => (required ? [key] : [])),
    ...(!open && { additionalProperties: false }),
  }));

export interface RandomTool {
  readonly name: string;
  readonly parameters: object;
  readonly strict: boolean;
}
const tools = fc.uniqueArray(
  fc.record<RandomTool>({ name: fc.constantFrom("get_weather", "f", "search.web", "add-2"), parameters, strict: fc.boolean() }),
  { maxLength: 3, selector: ({ name }) => name },
);

type Turn =
  | { readonly role: string; readonly content: string }
  | { readonly called: string; readonly args: string; readonly result: string };
const history = fc.array(
  fc.oneof(
    sentence.map((content): Turn => ({ role: "assistant", content })),
    sentence.map((content): Turn => ({ role: "user", content })),
    fc.tuple(fc.constantFrom('{"city":"Rome"}', "{}", "not json"), sentence).map(([args, result]): Turn => ({ called: "f", args, result })),
  ),
  { maxLength: 3 },
);

const format = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  fc.constant({ type: "json_object" }),
  parameters.map((schema) => ({ type: "json_schema", schema })),
);
const choice = fc.constantFrom("auto", "none", "required", "named", undefined);
const thoughts = fc.constantFrom<object>(
  {},
  { think: false },
  { reasoning_effort: "none" },
  { thinking_budget: 3 },
  { thinking_budget: 12 },
);
const sampling = fc.oneof(
  fc.constant({ temperature: 0 }),
  fc.record({ temperature: fc.constantFrom(0.7, 1.5), top_p: fc.constantFrom(0.5, 1), seed: fc.nat(1_000_000) }),
);

const wish = fc.record({
  system: fc.option(sentence, { nil: undefined }),
  history,
  question: sentence,
  tools,
  choice,
  parallel: fc.boolean(),
  format,
  thoughts,
  sampling,
  limit: fc.constantFrom(1, 2, 7, 20, 60),
  n: fc.constantFrom(1, 1, 1, 2, 3),
  stop: fc.constantFrom<string[] | undefined>(undefined, ["the"], ["e", "xyz"], ['"'], ["\n", ". "]),
  logprobs: fc.constantFrom(undefined, 0, 2),
  /** A stream tells its usage. */
  usage: fc.boolean(),
});
export type Wish = typeof wish extends fc.Arbitrary<infer T> ? T : never;
export { wish as anyWish };

/** As both APIs spell it. The cache is left out: what it changes in rounding may turn a token. */
function common({ thoughts, sampling, parallel, limit, tools }: Wish) {
  return {
    ...thoughts,
    ...sampling,
    max_tokens: limit,
    cache_prompt: false,
    "speculative.n_max": 0,
    ...(tools.length > 0 && { parallel_tool_calls: parallel }),
  };
}

export function chatBody(wish: Wish, model: string) {
  const { system, history, question, tools, choice, format, n, stop, logprobs } = wish;
  const turns = history.flatMap<object>((turn, i) =>
    "called" in turn
      ? [
          {
            role: "assistant",
            content: null,
            tool_calls: [{ id: `c${i}`, type: "function", function: { name: turn.called, arguments: turn.args } }],
          },
          { role: "tool", tool_call_id: `c${i}`, content: turn.result },
        ]
      : [turn],
  );
  return {
    model,
    messages: [...(system === undefined ? [] : [{ role: "system", content: system }]), ...turns, { role: "user", content: question }],
    ...(tools.length > 0 && { tools: tools.map((each) => ({ type: "function", function: each })) }),
    ...(tools.length > 0 &&
      choice && { tool_choice: choice === "named" ? { type: "function", function: { name: tools[0]!.name } } : choice }),
    ...(format && {
      response_format: "schema" in format ? { type: format.type, json_schema: { name: "answer", schema: format.schema } } : format,
    }),
    ...(logprobs !== undefined && { logprobs: true, top_logprobs: logprobs }),
    ...(stop && { stop }),
    n,
    ...common(wish),
  };
}

export function responseBody(wish: Wish, model: string) {
  const { system, history, question, tools, choice, format, logprobs } = wish;
  const items = history.flatMap<object>((turn, i) =>
    "called" in turn
      ? [
          { type: "function_call", call_id: `c${i}`, name: turn.called, arguments: turn.args },
          { type: "function_call_output", call_id: `c${i}`, output: turn.result },
        ]
      : [turn],
  );
  return {
    model,
    store: false,
    input: [...items, { role: "user", content: question }],
    ...(system !== undefined && { instructions: system }),
    ...(tools.length > 0 && { tools: tools.map((each) => ({ type: "function", ...each })) }),
    ...(tools.length > 0 && choice && { tool_choice: choice === "named" ? { type: "function", name: tools[0]!.name } : choice }),
    ...(format && { text: { format: "schema" in format ? { ...format, name: "answer" } : format } }),
    ...(logprobs !== undefined && { include: ["message.output_text.logprobs"], top_logprobs: logprobs }),
    ...common(wish),
  };
}
