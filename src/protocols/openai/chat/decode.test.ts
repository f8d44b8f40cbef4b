import type { ChatCompletionCreateParams } from "openai/resources/chat/completions";
import { describe, expect, test } from "vitest";
import { CONTEXT, refusal } from "../test-support.ts";
import { decodeChat } from "./decode.ts";

const messages = [{ role: "user", content: "Hello" }];
const decode = (fields: object = {}) => decodeChat({ model: "tiny", messages, ...fields }, CONTEXT);
const refuse = (fields: object) => refusal(() => decode(fields));
const promptWith = (list: readonly object[], fields: object = {}) => {
  const { prompt } = decode({ messages: list, ...fields }).request;
  if (prompt.kind !== "chat") throw new Error(`A chat became ${prompt.kind}`);
  return prompt;
};

describe("a bare request", () => {
  test("has the defaults of llama.cpp's server, one choice and no limit", () => {
    expect(decode()).toEqual({
      id: "chatcmpl-r1",
      created: 1_700_000_000,
      stream: false,
      includeUsage: false,
      continuousUsage: false,
      legacyFunctions: false,
      hidesReasoning: false,
      request: {
        id: "r1",
        model: "tiny",
        choices: 1,
        stop: [],
        sampling: {},
        prompt: { kind: "chat", messages: [{ role: "user", content: "Hello" }] },
      },
    });
  });

  test("without a model asks for the default one", () => {
    expect(decodeChat({ messages }, CONTEXT).request.model).toBe("default");
    expect(decode({ model: "" }).request.model).toBe("default");
  });

  test("takes the limit of the configuration, which the caller may lift", () => {
    const context = { ...CONTEXT, defaults: { maxTokens: 50 } };
    expect(decodeChat({ messages }, context).request.maxTokens).toBe(50);
    expect(decodeChat({ messages, max_tokens: 60 }, context).request.maxTokens).toBe(60);
    expect(decodeChat({ messages, max_tokens: -1 }, context).request.maxTokens).toBeUndefined();
  });
});

describe("accepted fields", () => {
  test("T5 null for every optional field is the same as none", () => {
    const optional =
      "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_output_tokens max_tokens metadata min_p mirostat mirostat_eta mirostat_tau modalities model n n_predict num_predict parallel_tool_calls prediction presence_penalty reasoning_effort repeat_last_n repeat_penalty repetition_penalty response_format seed service_tier stop store stream stream_options temperature tool_choice tools top_k top_logprobs top_p typical_p user chat_template_kwargs reasoning include_reasoning think enable_thinking thinking thinking_budget thinking_budget_tokens reasoning_budget reasoning_format";
    const nulls = Object.fromEntries(optional.split(" ").map((name) => [name, null]));
    expect(decode({ ...nulls, model: "tiny" })).toEqual(decode());
  });

  test("T5 unknown fields are ignored", () => {
    expect(decode({ cache_prompt: true, foo: { bar: [1] }, messages })).toEqual(decode());
  });

  test("progress is asked for with return_progress, of a stream only", () => {
    expect(decodeChat({ messages, stream: true, return_progress: true }, CONTEXT).request.progress).toBe(true);
    expect(decodeChat({ messages, return_progress: true }, CONTEXT).request).not.toHaveProperty("progress");
    expect(decodeChat({ messages, stream: true, return_progress: false }, CONTEXT).request).not.toHaveProperty("progress");
  });

  test("every sampling field arrives", () => {
    const fields = {
      temperature: 0,
      top_p: 0.5,
      top_k: 7,
      min_p: 0.1,
      typical_p: 0.9,
      repeat_penalty: 1.2,
      repeat_last_n: -1,
      mirostat: 2,
      mirostat_tau: 4,
      mirostat_eta: 0.2,
      seed: 42,
      presence_penalty: -2,
      frequency_penalty: 2,
      logit_bias: { "50": -100, "7": 3.5 },
    };
    expect(decode(fields).request.sampling).toEqual({
      temperature: 0,
      topP: 0.5,
      topK: 7,
      minP: 0.1,
      typicalP: 0.9,
      repeatPenalty: 1.2,
      repeatLastN: -1,
      mirostat: 2,
      mirostatTau: 4,
      mirostatEta: 0.2,
      seed: 42,
      presencePenalty: -2,
      frequencyPenalty: 2,
      logitBias: [
        [7, 3.5],
        [50, -100],
      ],
    });
    expect(decode({ repetition_penalty: 1.3 }).request.sampling.repeatPenalty).toBe(1.3);
    expect(decode({ top_k: -1 }).request.sampling.topK).toBe(0);
  });

  test.each([
    [0, 0],
    [-1, undefined],
    [2 ** 32 - 1, undefined],
    [2 ** 32 + 5, 5],
    [-2, 2 ** 32 - 2],
    [2 ** 63, 0],
  ])("seed %d becomes %s in 32 bits", (seed, expected) => {
    expect(decode({ seed }).request.sampling.seed).toBe(expected);
  });

  test.each([["max_tokens"], ["max_completion_tokens"], ["max_output_tokens"], ["n_predict"], ["num_predict"]])(
    "T18 %s limits the tokens",
    (name) => {
      expect(decode({ [name]: 0 }).request.maxTokens).toBe(0);
      expect(decode({ [name]: 1 }).request.maxTokens).toBe(1);
      expect(decode({ [name]: 1e12 }).request.maxTokens).toBe(2 ** 31 - 1);
      expect(decode({ [name]: -1 }).request.maxTokens).toBeUndefined();
    },
  );

  test.each([
    ["\n", ["\n"]],
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [null, []],
    [[""], []],
    ["", []],
  ])("T17 stop %j becomes %j", (stop, expected) => {
    expect(decode({ stop }).request.stop).toEqual(expected);
  });

  test("T25 logprobs: true alone reports no alternatives", () => {
    expect(decode({ logprobs: true }).request.topLogprobs).toBe(0);
    expect(decode({ logprobs: true, top_logprobs: 5 }).request.topLogprobs).toBe(5);
    expect(decode({ logprobs: false }).request.topLogprobs).toBeUndefined();
    expect(refuse({ top_logprobs: 2 })).toMatchObject({ param: "top_logprobs" });
  });

  test("continuous usage counts only together with include_usage", () => {
    expect(decode({ stream: true, stream_options: { include_usage: true, continuous_usage_stats: true } })).toMatchObject({
      stream: true,
      includeUsage: true,
      continuousUsage: true,
    });
    expect(decode({ stream_options: { continuous_usage_stats: true } })).toMatchObject({ includeUsage: false, continuousUsage: false });
  });

  test("a request that uses OpenAI's own type is accepted", () => {
    const body: ChatCompletionCreateParams = {
      model: "tiny",
      messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }],
      response_format: { type: "text" },
      service_tier: "auto",
      reasoning_effort: "low",
      metadata: { a: "b" },
      prediction: { type: "content", content: "x" },
      store: false,
    };
    expect(() => decodeChat(body, CONTEXT)).not.toThrow();
  });
});

describe("T6 a wrong value is a 400 that names the field in words", () => {
  test.each<[object, string, string]>([
    [{ temperature: "hot" }, "temperature", "must be a number, not a string"],
    [{ temperature: -0.1 }, "temperature", "must be at least 0"],
    [{ temperature: 5.5 }, "temperature", "must be at most 5"],
    [{ temperature: Number.POSITIVE_INFINITY }, "temperature", "must be a number, not Infinity"],
    [{ temperature: Number.NaN }, "temperature", "must be a number, not NaN"],
    [{ top_p: 2 }, "top_p", "must be at most 1"],
    [{ top_k: 1.5 }, "top_k", "must be a whole number"],
    [{ repeat_penalty: 0 }, "repeat_penalty", "must be at least 0.01"],
    [{ mirostat: 3 }, "mirostat", "must be one of 0, 1, 2"],
    [{ presence_penalty: 3 }, "presence_penalty", "must be at most 2"],
    [{ n: 0 }, "n", "must be at least 1"],
    [{ n: 17 }, "n", "must be at most 16"],
    [{ max_tokens: -2 }, "max_tokens", "must be at least -1"],
    [{ max_tokens: "5" }, "max_tokens", "must be a number, not a string"],
    [{ stream: "yes" }, "stream", "must be true or false, not a string"],
    [{ stream_options: true }, "stream_options", "must be an object, not a boolean"],
    [{ stream_options: { include_usage: 1 } }, "stream_options.include_usage", "must be true or false, not a number"],
    [{ stop: 5 }, "stop", "must be a string or an array of strings"],
    [{ stop: ["a", 5] }, "stop[1]", "must be a string, not a number"],
    [{ stop: Array(17).fill("a") }, "stop", "must have at most 16 items"],
    [{ stop: "a".repeat(1025) }, "stop", "must have at most 1024 characters"],
    [{ logit_bias: { x: 1 } }, "logit_bias", 'its keys must be token ids, such as "50256"'],
    [{ logit_bias: { "99999999999": 1 } }, "logit_bias", 'its keys must be token ids, such as "50256"'],
    [{ logit_bias: { "5": 101 } }, "logit_bias.5", "must be at most 100"],
    [{ logit_bias: [1] }, "logit_bias", "must be an object, not an array"],
    [{ logprobs: 3 }, "logprobs", "must be true or false, not a number"],
    [{ logprobs: true, top_logprobs: 21 }, "top_logprobs", "must be at most 20"],
    [{ model: 5 }, "model", "must be a string, not a number"],
    [{ messages: undefined }, "messages", "it is required"],
    [{ messages: null }, "messages", "must be an array, not null"],
    [{ messages: [] }, "messages", "must have at least one message"],
    [{ messages: ["hi"] }, "messages[0]", "must be an object, not a string"],
    [{ messages: [...messages, { content: "x" }] }, "messages[1].role", "must be one of"],
    [{ messages: [{ role: "wizard", content: "x" }] }, "messages[0].role", "must be one of"],
    [{ messages: [...messages, ...messages, { role: "user", content: 5 }] }, "messages[2].content", "must be a string, an array"],
    [{ messages: [{ role: "user", content: [{ type: "text" }] }] }, "messages[0].content[0].text", "it is required"],
    [{ messages: [{ role: "user", content: ["x"] }] }, "messages[0].content[0]", "must be an object, not a string"],
    [{ messages: [{ role: "user", name: 5 }] }, "messages[0].name", "must be a string, not a number"],
    [{ messages: [{ role: "assistant", tool_calls: [5] }] }, "messages[0].tool_calls[0]", "must be an object, not a number"],
    [{ tools: ["search"] }, "tools[0]", "must be an object"],
    [{ tool_choice: "sometimes" }, "tool_choice", "must be 'none', 'auto', 'required' or name a function"],
    [{ chat_template_kwargs: [] }, "chat_template_kwargs", "must be an object, not an array"],
  ])("%j", (fields, param, reason) => {
    const refused = refuse(fields);
    expect(refused).toMatchObject({ code: "invalid_value", param });
    expect(refused.reason).toContain(reason);
  });

  test.each([[null], [[]], ["text"], [5], [undefined]])("a body that is %j", (body) => {
    expect(refusal(() => decodeChat(body, CONTEXT))).toMatchObject({ code: "invalid_value", param: "body" });
  });
});

describe("what cannot be granted yet is refused, never ignored", () => {
  test.each<[object, string]>([
    [{ response_format: { type: "json_schema", json_schema: { name: "x" } } }, "response_format.json_schema.schema"],
    [{ response_format: { type: "poem" } }, "response_format.type"],
    [{ grammar: "root ::= y" }, "grammar"],
    [{ guided_choice: ["a"] }, "guided_choice"],
    [{ guided_choice: ["a"] }, "guided_choice"],
    [{ grammar: 'root ::= "y"', tools: [{ type: "function", function: { name: "f" } }] }, "grammar"],
  ])("%j", (fields, param) => {
    expect(refuse(fields)).toMatchObject({ code: "invalid_value", param });
  });

  test("an answer as sound", () => {
    expect(refuse({ modalities: ["text", "audio"], audio: { voice: "a" } })).toMatchObject({
      code: "modality_not_supported",
      param: "modalities",
    });
    expect(() => decode({ modalities: ["text"] })).not.toThrow();
  });
});

describe("T35 the template's own variables", () => {
  const tools = [{ type: "function", function: { name: "f", parameters: { b: 1, a: 2 } } }];

  test("tools and chat_template_kwargs reach the prompt unchanged, key order included", () => {
    const prompt = promptWith(messages, { tools, tool_choice: "auto", chat_template_kwargs: { enable_thinking: false } });
    expect(JSON.stringify(prompt.tools)).toBe(JSON.stringify(tools));
    expect(prompt.templateOptions).toEqual({ enable_thinking: false });
  });
});

describe("wrong lists of any length cost one error, not one for each item", () => {
  test.each<[string, (items: readonly object[]) => object]>([
    ["messages", (items) => ({ messages: items })],
    ["tools", (items) => ({ tools: items })],
    ["content parts", (items) => ({ messages: [{ role: "user", content: items }] })],
    ["tool calls", (items) => ({ messages: [{ role: "assistant", tool_calls: items }] })],
  ])("%s: only the first wrong item is looked at", (_, fieldsOf) => {
    const seen = new Set<number>();
    const wrong = (index: number) => {
      seen.add(index);
      return 5;
    };
    const items = Array.from({ length: 500 }, (_, index) => ({
      get role() {
        return wrong(index);
      },
      get type() {
        return wrong(index);
      },
      get function() {
        return wrong(index);
      },
    }));
    refuse(fieldsOf(items));
    expect(seen).toEqual(new Set([0]));
  });

  test("stop and logit_bias are counted before their items are checked", () => {
    expect(refuse({ stop: Array(17).fill(1) }).reason).toBe("must have at most 16 items");
    const entries = Array.from({ length: 1025 }, (_, id) => [`k${id}`, "x"]);
    expect(refuse({ logit_bias: Object.fromEntries(entries) }).reason).toBe("must have at most 1024 entries");
  });
});

test("keep_alive and ttl say how long the model stays; the first wins, null is absent", () => {
  expect(decode({ keep_alive: "1h30m", ttl: 60, messages }).request.keepAliveMs).toBe(5_400_000);
  expect(decode({ keep_alive: null, ttl: 60, messages }).request.keepAliveMs).toBe(60_000);
  expect(decode({ keep_alive: 0, messages }).request.keepAliveMs).toBe(0);
  expect(decode({ keep_alive: -1, messages }).request.keepAliveMs).toBe(-1);
  expect("keepAliveMs" in decode({ messages }).request).toBe(false);
  expect(() => decode({ ttl: "soon", messages })).toThrow(/'ttl': must be seconds/);
});
