import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grammarFault } from "../../../grammar/gbnf-check.ts";
import { withoutFences } from "../../meant.ts";
import { compileAnswer } from "../grammar.ts";
import { FIXTURES, type Fixture, HARD, TOOLS, WEATHER } from "./fixtures.ts";
import { formatOf } from "./index.ts";
import { read, Sampler } from "./test-support.ts";

const PARIS = { city: "Paris", days: 3 };
const TEXT = "Let me look.";

function parsed(fixture: Fixture, text: string) {
  const { calls, ...rest } = read(fixture.format, [text], TOOLS);
  return { ...rest, calls: calls.map(({ name, arguments: json, whole }) => ({ name, arguments: JSON.parse(json), whole })) };
}

function answer({ thought = "", behindThought = "", text = TEXT, one }: Fixture): string {
  return thought + behindThought + text + one;
}

describe.each(FIXTURES.map((fixture) => [fixture.format.name, fixture] as const))("%s", (_, fixture) => {
  const { format } = fixture;

  test("is chosen for the template of its authors", () => {
    expect(formatOf(fixture.template).name).toBe(format.name);
  });

  test("T41 a thought, a text and a call are told apart", () => {
    const reasoning = fixture.thought ? "Hm, Paris." : "";
    const calls = [{ name: "weather", arguments: PARIS, whole: true }];
    expect(parsed(fixture, answer(fixture))).toEqual({ reasoning, text: TEXT, calls });
  });

  test.skipIf(!fixture.two)("T40 two calls are two", () => {
    const calls = [
      { name: "weather", arguments: PARIS, whole: true },
      { name: "weather_map", arguments: { city: "Rome" }, whole: true },
    ];
    expect(parsed(fixture, fixture.two!)).toEqual({ reasoning: "", text: "", calls });
  });

  test("T39 a call without arguments has {}", () => {
    expect(read(format, [fixture.none], TOOLS)).toEqual({
      reasoning: "",
      text: "",
      calls: [{ name: "now", arguments: "{}", whole: true }],
    });
  });

  test("T44 unicode, line breaks, quotes and nested XML in arguments survive", () => {
    const calls = [{ name: "write", arguments: { text: HARD, tags: ["</a>", "b\n"] }, whole: true }];
    expect(parsed(fixture, fixture.hard)).toEqual({ reasoning: "", text: "", calls });
  });

  test("T38 an answer that is cut short has no whole call but those that are", () => {
    const text = answer(fixture);
    const whole = read(format, [text], TOOLS).calls[0]!;
    for (let length = 0; length < text.length; length++) {
      const [call, ...more] = read(format, [text.slice(0, length)], TOOLS).calls;
      expect(more).toEqual([]);
      if (!call) continue;
      expect(call.name).toBe("weather");
      if (call.whole) expect(call.arguments).toBe(whole.arguments);
      else expect(whole.arguments.startsWith(call.arguments)).toBe(true);
    }
  });

  test.skipIf(!format.calls?.write)("what is written of calls of the past is read back", () => {
    const calls = [
      { name: "weather", arguments: PARIS },
      { name: "write", arguments: { text: HARD, tags: [] } },
    ];
    const written = withoutFences(format.calls!.write!(calls));
    expect(parsed(fixture, written)).toEqual({ reasoning: "", text: "", calls: calls.map((call) => ({ ...call, whole: true })) });
  });

  test("T43 what only looks like a call is text", () => {
    expect(read(format, [fixture.lookalike], TOOLS)).toEqual({ reasoning: "", text: fixture.lookalike, calls: [] });
  });

  test("however a text is split, it is read alike", () => {
    const whole = [answer(fixture), fixture.two ?? fixture.none, fixture.hard, fixture.lookalike, fixture.one + fixture.lookalike];
    const cut = fc.constantFrom(...whole).chain((text) => fc.tuple(fc.constant([...text]), fc.nat(text.length)));
    const cuts = fc.array(fc.nat(400), { maxLength: 12 });
    fc.assert(
      fc.property(cut, cuts, ([characters, length], places) => {
        const text = characters.slice(0, length);
        const at = [0, ...places.filter((place) => place < length).sort((a, b) => a - b), length];
        const parts = at.slice(1).map((end, i) => text.slice(at[i], end).join(""));
        expect(read(format, parts, TOOLS)).toEqual(read(format, [text.join("")], TOOLS));
        expect(read(format, text, TOOLS)).toEqual(read(format, [text.join("")], TOOLS));
      }),
      { numRuns: 60 },
    );
  });

  test("what its grammar allows is read as calls that match their schemas", () => {
    const ajv = new Ajv({ allowUnionTypes: true });
    const validators = new Map(TOOLS.map(({ function: { name, parameters } }) => [name, ajv.compile(parameters as object)]));
    for (const parallel of [true, false]) {
      const job = { format: format.name, tools: TOOLS, parallel };
      const whole = compileAnswer({ ...job, toolChoice: "required" }).constraint.gbnf;
      const lazy = compileAnswer(job).constraint;
      expect([grammarFault(whole), grammarFault(lazy.gbnf)]).toEqual([undefined, undefined]);
      const [trigger] = format.calls!.triggers(TOOLS);
      const samplers = [
        { sampler: new Sampler(whole), before: "" },
        { sampler: new Sampler(lazy.gbnf), before: trigger!.text.slice(0, trigger!.text.length - (trigger!.written ?? "").length) },
      ];
      fc.assert(
        fc.property(fc.constantFrom(...samplers), fc.integer({ min: 1 }), ({ sampler, before }, seed) => {
          const text = before + sampler.text(randomFrom(seed));
          const { calls, text: other } = read(format, [text], TOOLS);
          expect(other, text).toBe("");
          expect(calls.length, text).toBeGreaterThan(0);
          if (!parallel) expect(calls.length, text).toBe(1);
          for (const call of calls) {
            expect(call.whole, text).toBe(true);
            const valid = validators.get(call.name)!;
            expect(valid(JSON.parse(call.arguments)), `${text}\n${call.arguments}\n${ajv.errorsText(valid.errors)}`).toBe(true);
          }
        }),
        { numRuns: 100 },
      );
    }
  });

  test("noise of its marks is read alike however it is cut, and no error comes of it", () => {
    const thought = format.thought ?? { open: "<think>", close: "</think>" };
    const marks = [...format.markers, ...format.calls!.triggers(TOOLS).map(({ text }) => text), thought.open, thought.close];
    const bits = [
      ..."{}[]\"':,=()<>\\;\n \u0001é🙂",
      "</",
      ">\n",
      '"name": ',
      '"arguments": ',
      '"parameters": ',
      '{"city": "Paris"}',
      "call:",
    ];
    const whole = [
      '{"name": "weather", "arguments": {"city": "x"}}',
      "<function=weather>\n",
      "<parameter=city>\n",
      "city",
      " to=functions.weather",
    ];
    const names = TOOLS.map((tool) => tool.function.name);
    const noise = fc.array(fc.constantFrom(...marks, ...bits, ...whole, ...names), { maxLength: 20 });
    fc.assert(
      fc.property(noise, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), fc.boolean(), (parts, lengths, opened) => {
        const text = parts.join("");
        const characters = [...text]; // the engine never sends half of one
        const cut: string[] = [];
        while (characters.length > 0) cut.push(characters.splice(0, lengths[cut.length % lengths.length]!).join(""));
        const options = { thought: { ...thought, opened, inText: false } };
        expect(read(format, cut, TOOLS, options)).toEqual(read(format, [text], TOOLS, options));
      }),
      { numRuns: 500 },
    );
  });

  test("a tool that is named is the only one that its grammar allows", () => {
    const { gbnf } = compileAnswer({
      format: format.name,
      tools: TOOLS,
      toolChoice: { name: WEATHER.function.name },
      parallel: true,
    }).constraint;
    const sampler = new Sampler(gbnf);
    for (let seed = 1; seed < 20; seed++) {
      const { calls } = read(format, [sampler.text(randomFrom(seed))], TOOLS);
      expect(calls.map(({ name }) => name)).toEqual(["weather"]);
    }
  });
});

/** Numbers from 0 to 1 (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
