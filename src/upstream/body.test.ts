import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GenerationRequest } from "../contract/generation.ts";
import { decodeChat } from "../protocols/openai/chat/decode.ts";
import { decodeCompletion } from "../protocols/openai/completions/decode.ts";
import { upstreamCall } from "./body.ts";
import { listingOf } from "./listing.ts";
import { remoteTable } from "./table.ts";

const CONTEXT = { requestId: "r1", now: 0, defaults: {} };

/** Fields as callers send them. */
const fields = fc.record(
  {
    temperature: fc.constantFrom(0, 0.7, 2),
    top_p: fc.constantFrom(0.5, 1),
    top_k: fc.constantFrom(0, 40),
    min_p: fc.constantFrom(0, 0.1),
    repeat_penalty: fc.constantFrom(1, 1.1),
    seed: fc.nat(),
    logit_bias: fc.constant({ "5": -100 }),
    max_tokens: fc.nat(1000),
    stop: fc.constantFrom(["a"], ["a", "b"]),
    n: fc.integer({ min: 1, max: 4 }),
    cache_prompt: fc.constant(false),
    ignore_eos: fc.constant(true),
    keep_alive: fc.constantFrom("5m", -1, 0),
    "speculative.n_max": fc.nat(8),
  },
  { requiredKeys: [] },
);
const chatFields = fc.record(
  {
    logprobs: fc.constant(true),
    parallel_tool_calls: fc.constant(false),
    tools: fc.constant([{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }]),
    reasoning_effort: fc.constantFrom("low", "high"),
    enable_thinking: fc.boolean(),
    chat_template_kwargs: fc.constant({ a: 1 }),
    response_format: fc.constant({ type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } }),
  },
  { requiredKeys: [] },
);
const messages = [
  { role: "user", content: "Hello" },
  { role: "assistant", content: "", tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }] },
  { role: "tool", tool_call_id: "1", content: "42" },
];

describe("what a Shimmy is asked by another one is the same request", () => {
  test("of a chat", () => {
    fc.assert(
      fc.property(fields, chatFields, (common, chat) => {
        const { request } = decodeChat({ model: "tiny", messages, ...common, ...chat }, CONTEXT);
        const { path, body } = upstreamCall(request, "tiny", "shimmy");
        expect(path).toBe("/v1/chat/completions");
        expect(decodeChat(JSON.parse(JSON.stringify(body)), CONTEXT).request).toEqual(request);
      }),
    );
  });

  test("of a text, tokens or a gap", () => {
    const prompt = fc.constantFrom(
      { prompt: "Once" },
      { prompt: [1, 2, 3] },
      { prompt: "a", suffix: "b" },
      { prompt: "a", grammar: 'root ::= "x"' },
    );
    fc.assert(
      fc.property(fields, prompt, (common, asked) => {
        const { request } = decodeCompletion({ model: "tiny", ...common, ...asked }, CONTEXT);
        const { path, body } = upstreamCall(request, "tiny", "shimmy");
        expect(path).toBe("/v1/completions");
        expect(decodeCompletion(JSON.parse(JSON.stringify(body)), CONTEXT).request).toEqual(request);
      }),
    );
  });
});

describe("other servers", () => {
  const request: GenerationRequest = {
    id: "r1",
    model: "m",
    prompt: { kind: "text", text: "Once" },
    choices: 1,
    stop: [],
    sampling: { repeatPenalty: 1.1, topK: 0 },
  };

  test("are asked in their words", () => {
    expect(upstreamCall(request, "m", "vllm").body).toMatchObject({ repetition_penalty: 1.1, top_k: -1, max_tokens: null });
    expect(upstreamCall(request, "m", "llama-server").body).toMatchObject({ repeat_penalty: 1.1, top_k: 0 });
  });

  test("are asked not to end early in the word that llama-server and vLLM share", () => {
    for (const dialect of ["llama-server", "vllm", "other"] as const)
      expect(upstreamCall({ ...request, ignoreEnd: true }, "m", dialect).body).toMatchObject({ ignore_eos: true });
    expect(upstreamCall(request, "m", "vllm").body).not.toHaveProperty("ignore_eos");
  });

  test("are not asked for what they cannot do, and that is said", () => {
    const refused = (more: Partial<GenerationRequest>) => () => upstreamCall({ ...request, ...more }, "m", "vllm");
    expect(refused({ constraint: { gbnf: 'root ::= "x"' } })).toThrow(/grammar/);
    expect(refused({ promptLogprobs: true })).toThrow(/log probabilities/);
  });
});

describe("the models of several upstreams", () => {
  const lister = (name: string, ...data: readonly object[]) => ({ name, listing: listingOf(JSON.stringify({ data })) });
  const big = { id: "m", size: 2_000_000 };
  const small = { id: "m", size: 1_000_000 };

  test("are one where nothing shows that they are not", () => {
    const table = remoteTable([lister("a", big), lister("b", { id: "m" }), lister("c", big)], []);
    expect([...table].map(([id, { members }]) => [id, members.map(({ upstream }) => upstream.name)])).toEqual([["m", ["a", "b", "c"]]]);
  });

  test("of one name and another size are told apart, and what is local keeps its name", () => {
    const [local] = listingOf(JSON.stringify({ data: [small] })).models;
    const table = remoteTable([lister("a", big), lister("b", small)], [local!.info]);
    expect([...table].map(([id, group]) => [id, group.local])).toEqual([
      ["m@a", false],
      ["m", true],
    ]);
  });

  test("of any list are models or a failure", () => {
    const entry = fc.record({
      id: fc.oneof(fc.string(), fc.jsonValue()),
      size: fc.jsonValue(),
      meta: fc.jsonValue(),
      status: fc.jsonValue(),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(entry, fc.jsonValue())), (data) => {
        for (const { info } of listingOf(JSON.stringify({ data })).models) expect([info.path, info.source]).toEqual(["", "upstream"]);
      }),
    );
    for (const text of ["", "[]", "{}", "null", '{"data":1}']) expect(() => listingOf(text)).toThrow(/list of models/);
  });
});
