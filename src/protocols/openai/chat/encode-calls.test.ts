import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GenerationEvent } from "../../../contract/generation.ts";
import { finished, reasoning, started, text, token, toolCall } from "../test-support.ts";
import { stream, whole } from "./test-support.ts";

describe("T36 calls of tools", () => {
  const tools = [
    { type: "function", function: { name: "f" } },
    { type: "function", function: { name: "g" } },
  ];
  const called = finished(0, { reason: "tool_calls" });
  const ONE = [started(), ...toolCall("f", ['{"a"', ":1}"]), called];

  test("a whole answer has them behind a null content", async () => {
    const [choice] = (await whole(ONE, { tools })).choices;
    expect(choice).toEqual({
      index: 0,
      message: {
        role: "assistant",
        content: null,
        refusal: null,
        tool_calls: [{ id: "call_00", type: "function", function: { name: "f", arguments: '{"a":1}' } }],
      },
      logprobs: null,
      finish_reason: "tool_calls",
    });
  });

  test("a stream tells index, id, type, name and empty arguments first, then index and fragments", async () => {
    const { chunks } = await stream(ONE, { tools });
    expect(chunks.map(({ choices }) => choices[0])).toEqual([
      { index: 0, delta: { role: "assistant", content: "" }, finish_reason: null },
      {
        index: 0,
        delta: { tool_calls: [{ index: 0, id: "call_00", type: "function", function: { name: "f", arguments: "" } }] },
        finish_reason: null,
      },
      { index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] }, finish_reason: null },
      { index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: "tool_calls" },
    ]);
  });

  test("T40 several calls of several choices keep their own index and choice", async () => {
    const events = [
      started(),
      ...toolCall("f", ["{}"], 0, 1),
      ...toolCall("f", ["{}"], 0, 0),
      ...toolCall("g", ["[1", "]"], 1, 1),
      finished(1, { reason: "tool_calls" }),
      finished(0, { reason: "tool_calls" }),
    ];
    const { chunks } = await stream(events, { tools, n: 2 });
    const told = chunks
      .flatMap(({ choices }) => choices)
      .flatMap(({ index, delta }) =>
        (delta.tool_calls ?? []).map((call) => [index, call.index, call.function?.name ?? call.function?.arguments]),
      );
    expect(told).toEqual([
      [1, 0, "f"],
      [1, 0, "{}"],
      [0, 0, "f"],
      [0, 0, "{}"],
      [1, 1, "g"],
      [1, 1, "[1"],
      [1, 1, "]"],
    ]);
    expect((await whole(events, { tools, n: 2 })).choices[1]?.message.tool_calls?.map(({ id }) => id)).toEqual(["call_10", "call_11"]);
  });

  test("T41 text beside calls is told too", async () => {
    const events = [started(), text("Let me see."), ...toolCall("f", ["{}"]), called];
    const { message } = (await whole(events, { tools })).choices[0]!;
    expect([message.content, message.tool_calls?.length]).toEqual(["Let me see.", 1]);
  });

  test("T3 no later delta says a role or an empty content", async () => {
    const { frames } = await stream([started(), reasoning("hm"), text("a"), ...toolCall("f", ["{}"]), called], { tools });
    for (const frame of frames.slice(1)) expect(frame).not.toMatch(/"role"|"content":(null|"")/);
  });

  test.each([
    ["stop", "stop", [text("a")]],
    ["tool_calls", "stop", [text("a")]],
    ["length", "length", [text("a")]],
    ["stop", "tool_calls", toolCall("f", ["{}"])],
    ["tool_calls", "tool_calls", toolCall("f", ["{}"])],
    ["length", "length", toolCall("f", ['{"a'])],
  ] as const)("T37, T38 an end by %s is told as %s", async (reason, told, events) => {
    const all = [started(), ...events, finished(0, { reason })];
    expect((await whole(all, { tools })).choices[0]?.finish_reason).toBe(told);
    expect((await stream(all, { tools })).chunks.at(-1)?.choices[0]?.finish_reason).toBe(told);
  });

  test("T39 a call without arguments has an empty object", async () => {
    const [call] = (await whole([started(), ...toolCall("f", ["{}"]), called], { tools })).choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ function: { name: "f", arguments: "{}" } });
  });

  test("T44 quotes, line breaks and marks in arguments survive", async () => {
    const json = JSON.stringify({ a: 'é😀"\n\u2028</tool_call><x>"', b: "\\" });
    const { frames, chunks } = await stream([started(), ...toolCall("f", [json]), called], { tools });
    for (const frame of frames) expect(frame).toMatch(/^data: [^\n\r]+\n\n$/);
    expect(chunks[2]?.choices[0]?.delta.tool_calls?.[0]?.function?.arguments).toBe(json);
  });

  test("a caller of functions gets one function_call, and the finish_reason of its time", async () => {
    const functions = [{ name: "f" }];
    const two = [started(), ...toolCall("f", ["{", "}"]), ...toolCall("g", ["{}"], 1), called];
    const [choice] = (await whole(two, { functions })).choices;
    expect(choice?.message).toEqual({ role: "assistant", content: null, refusal: null, function_call: { name: "f", arguments: "{}" } });
    expect(choice?.finish_reason).toBe("function_call");
    const { chunks } = await stream(two, { functions });
    expect(chunks.map(({ choices }) => choices[0]?.delta)).toEqual([
      { role: "assistant", content: "" },
      { function_call: { name: "f", arguments: "" } },
      { function_call: { arguments: "{" } },
      { function_call: { arguments: "}" } },
      {},
    ]);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("function_call");
  });
});

describe("T50 thoughts", () => {
  const THINKS = [
    started(),
    reasoning("Hm", 0, 3),
    reasoning("", 0),
    reasoning('"m.', 0, 2),
    text("Yes."),
    finished(0, { completionTokens: 6 }),
  ];

  test("stand beside the content under both of their names", async () => {
    const { message } = (await whole(THINKS)).choices[0]!;
    expect(message).toEqual({ role: "assistant", content: "Yes.", refusal: null, reasoning_content: 'Hm"m.', reasoning: 'Hm"m.' });
    const { chunks } = await stream(THINKS);
    expect(chunks.map(({ choices }) => choices[0]?.delta)).toEqual([
      { role: "assistant", content: "" },
      { reasoning_content: "Hm", reasoning: "Hm" },
      { reasoning_content: '"m.', reasoning: '"m.' },
      { content: "Yes." },
      {},
    ]);
  });

  test("are not told where the caller wants them hidden, and counted all the same", async () => {
    const hidden = { reasoning: { exclude: true } };
    const answer = await whole(THINKS, hidden);
    expect(answer.choices[0]?.message).toEqual({ role: "assistant", content: "Yes.", refusal: null });
    expect(answer.usage.completion_tokens_details).toEqual({ reasoning_tokens: 6 });
    expect((await stream(THINKS, hidden)).frames.join("")).not.toContain("reasoning");
  });

  test("T13 their tokens are counted, in all and on their own, as the engine says or as they came", async () => {
    const usageOf = async (events: readonly GenerationEvent[], fields: object = {}) => (await whole(events, fields)).usage;
    expect(await usageOf(THINKS)).toMatchObject({ completion_tokens: 6, completion_tokens_details: { reasoning_tokens: 6 } });
    const told = [started(), text("a"), finished(0, { reasoningTokens: 0 })];
    expect((await usageOf(told)).completion_tokens_details).toEqual({ reasoning_tokens: 0 });
    expect(await usageOf([started(), text("a"), finished()])).not.toHaveProperty("completion_tokens_details");
    const both = [started(), finished(0, { reasoningTokens: 4 }), reasoning("x", 1, 5), finished(1)];
    expect((await usageOf(both, { n: 2 })).completion_tokens_details).toEqual({ reasoning_tokens: 9 });
  });

  test("T12 usage in mid-stream counts the thoughts so far", async () => {
    const { chunks } = await stream(THINKS, { stream_options: { include_usage: true, continuous_usage_stats: true } });
    expect(chunks.map(({ usage }) => usage?.completion_tokens_details?.reasoning_tokens)).toEqual([undefined, 3, 6, 6, 6, 6]);
  });

  test("the frame of a piece is what JSON.stringify makes of the whole chunk", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", minLength: 1 }), fc.boolean(), async (piece, include_usage) => {
        const options = { stream_options: { include_usage } };
        const { frames } = await stream([started(), reasoning(piece), ...toolCall("f", [piece]), finished()], options);
        const chunks = frames.slice(1, 4).map((frame) => JSON.parse(frame.slice("data: ".length)));
        expect(frames.slice(1, 4)).toEqual(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`));
        expect(chunks[0].choices[0].delta).toEqual({ reasoning_content: piece, reasoning: piece });
        expect(chunks[2].choices[0].delta).toEqual({ tool_calls: [{ index: 0, function: { arguments: piece } }] });
      }),
    );
  });
});

describe("T25 logprobs beside thoughts and calls", () => {
  const withTokens = (event: GenerationEvent): GenerationEvent => ({ ...event, logprobs: [token("t")] }) as GenerationEvent;
  const [open, fragment] = toolCall("f", ["{}"]) as [GenerationEvent, GenerationEvent];
  const events = [
    started(),
    withTokens(reasoning("hm")),
    text("", 0, [token("a")]), // held back, its token already told
    text("ab", 0, [token("b")]),
    withTokens(open),
    withTokens(fragment),
    finished(0, { reason: "tool_calls" }),
  ];

  test("are those of the content alone, and none of them is lost while text is held back", async () => {
    const [choice] = (await whole(events, { logprobs: true })).choices;
    expect(choice?.logprobs?.content?.map(({ token }) => token)).toEqual(["a", "b"]);
    const { chunks } = await stream(events, { logprobs: true });
    expect(chunks.map(({ choices }) => choices[0]?.logprobs?.content?.map(({ token }) => token))).toEqual([
      undefined,
      undefined,
      ["a"],
      ["b"],
      undefined,
      undefined,
      undefined,
    ]);
  });
});
