import fc from "fast-check";
import { accumulateResponse } from "openai/lib/responses/ResponseAccumulator";
import type { Response, ResponseStreamEvent } from "openai/resources/responses/responses";
import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { ShimmyError } from "../../../contract/errors.ts";
import type { GenerationEvent } from "../../../contract/generation.ts";
import { CONTEXT, finished, MODEL, play, progress, started, text, token } from "../test-support.ts";
import { compactionAnswer, inputTokensAnswer, responseAnswer } from "./answer-schema.ts";
import { decodeCompaction, decodeInputTokens, decodeResponse } from "./decode.ts";
import { encodeCompaction, encodeInputTokens, encodeStreamResponse, encodeWholeResponse, failedFrames } from "./encode.ts";
import { replayFrames } from "./replay.ts";

const context = { ...CONTEXT, requestId: "0123456789abcdef0123456789abcdef" };
const callWith = (fields: object = {}) => decodeResponse({ model: "m", input: "Hi", ...fields }, context);
const whole = (events: readonly GenerationEvent[], fields: object = {}) => encodeWholeResponse(callWith(fields), MODEL, play(events));

/** The events of frames, each checked for its form and its number. */
async function read(frames: AsyncIterable<string> | Iterable<string>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  for await (const frame of frames) {
    const [, name, data] = /^event: (\S+)\ndata: ([^\n]*)\n\n$/.exec(frame) ?? [];
    const event = JSON.parse(data!) as ResponseStreamEvent;
    expect(event).toMatchObject({ type: name, sequence_number: events.length });
    events.push(event);
  }
  return events;
}

const stream = (events: readonly GenerationEvent[], fields: object = {}) =>
  read(encodeStreamResponse(callWith({ stream: true, ...fields }), MODEL, play(events)));

/** As OpenAI's own client adds them up; without the last event too. */
function fold(events: readonly ResponseStreamEvent[]): Response {
  let snapshot: Response | undefined;
  for (const event of events) snapshot = accumulateResponse(event, snapshot);
  return snapshot!;
}

const reasoning = (piece: string): GenerationEvent => ({ type: "reasoning", choice: 0, text: piece, tokens: 1 });
const call = (index: number, args: string, head?: { id: string; name: string }): GenerationEvent => ({
  type: "toolCall",
  choice: 0,
  call: index,
  arguments: args,
  tokens: 1,
  ...head,
});
const TOOLS = [
  { type: "function", name: "look", parameters: { type: "object" }, strict: false },
  { type: "custom", name: "apply_patch" },
  { type: "namespace", name: "mcp__docs", description: "", tools: [{ type: "function", name: "search" }] },
];
const STORY = [started(7), text("Once"), text(" upon"), finished()];
const base = context.requestId;

describe("a whole answer", () => {
  test("T69 has every field of the type", async () => {
    const answer = await whole(STORY, { metadata: { a: "b" }, previous_response_id: null, temperature: 0.5 });
    expect(answer).toEqual({
      id: `resp_${base}`,
      object: "response",
      created_at: 1_700_000_000,
      completed_at: 1_700_000_001,
      status: "completed",
      background: false,
      error: null,
      incomplete_details: null,
      instructions: null,
      max_output_tokens: null,
      max_tool_calls: null,
      metadata: { a: "b" },
      model: 'tiny "q8"',
      output: [
        {
          id: `msg_${base}_0`,
          type: "message",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: "Once upon", annotations: [], logprobs: [] }],
        },
      ],
      parallel_tool_calls: true,
      previous_response_id: null,
      prompt_cache_key: null,
      reasoning: { effort: null, summary: null },
      safety_identifier: null,
      service_tier: "default",
      store: true,
      temperature: 0.5,
      text: { format: { type: "text" } },
      tool_choice: "auto",
      tools: [],
      top_logprobs: 0,
      top_p: null,
      truncation: "disabled",
      user: null,
      usage: {
        input_tokens: 7,
        input_tokens_details: { cached_tokens: 3, cache_write_tokens: 0 },
        output_tokens: 2,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 9,
      },
    });
  });

  test("thought, text and calls are items in their order", async () => {
    const events = [
      started(7),
      reasoning("h"),
      reasoning("m"),
      text("\n\n"),
      text("Looking"),
      call(0, "", { id: "call_a", name: "look" }),
      call(0, '{"a":'),
      call(0, "1}"),
      text("\n"),
      call(1, "", { id: "call_b", name: "apply_patch" }),
      call(1, '{"input":"*** B\\n'),
      call(1, 'x"}'),
      call(2, "", { id: "call_c", name: "mcp__docs__search" }),
      call(2, "{}"),
      finished(0, { reason: "tool_calls", reasoningTokens: 2 }),
    ];
    const { output, usage, status } = await whole(events, { tools: TOOLS });
    expect(output).toEqual([
      { id: `rs_${base}_0`, type: "reasoning", status: "completed", summary: [], content: [{ type: "reasoning_text", text: "hm" }] },
      expect.objectContaining({
        id: `msg_${base}_1`,
        content: [{ type: "output_text", text: "\n\nLooking", annotations: [], logprobs: [] }],
      }),
      { id: `fc_${base}_2`, type: "function_call", call_id: "call_a", name: "look", arguments: '{"a":1}', status: "completed" },
      { id: `ctc_${base}_3`, type: "custom_tool_call", call_id: "call_b", name: "apply_patch", input: "*** B\nx", status: "completed" },
      {
        id: `fc_${base}_4`,
        type: "function_call",
        call_id: "call_c",
        name: "search",
        namespace: "mcp__docs",
        arguments: "{}",
        status: "completed",
      },
    ]);
    expect(usage?.output_tokens_details).toEqual({ reasoning_tokens: 2 });
    expect(status).toBe("completed");
  });

  test("one that met its limit is incomplete, and so is its last item", async () => {
    const answer = await whole([started(), text("Onc"), finished(0, { reason: "length" })]);
    expect(answer).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, completed_at: null });
    expect(answer.output).toMatchObject([{ status: "incomplete" }]);
  });

  test("one of nothing is a message of nothing", async () => {
    expect((await whole([started(), finished()])).output).toMatchObject([{ type: "message", content: [{ text: "" }] }]);
  });

  test("T27 has logprobs where they were asked for", async () => {
    const events = [started(), text("é", 0, [token("é", -0.25)]), finished()];
    const { output } = await whole(events, { include: ["message.output_text.logprobs"], top_logprobs: 1 });
    const entry = { token: "é", bytes: [0xc3, 0xa9], logprob: -0.25 };
    expect(output).toMatchObject([{ content: [{ logprobs: [{ ...entry, top_logprobs: [entry] }] }] }]);
  });

  test("fails with the error of its events, and with one when they end too early", async () => {
    await expect(whole([started(), text("a")])).rejects.toThrow(ShimmyError);
    await expect(whole([started(), call(0, "{}"), finished()])).rejects.toThrow(ShimmyError);
  });
});

describe("a stream", () => {
  test("T69 tells in the full order of events, numbered from 0", async () => {
    const events = await stream([started(), progress(3), text("Once"), text(" upon"), finished()]);
    expect(events.map(({ type }) => type)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(events[0]).toMatchObject({
      response: { status: "in_progress", output: [], error: null, background: false, usage: null },
    });
  });

  test("T69 thoughts are reasoning_text, or a summary where one was asked for", async () => {
    const events = [started(), reasoning("h"), reasoning("m"), text("A"), finished()];
    const typesOf = async (fields: object) => (await stream(events, fields)).map(({ type }) => type).slice(2, 9);
    expect(await typesOf({})).toEqual([
      "response.output_item.added",
      "response.content_part.added",
      "response.reasoning_text.delta",
      "response.reasoning_text.delta",
      "response.reasoning_text.done",
      "response.content_part.done",
      "response.output_item.done",
    ]);
    expect(await typesOf({ reasoning: { summary: "auto" } })).toEqual([
      "response.output_item.added",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done",
      "response.output_item.done",
    ]);
  });

  test("calls are told by their deltas; half a call is never told as done", async () => {
    const head = [started(), call(0, "", { id: "call_a", name: "look" }), call(0, '{"a":'), call(0, "1}")];
    const told = (await stream([...head, finished(0, { reason: "tool_calls" })], { tools: TOOLS })).map(({ type }) => type).slice(2);
    expect(told).toEqual([
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const cut = await stream([...head, finished(0, { reason: "length" })], { tools: TOOLS });
    expect(cut.map(({ type }) => type).filter((type) => type.endsWith(".done"))).toEqual([]);
    expect(fold(cut)).toMatchObject({
      status: "incomplete",
      output: [{ type: "function_call", status: "incomplete", arguments: '{"a":1}' }],
    });
  });

  test("T7 an error before the first event is thrown; later it is response.failed, and the last one", async () => {
    const failing = async function* (events: readonly GenerationEvent[]) {
      yield* events;
      throw new ShimmyError("engine_gone", { model: "m", reason: "it crashed" });
    };
    const failed = (events: readonly GenerationEvent[]) => read(encodeStreamResponse(callWith({ stream: true }), MODEL, failing(events)));
    await expect(failed([])).rejects.toThrow(ShimmyError);
    const last = (await failed([started(), text("Onc")])).at(-1);
    expect(last).toMatchObject({
      type: "response.failed",
      response: {
        status: "failed",
        error: { code: "server_error", message: expect.stringContaining("it crashed") },
        output: [{ status: "incomplete" }],
      },
    });
  });

  test("T7 a stream whose headers are out before its first event fails with response.failed too", async () => {
    const frames = failedFrames(callWith(), MODEL, new ShimmyError("queue_full", { model: "m", queued: 3 }));
    const events = await read(frames.split(/(?<=\n\n)/));
    expect(events.map(({ type }) => type)).toEqual(["response.created", "response.in_progress", "response.failed"]);
    expect(fold(events)).toMatchObject({ error: { code: "rate_limit_exceeded" } });
  });

  test("one that was called off ends as cancelled with what there is", async () => {
    const cancelled = async function* () {
      yield* [started(), text("Onc")];
      throw new ShimmyError("client_closed");
    };
    const events = await read(encodeStreamResponse(callWith({ stream: true }), MODEL, cancelled(), { cancelled: () => true }));
    expect(events.at(-1)).toMatchObject({
      type: "response.incomplete",
      response: { status: "cancelled", output: [{ status: "incomplete" }] },
    });
  });
});

const piece = fc.oneof(
  fc.string({ unit: "grapheme" }).map((value) => text(value, 0, [token(value)])),
  fc.constantFrom(" ", "\n").map((value) => text(value)),
  fc.string({ unit: "grapheme" }).map(reasoning),
);
const aCall = fc.record({
  name: fc.constantFrom("look", "apply_patch", "mcp__docs__search", "unknown"),
  input: fc.string({ unit: "grapheme" }),
  cuts: fc.array(fc.nat(50), { maxLength: 4 }),
});
const anyAnswer = fc
  .record({
    parts: fc.array(fc.oneof(fc.array(piece, { maxLength: 4 }), aCall), { maxLength: 8 }),
    reason: fc.constantFrom("stop" as const, "length" as const, "tool_calls" as const),
  })
  .map(({ parts, reason }) => {
    let calls = 0;
    const events = parts.flatMap((part) => {
      if (Array.isArray(part)) return part;
      const json = JSON.stringify({ input: part.input });
      const at = [0, ...part.cuts.map((cut) => cut % json.length), json.length].sort((a, b) => a - b);
      const index = calls++;
      return [
        call(index, "", { id: `call_${index}`, name: part.name }),
        ...at.slice(1).map((end, place) => call(index, json.slice(at[place], end))),
      ];
    });
    return [started(), ...events, finished(0, { reason })];
  });

describe("folding the stream", () => {
  const fields = fc.constantFrom({ tools: TOOLS }, { tools: TOOLS, reasoning: { summary: "auto" }, top_logprobs: 1 });

  test("gives the whole answer, by OpenAI's own client, with and without the last event", async () => {
    await fc.assert(
      fc.asyncProperty(anyAnswer, fields, async (events, wanted) => {
        const told = await stream(events, wanted);
        const answer = await whole(events, wanted);
        expect(z.safeParse(responseAnswer, answer).error).toBeUndefined();
        expect(fold(told)).toMatchObject(JSON.parse(JSON.stringify(answer)));
        // The deltas alone say the same; only half a call is not told to its end.
        const { output } = fold(told.slice(0, -1));
        const last = answer.output.at(-1);
        const half = answer.status === "incomplete" && /call$/.test(last?.type ?? "");
        const count = half ? answer.output.length - 1 : answer.output.length;
        expect(output.slice(0, count)).toEqual(JSON.parse(JSON.stringify(answer.output.slice(0, count))));
        // An agent acts on what is done; the ids are unique.
        expect(new Set(answer.output.map(({ id }) => id)).size).toBe(answer.output.length);
      }),
    );
  });

  test("so does a replay of what was kept, from any event on", async () => {
    await fc.assert(
      fc.asyncProperty(anyAnswer, fields, fc.nat(20), async (events, wanted, after) => {
        const answer = JSON.parse(JSON.stringify(await whole(events, wanted)));
        const replayed = await read(replayFrames(answer));
        expect(fold(replayed)).toMatchObject(answer);
        const later = [...replayFrames(answer, after)];
        expect(later).toHaveLength(Math.max(0, replayed.length - after - 1));
      }),
    );
  });
});

describe("the relatives", () => {
  const summary = [started(), reasoning("hm"), text("They want"), text(" tea.\n"), finished(0, { reason: "length" })];

  test("a compaction is one item, which is understood when it comes back", async () => {
    const answer = await encodeCompaction(decodeCompaction({ model: "m", input: "Tea!" }, context), MODEL, play(summary));
    expect(answer).toMatchObject({
      object: "response.compaction",
      output: [{ type: "compaction", id: `cmp_${base}_0` }],
      usage: { input_tokens: 7 },
    });
    expect(answer.output).toHaveLength(1);
    expect(z.safeParse(compactionAnswer, answer).error).toBeUndefined();
    const { prompt } = callWith({ input: [...answer.output, { role: "user", content: "Now" }] }).request;
    expect(prompt).toMatchObject({
      messages: [{ role: "user", content: "Summary of the conversation so far:\n\nThey want tea." }, { content: "Now" }],
    });
  });

  test("a trigger gives exactly one compaction item in the stream, and a completed response", async () => {
    const events = await stream(summary, { input: [{ role: "user", content: "Tea!" }, { type: "compaction_trigger" }] });
    expect(events.map(({ type }) => type)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(fold(events).output).toMatchObject([{ type: "compaction" }]);
  });

  test("a count is that of the prompt, and nothing is read beyond it", async () => {
    let read = 0;
    const events = async function* () {
      for (const event of [started(12), text("a"), finished()]) {
        read++;
        yield event;
      }
    };
    const call = decodeInputTokens({ model: "m", input: "Hi" }, context);
    const counted = await encodeInputTokens(call, MODEL, events());
    expect(z.safeParse(inputTokensAnswer, counted).error).toBeUndefined();
    expect(counted).toEqual({ object: "response.input_tokens", input_tokens: 12 });
    expect(read).toBe(1);
  });

  test("a prompt that is too long is counted too", async () => {
    const events = async function* (): AsyncGenerator<GenerationEvent> {
      yield* [];
      throw new ShimmyError("context_length_exceeded", { n_prompt_tokens: 9000, n_ctx: 4096 });
    };
    const call = decodeInputTokens({ model: "m", input: "Hi" }, context);
    expect(await encodeInputTokens(call, MODEL, events())).toMatchObject({ input_tokens: 9000 });
  });
});
