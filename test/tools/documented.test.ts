/** What the authors of formats document, held against our grammars of those formats by libllama itself. */
import { describe, expect, test } from "vitest";
import { FIXTURES, TOOLS } from "../../src/chat/answer/formats/fixtures.ts";
import { compileAnswer } from "../../src/chat/answer/grammar.ts";
import { Matcher } from "../structured/matcher.ts";

const matcher = new Matcher();

describe.each(FIXTURES.map((fixture) => [fixture.format.name, fixture] as const))("%s", (name, fixture) => {
  const grammar = (parallel: boolean) =>
    matcher.grammar(compileAnswer({ format: name, tools: TOOLS, parallel, toolChoice: "required" }).constraint.gbnf);
  // The prompt of functionary v3.2 ends with the first mark.
  const start = (text: string) => text.replace(/^>>>/, "");

  test("its grammar allows the calls that are documented, and nothing cut short", () => {
    const matches = grammar(false);
    expect(matches(start(fixture.one))).toBe(true);
    expect(matches(start(fixture.none))).toBe(true);
    expect(matches(start(fixture.one).slice(0, -1))).toBe(false);
    expect(matches(start(fixture.one).replace("weather", "nobody"))).toBe(false);
  });

  test.skipIf(!fixture.two)("T40 two calls, where two are allowed", () => {
    // Single quotes are read and never demanded.
    const two = start(fixture.two!).replaceAll("'", '"');
    expect(grammar(true)(two)).toBe(true);
    expect(grammar(false)(two)).toBe(false);
  });

  test("T44 hard texts", () => {
    // What holds several values is demanded as JSON there.
    const hard = start(fixture.hard)
      .replace(/tags:\[.*?\]/s, 'tags:["</a>","b\\n"]')
      .replace("tags=['</a>', 'b\\n']", 'tags=["</a>", "b\\n"]');
    expect(grammar(false)(hard)).toBe(true);
  });

  test("behind its trigger", () => {
    const { gbnf, triggers } = compileAnswer({ format: name, tools: TOOLS, parallel: true }).constraint;
    const { text: trigger, written = "" } = triggers!.find(({ text }) => fixture.one.includes(text) && !text.includes("{"))!;
    const behind = fixture.one.slice(fixture.one.indexOf(trigger) + trigger.length);
    expect(matcher.grammar(gbnf)(written + behind)).toBe(true);
  });
});
