import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tool } from "../../contract/generation.ts";
import type { AnswerFormat, AnswerPiece, AnswerReader, Marks } from "./format.ts";
import { hermes } from "./formats/hermes.ts";
import { llama3 } from "./formats/llama3.ts";
import { mistralListed, mistralNamed } from "./formats/mistral.ts";
import { GeneralReader } from "./reader.ts";
import { type Folded, folded, toolNamed } from "./test-support.ts";

const THINK: Marks = { open: "<think>", close: "</think>" };
const tools = [toolNamed("weather"), toolNamed("clock")];

interface Setting {
  readonly format?: AnswerFormat;
  readonly marks?: Marks;
  readonly opened?: boolean;
  readonly inText?: boolean;
  readonly tools?: readonly Tool[];
}

function readerOf({ format = hermes, marks, opened = false, inText = false, tools: given = tools }: Setting): AnswerReader {
  let ids = 0;
  const context = { tools: given, newId: () => `call_${String(++ids).padStart(24, "0")}` };
  return new GeneralReader({
    ...(marks && { thought: { ...marks, opened, inText } }),
    triggers: given.length > 0 ? format.calls!.triggers(given) : [],
    calls: (trigger) => format.calls!.reader!(trigger, context),
  });
}

function read(pieces: readonly string[], setting: Setting = {}): Folded {
  const reader = readerOf(setting);
  const told: AnswerPiece[] = pieces.flatMap((piece) => reader.push(piece));
  return folded([...told, ...reader.end()]);
}

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>';
const WEATHER = { name: "weather", arguments: '{"city": "Paris"}', whole: true };

describe("thoughts", () => {
  test("T50 marks of a thought are never in the text, opened by the model or by the template", () => {
    expect(read(["<think>\nhm\n</think>\n\nHello"], { marks: THINK })).toEqual({ reasoning: "hm", text: "Hello", calls: [] });
    expect(read(["hm\n</think>\n\nHello"], { marks: THINK, opened: true })).toEqual({ reasoning: "hm", text: "Hello", calls: [] });
    expect(read(["<think>\nhm</think>Hello"], { marks: THINK, opened: true })).toEqual({ reasoning: "hm", text: "Hello", calls: [] });
    expect(read(["</think>\n\nHello"], { marks: THINK })).toEqual({ reasoning: "", text: "Hello", calls: [] });
  });

  test("T50 a mark may come in any pieces", () => {
    const pieces = [..."<think>a < b</thin</think> c"];
    expect(read(pieces, { marks: THINK })).toEqual({ reasoning: "a < b</thin", text: "c", calls: [] });
  });

  test("what is no thought stays text: a mark in mid-answer, an answer that only begins like one", () => {
    expect(read(["Use <think> so"], { marks: THINK }).text).toBe("Use <think> so");
    expect(read(["<thin", "g>"], { marks: THINK }).text).toBe("<thing>");
    expect(read(["<thin"], { marks: THINK }).text).toBe("<thin");
  });

  test("only the white space that the engine knows stands before a mark or a call of the start", () => {
    const call = '{"name": "weather", "parameters": {}}';
    for (const char of ["\u00a0", "\v", "\ufeff"]) {
      expect(read([char, "<think>", "a</think>"], { marks: THINK })).toEqual({ reasoning: "", text: `${char}<think>a</think>`, calls: [] });
      expect(read([char, call], { format: llama3 })).toEqual({ reasoning: "", text: char + call, calls: [] });
    }
    expect(read([" \t\r\n", call], { format: llama3 }).calls).toHaveLength(1);
  });

  test("T50 a mark that is opened once more is left out once, however it comes", () => {
    for (const pieces of [["<think><think>hm</think>"], ["<think>", "<think>hm</think>"], [..."<think><think>hm</think>"]])
      expect(read(pieces, { marks: THINK, opened: true }).reasoning).toBe("<think>hm");
  });

  test("a call whose arguments turn out to be none is not whole, however it comes", () => {
    const text = '<tool_call>{"name": "weather", "arguments": {"a": §}}</tool_call>';
    for (const pieces of [[text], [...text]])
      expect(read(pieces)).toEqual({
        reasoning: "",
        text: "§}}</tool_call>",
        calls: [{ name: "weather", arguments: '{"a": ', whole: false }],
      });
    const named = '[TOOL_CALLS]weather[ARGS]{"a": §}';
    expect(read([named], { format: mistralNamed }).calls).toEqual([{ name: "weather", arguments: '{"a": ', whole: false }]);
  });

  test("a thought that was cut is a thought", () => {
    expect(read(["<think>half </thi"], { marks: THINK })).toEqual({ reasoning: "half </thi", text: "", calls: [] });
  });

  test("a call within a thought is a thought", () => {
    expect(read([`<think>${CALL}</think>Hi`], { marks: THINK })).toEqual({ reasoning: CALL, text: "Hi", calls: [] });
  });

  test("a thought that shall stay in the text stays there, with its marks, and its calls are no calls", () => {
    const text = `<think>\n${CALL}\n</think>\n\nHi`;
    expect(read([text], { marks: THINK, inText: true })).toEqual({ reasoning: "", text, calls: [] });
  });
});

describe("calls", () => {
  test("T41 text beside a call is text, without the white space between", () => {
    expect(read([`Let me see.\n\n${CALL}\n`])).toEqual({ reasoning: "", text: "Let me see.", calls: [WEATHER] });
    expect(read([`${CALL}\n\nDone`])).toEqual({ reasoning: "", text: "Done", calls: [WEATHER] });
  });

  test("T40 several calls, behind a thought", () => {
    const clock = '<tool_call>{"name": "clock", "arguments": {}}</tool_call>';
    const { reasoning, text, calls } = read([`<think>hm</think>\n\n${CALL}\n${clock}`], { marks: THINK });
    expect([reasoning, text]).toEqual(["hm", ""]);
    expect(calls).toEqual([WEATHER, { name: "clock", arguments: "{}", whole: true }]);
  });

  test("T43 what looks like a call is text where there are no tools", () => {
    expect(read([CALL], { tools: [] })).toEqual({ reasoning: "", text: CALL, calls: [] });
  });

  test("T38 a call that was cut is not whole; one that was cut before its name is text", () => {
    expect(read(['<tool_call>\n{"name": "weather", "arguments": {"ci']).calls).toEqual([
      { name: "weather", arguments: '{"ci', whole: false },
    ]);
    expect(read(['<tool_call>\n{"name": "wea'])).toEqual({ reasoning: "", text: '<tool_call>\n{"name": "wea', calls: [] });
  });

  test("what cannot be read is text, and a call behind it is a call", () => {
    for (const broken of [
      "<tool_call>nonsense",
      '<tool_call>{"name": "unknown", "arguments": {}}',
      "<tool_call><tool_call",
      '<tool_call>["a"]',
    ])
      expect(read([`${broken}\n${CALL}`])).toEqual({ reasoning: "", text: broken, calls: [WEATHER] });
  });

  test("a trigger that counts at the start only is text further behind", () => {
    const call = '{"name": "weather", "parameters": {"city": "Paris"}}';
    expect(read([call], { format: llama3 }).calls).toEqual([WEATHER]);
    expect(read([`\n ${call}`], { format: llama3 }).calls).toEqual([WEATHER]);
    expect(read([`See: ${call}`], { format: llama3 })).toEqual({ reasoning: "", text: `See: ${call}`, calls: [] });
  });
});

test("white space that a model writes at the edges of a plain text is its own", () => {
  expect(read([" \n Hi \n"])).toEqual({ reasoning: "", text: " \n Hi \n", calls: [] });
  expect(read(["  "], { marks: THINK })).toEqual({ reasoning: "", text: "  ", calls: [] });
});

const part = fc.oneof(
  fc.constantFrom(
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "[TOOL_CALLS]",
    "[ARGS]",
    '{"name":',
    ' "weather"',
    '"clock"',
    " ",
    "\n",
  ),
  fc.constantFrom(
    CALL,
    '{"name": "clock", "parameters": {"a": [1, "}"]}}',
    '[TOOL_CALLS]weather[ARGS]{"city": "\\"]"}',
    '[TOOL_CALLS][{"name": "clock", "arguments": {}, "id": "abcdefghi"}]',
  ),
  fc.constantFrom("<", "think", "{", "}", '"', "\\", "name", ", ", "arguments", "é", "🙂"),
  fc.string(),
);
const setting = fc.record({
  format: fc.constantFrom(hermes, llama3, mistralListed, mistralNamed),
  marks: fc.constantFrom(undefined, THINK),
  opened: fc.boolean(),
  inText: fc.boolean(),
  tools: fc.constantFrom(tools, []),
});

function cut(text: string, places: readonly number[]): string[] {
  const at = [0, ...places.map((place) => Math.floor(place * text.length)).sort((a, b) => a - b), text.length];
  return at.slice(1).map((end, i) => text.slice(at[i], end));
}

test("however the text is cut into pieces, the same is read", () => {
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 12 }),
      setting,
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }),
      (parts, setting, places) => {
        const text = parts.join("");
        const whole = read([text], setting as Setting);
        expect(read(cut(text, places), setting as Setting)).toEqual(whole);
        expect(read([...text], setting as Setting)).toEqual(whole);
      },
    ),
    { numRuns: 2000 },
  );
});

test("no character is lost but marks, the frame of calls and white space at the edges", () => {
  const words = fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", "<", "think", "tool_call", "é") });
  fc.assert(
    fc.property(words, words, words, (thought, before, behind) => {
      fc.pre(![thought, before, behind].some((text) => /<think|<tool_call/.test(text)));
      const { reasoning, text, calls } = read([`<think>${thought}</think>${before}${CALL}${behind}`], { marks: THINK });
      expect(reasoning).toBe(thought.trim());
      expect(calls).toEqual([WEATHER]);
      expect(text.replace(/\s/g, "")).toBe((before + behind).replace(/\s/g, ""));
    }),
  );
});

test("plain text comes through as it is, in every setting", () => {
  fc.assert(
    fc.property(fc.string(), setting, (text, setting) => {
      fc.pre(!/[<[{]/.test(text));
      const { text: read_, reasoning, calls } = read([...text], { ...(setting as Setting), opened: false });
      expect([read_, reasoning, calls]).toEqual([text, "", []]);
    }),
  );
});

describe("an answer of white space only takes a reader about sixteen times as long where it is sixteen times as long", () => {
  const places: Array<readonly [string, string, string, Setting]> = [
    ["before a thought", "", "<think>a</think>b", { marks: THINK }],
    ["within a thought", "<think>a", "b</think>c", { marks: THINK }],
    ["at the beginning of a thought that the prompt has opened", "", "b</think>c", { marks: THINK, opened: true }],
    ["in the text, where it may be followed by a call", "a", CALL, {}],
    ["before a call that must stand at the start", "", '{"name": "weather", "parameters": {}}', { format: llama3 }],
    ["within a call", '<tool_call>{"name": ', '"weather", "arguments": {}}</tool_call>', {}],
  ];
  test.each(places)("%s", { timeout: 60_000 }, (_, before, behind, setting) => {
    const millisecondsFor = (length: number) => {
      const pieces = [before, ...Array<string>(length).fill(" "), behind];
      const times = [1, 2].map(() => {
        const from = performance.now();
        read(pieces, setting);
        return performance.now() - from;
      });
      return Math.min(...times);
    };
    // Looked at again with each token it would be 256 times.
    expect(millisecondsFor(32_000) / millisecondsFor(2000)).toBeLessThan(90);
  });
});
