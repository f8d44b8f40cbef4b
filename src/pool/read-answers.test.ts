/** Text events of an engine → events of thoughts, calls and text. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatOf } from "../chat/answer/formats/index.ts";
import { planAnswer } from "../chat/answer/plan.ts";
import { toolNamed } from "../chat/answer/test-support.ts";
import type { FinishReason, GenerationEvent, TokenLogprob } from "../contract/generation.ts";
import { readAnswers } from "./read-answers.ts";

const tools = [toolNamed("weather"), toolNamed("clock")];
const { plan } = planAnswer(
  formatOf("<tool_call>"),
  { open: "<think>", close: "</think>" },
  { prompt: { kind: "chat", messages: [], tools }, text: "", continued: false, switched: false },
);

const logprob = (token: number): TokenLogprob => ({ token, bytes: new Uint8Array(), logprob: -1, top: [] });

interface Given {
  readonly reason?: FinishReason;
  readonly choice?: number;
  readonly logprobs?: boolean;
}

/** Each piece one token, numbered from 0; those of an empty piece wait for the next. */
function eventsOf(pieces: readonly string[], { reason = "stop", choice = 0, logprobs = false }: Given = {}): GenerationEvent[] {
  const texts = pieces.map(
    (text, i): GenerationEvent => ({ type: "text", choice, text, tokens: 1, ...(logprobs && { logprobs: [logprob(i)] }) }),
  );
  const timings = { queueMs: 0, promptMs: 0, predictedMs: 0 };
  return [...texts, { type: "finished", choice, reason, completionTokens: pieces.length, cachedTokens: 0, timings }];
}

async function read(events: readonly GenerationEvent[]): Promise<GenerationEvent[]> {
  async function* stream() {
    yield* events;
  }
  const told: GenerationEvent[] = [];
  for await (const event of readAnswers(stream(), plan)) told.push(event);
  return told;
}

type Short = readonly [type: string, text: string, tokens: number];

function short(events: readonly GenerationEvent[]): Short[] {
  return events.flatMap((event): Short[] => {
    if (event.type === "text" || event.type === "reasoning") return [[event.type, event.text, event.tokens]];
    if (event.type === "toolCall") return [[`call ${event.call}`, event.name ?? event.arguments, event.tokens]];
    return event.type === "finished" ? [[event.reason, "", event.reasoningTokens ?? -1]] : [];
  });
}

const CALL = ["<tool_call>", '\n{"name": "', "clock", '", "arguments": ', "{", "}", "}\n", "</tool_call>"];

describe("tokens go with what came of them", () => {
  test("T36 a call: its marks are its tokens, the first event has its name", async () => {
    const events = await read(eventsOf(["Hm", ".", "\n", ...CALL]));
    expect(short(events)).toEqual([
      ["text", "Hm", 1],
      ["text", ".", 1],
      ["call 0", "clock", 6],
      ["call 0", "{", 0],
      ["call 0", "}", 1],
      ["call 0", "", 2],
      ["tool_calls", "", 0],
    ]);
    expect(events[2]).toEqual({
      type: "toolCall",
      choice: 0,
      call: 0,
      id: expect.stringMatching(/^call_\w{24}$/),
      name: "clock",
      arguments: "",
      tokens: 6,
    });
  });

  test("T50 a thought: its marks are its tokens, and they are counted", async () => {
    expect(short(await read(eventsOf(["<think>", "\n", "a", "b", "\n", "</think>", "\n\n", "Hi"])))).toEqual([
      ["reasoning", "a", 3],
      ["reasoning", "b", 1],
      ["reasoning", "", 3],
      ["text", "Hi", 1],
      ["stop", "", 7],
    ]);
    expect(short(await read(eventsOf(["<think>", "\n\n", "</think>", "\n\n", "Hi"])))).toEqual([
      ["reasoning", "", 4],
      ["text", "Hi", 1],
      ["stop", "", 4],
    ]);
  });

  test("whatever the pieces, each token and each log probability is told once and in order", async () => {
    const words = ["<think>", "</think>", "a", " ", "\n", "<tool_call>", '{"name": "clock", "arguments": {', "}", "}</tool_call>", "<", ""];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...words), { maxLength: 20 }), async (pieces) => {
        const events = await read(eventsOf(pieces, { logprobs: true }));
        const told = events.flatMap((event) => ("logprobs" in event ? (event.logprobs ?? []) : []));
        expect(told.map(({ token }) => token)).toEqual(pieces.map((_, i) => i));
        const tokens = events.map((event) => ("tokens" in event && typeof event.tokens === "number" ? event.tokens : 0));
        expect(tokens.reduce((sum, each) => sum + each, 0)).toBe(pieces.length);
      }),
    );
  });
});

describe("why it ended", () => {
  const reasonOf = async (pieces: readonly string[], reason?: FinishReason) =>
    (await read(eventsOf(pieces, reason && { reason }))).flatMap((event) => (event.type === "finished" ? [event.reason] : []))[0];

  test("T37 tool_calls only if there is a call", async () => {
    expect(await reasonOf(CALL)).toBe("tool_calls");
    expect(await reasonOf(["Hi"])).toBe("stop");
    expect(await reasonOf(["<tool_call>", "x"])).toBe("stop");
  });

  test("T38 length if it was cut, by the limit or by a stop string", async () => {
    expect(await reasonOf(CALL.slice(0, 5), "length")).toBe("length");
    expect(await reasonOf(CALL.slice(0, 5))).toBe("length");
    expect(await reasonOf([...CALL, ...CALL.slice(0, 5)])).toBe("length");
    expect(await reasonOf(CALL, "length")).toBe("length");
  });
});

test("the choices of a request are read apart", async () => {
  const [a, b] = [eventsOf(CALL, { choice: 0 }), eventsOf(["<think>", "x", "</think>", "y"], { choice: 1 })];
  const mixed = a.flatMap((event, i) => [event, ...(b[i] ? [b[i]] : [])]);
  const events = await read(mixed);
  const of = (choice: number) => short(events.filter((event) => "choice" in event && event.choice === choice));
  expect(of(0).at(-1)![0]).toBe("tool_calls");
  expect(of(1)).toEqual([
    ["reasoning", "x", 2],
    ["reasoning", "", 1],
    ["text", "y", 1],
    ["stop", "", 3],
  ]);
});

test("other events pass", async () => {
  const started: GenerationEvent = { type: "started", promptTokens: 3 };
  expect((await read([started, ...eventsOf(["Hi"])]))[0]).toBe(started);
});
