/** The bytes of a stream → events, however they are cut and whatever is in them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent } from "../contract/generation.ts";
import { UpstreamAnswer } from "./answer.ts";
import { failureOf, UpstreamFailure } from "./failure.ts";
import { EventParser } from "./sse.ts";

function* pieces(text: string, cuts: readonly number[] = []) {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
  for (let i = 1; i < at.length; i++) yield text.slice(at[i - 1], at[i]);
}

function eventData(chunks: Iterable<string>): string[] {
  const parser = new EventParser();
  const events = Array.from(chunks, (chunk) => parser.push(chunk)).flat();
  return [...events, ...parser.end()];
}

describe("server-sent events", () => {
  test("are the same however they are cut, with either end of line, comments and names passed over", () => {
    const data = fc.array(
      fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(data, fc.array(fc.nat()), fc.constantFrom("\n", "\r\n"), (list, cuts, end) => {
        const text = list.map((each) => `: ping${end}event: x${end}data: ${each}${end}${end}`).join("");
        expect(eventData(pieces(text, cuts))).toEqual(list);
      }),
    );
  });

  test("of several lines are joined; what is not ended counts", () => {
    expect(eventData(pieces("data: a\ndata:b\n\n\n\ndata: c"))).toEqual(["a\nb", "c"]);
  });

  test("without end are a failure, in one line or in many", () => {
    for (const part of ["x".repeat(100_000), `data: ${"x".repeat(100_000)}\n`]) {
      const endless = function* () {
        yield "data: ";
        for (;;) yield part;
      };
      expect(() => eventData(endless())).toThrow(UpstreamFailure);
    }
  });
});

const chunk = (delta: object, more: object = {}) => JSON.stringify({ choices: [{ index: 0, delta, ...more }] });

function answerOf(data: readonly string[], choices = 1): GenerationEvent[] {
  const reader = new UpstreamAnswer({ choices });
  const events: GenerationEvent[] = [];
  for (const each of data) reader.read(each, events);
  return [...events, ...reader.end()];
}

describe("chunks", () => {
  test("become events, with the usage that comes last", () => {
    const usage = { prompt_tokens: 7, completion_tokens: 9, prompt_tokens_details: { cached_tokens: 3 } };
    const events = answerOf([
      chunk({ role: "assistant", content: "" }),
      chunk({ reasoning_content: "hm" }),
      chunk({ content: "Hi" }),
      chunk({}, { finish_reason: "length", stop_reason: null }),
      JSON.stringify({ choices: [], usage }),
      "[DONE]",
    ]);
    expect(events).toMatchObject([
      { type: "started", promptTokens: 0 },
      { type: "reasoning", text: "hm" },
      { type: "text", text: "Hi" },
      { type: "finished", reason: "length", promptTokens: 7, completionTokens: 9, cachedTokens: 3 },
    ]);
  });

  test("of several choices may each have their usage, as llama-server tells it", () => {
    const usage = (tokens: number) => JSON.stringify({ choices: [], usage: { prompt_tokens: 7, completion_tokens: tokens } });
    const piece = (index: number, more: object) => JSON.stringify({ choices: [{ index, delta: { content: "a" }, ...more }] });
    const end = { finish_reason: "length" };
    const data = [piece(0, {}), piece(1, {}), piece(0, end), usage(3), piece(1, {}), piece(1, end), usage(4)];
    const ends = answerOf(data, 2).flatMap((event) => (event.type === "finished" ? [event] : []));
    expect(ends.map(({ completionTokens }) => completionTokens)).toEqual([4, 3]);
    expect(ends[0]!.promptTokens).toBe(7);
  });

  test("of calls are opened once, and a call without arguments has an object", () => {
    const call = (value: object) => chunk({ tool_calls: [value] });
    const events = answerOf([
      call({ index: 3, id: "a", function: { name: "f", arguments: '{"x"' } }),
      call({ index: 3, function: { arguments: ":1}" } }),
      call({ index: 4, function: { name: "g" } }),
      chunk({}, { finish_reason: "tool_calls" }),
    ]).filter(({ type }) => type === "toolCall");
    expect(events).toMatchObject([
      { call: 0, id: "a", name: "f", arguments: "" },
      { call: 0, arguments: '{"x"' },
      { call: 0, arguments: ":1}" },
      { call: 1, id: expect.any(String), name: "g", arguments: "" },
      { call: 1, arguments: "{}" },
    ]);
  });

  test("that end before every choice did are a failure", () => {
    expect(() => answerOf([chunk({ content: "Hi" })])).toThrow(UpstreamFailure);
    expect(() => answerOf([chunk({}, { finish_reason: "stop" })], 2)).toThrow(UpstreamFailure);
    expect(() => answerOf([])).toThrow(UpstreamFailure);
  });

  test("of any JSON are events or a failure, never another error", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.json(), fc.string(), shapes()), { maxLength: 4 }), (data) => {
        try {
          answerOf(data);
        } catch (error) {
          expect(error instanceof UpstreamFailure || error instanceof ShimmyError).toBe(true);
        }
      }),
    );
  });

  /** Nearly right: the fields are there, with values of any kind. */
  function shapes() {
    const any = fc.jsonValue();
    const call = fc.record({ index: any, id: any, function: fc.oneof(any, fc.record({ name: any, arguments: any })) });
    const delta = fc.record({ content: any, reasoning: any, tool_calls: fc.oneof(any, fc.array(fc.oneof(any, call))) });
    const choice = fc.record({ index: fc.oneof(fc.constant(0), any), delta: fc.oneof(any, delta), finish_reason: any, logprobs: any });
    return fc
      .record({ choices: fc.array(fc.oneof(any, choice)), usage: any, timings: any, prompt_progress: any })
      .map((each) => JSON.stringify(each));
  }
});

describe("an answer that is no success", () => {
  test.each<[number, string, string]>([
    [429, "busy", ""],
    [401, "unwell", ""],
    [404, "stranger", ""],
    [500, "unwell", ""],
    [503, "leaving", `{"error":{"code":"shutting_down"}}`],
    [503, "unwell", `{"error":{"code":"model_no_room"}}`],
    [200, "unwell", ""],
  ])("of %d lets another one be asked (%s)", (status, kind, body) => {
    expect(failureOf(status, body)).toMatchObject({ name: "UpstreamFailure", kind });
  });

  test("of 400 is told with its message, one line of it", () => {
    expect(failureOf(400, `{"error":{"message":"no\\nsuch thing","param":"x"}}`)).toMatchObject({
      code: "upstream_refused",
      status: 400,
      message: "no such thing",
      param: "x",
    });
    expect(failureOf(422, "<html>").message).toMatch(/422/);
  });

  test("of any body is a failure or an error of the catalogue", () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.oneof(fc.string(), fc.json()), fc.string(), (status, body, retry) => {
        const error = failureOf(status, body, retry);
        expect(error instanceof UpstreamFailure || error instanceof ShimmyError).toBe(true);
        expect(error.message.length).toBeLessThan(1200);
      }),
    );
  });
});
