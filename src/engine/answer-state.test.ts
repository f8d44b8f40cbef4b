import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ThoughtMarks, Trigger } from "../contract/answer.ts";
import { AnswerState, type GrammarRun } from "./answer-state.ts";

const END = "\0";

/** A grammar of a few texts. Tokens are numbers of texts that were spoken of before. */
class FewTexts implements GrammarRun {
  static alive = 0;
  readonly #texts: readonly string[];
  #text = "";

  constructor(texts: readonly string[]) {
    this.#texts = texts;
    FewTexts.alive++;
  }

  allows(token: number): boolean {
    if (token === idOf(END)) return this.mayEnd;
    return TEXTS[token] !== "" && this.#begins(this.#text + TEXTS[token]!);
  }

  accept(token: number): void {
    this.#text += TEXTS[token]!;
  }

  spell(bytes: Buffer): boolean {
    this.#text += bytes.toString();
    return this.#begins(this.#text);
  }

  get mayEnd(): boolean {
    return this.#texts.includes(this.#text);
  }

  get complete(): boolean {
    return this.mayEnd && !this.#texts.some((text) => text !== this.#text && text.startsWith(this.#text));
  }

  free(): void {
    FewTexts.alive--;
  }

  #begins(start: string): boolean {
    return this.#texts.some((text) => text.startsWith(start));
  }
}

const TEXTS: string[] = [];
function idOf(text: string): number {
  if (!TEXTS.includes(text)) TEXTS.push(text);
  return TEXTS.indexOf(text);
}

const MARKS: ThoughtMarks = { open: "<think>", close: "</think>", opened: false, closing: "enough</think>\n" };
const CALLS: readonly Trigger[] = [{ text: "<call>" }];

interface Shape {
  readonly thought?: Partial<ThoughtMarks>;
  readonly grammar?: readonly string[];
  readonly triggers?: readonly Trigger[];
  readonly once?: boolean;
  readonly calls?: boolean;
  readonly closing?: readonly string[];
}

function answer({ thought, grammar, triggers = [], once = false, calls = false, closing = ["enough", "</think>", "\n"] }: Shape) {
  const state = new AnswerState({
    ...(thought && { thought: { ...MARKS, ...thought }, closing: () => closing.map(idOf) }),
    ...(grammar && { constraint: { begin: () => new FewTexts(grammar), triggers, once, calls } }),
  });
  const seen: Array<{ text: string; search: string }> = [];
  const write = (...tokens: string[]) =>
    tokens.every((text) => {
      const parts = state.take({ token: idOf(text), bytes: text === END ? Buffer.alloc(0) : Buffer.from(text), ends: text === END });
      for (const { bytes, search } of parts ?? []) seen.push({ text: Buffer.from(bytes).toString(), search });
      return parts !== undefined;
    });
  return {
    state,
    /** Whether each of them was taken; the first that is refused ends it. */
    write,
    refuses: (text: string) => !write(text),
    /** The text in which stop strings are looked for. */
    get watched(): string {
      let text = "";
      let later = "";
      for (const part of seen) {
        if (part.search === "later") later += part.text;
        else {
          if (part.search === "now") text += later + part.text;
          else text += "|";
          later = "";
        }
      }
      return (text + later).replace(/\|+/g, "|");
    },
  };
}

describe("a grammar that holds from the start", () => {
  test("refuses what it does not allow, and the end before it is whole", () => {
    const { state, write, refuses } = answer({ grammar: ["yes"] });
    expect([refuses("no"), write("y"), refuses(END), write("es")]).toEqual([true, true, true, true]);
    expect(state.ended).toBe(true);
  });

  test("ends by the model's own end where it could go on", () => {
    const { state, write } = answer({ grammar: ["1", "12"] });
    expect(write("1")).toBe(true);
    expect(state.ended).toBe(false);
    expect(write(END)).toBe(true);
  });

  test("stop strings count in it", () => {
    const it = answer({ grammar: ["yes"] });
    it.write("yes");
    expect(it.watched).toBe("yes");
  });

  test("T17 and in calls they do not", () => {
    const it = answer({ thought: {}, grammar: ["yes"], calls: true });
    it.write("yes");
    expect(it.watched).toBe("|");
  });
});

describe("a lazy grammar", () => {
  const lazy: Shape = { grammar: ["ab", "abc!"], triggers: CALLS };

  test("begins behind a trigger in several tokens", () => {
    const { write, refuses } = answer(lazy);
    expect(write("some <b", " <", "ca", "ll>")).toBe(true);
    expect([refuses("x"), refuses(END), write("a"), refuses(END)]).toEqual([true, true, true, true]);
  });

  test("a token may end a trigger in its middle, if the grammar allows what is behind it; else it is refused and changes nothing", () => {
    const { write, refuses } = answer(lazy);
    expect([write("<call"), refuses(">x"), refuses(">abc!d"), write(">abc"), write("!")]).toEqual([true, true, true, true, true]);
  });

  test("behind its end the text is free until the next trigger", () => {
    const it = answer({ grammar: ["ab"], triggers: CALLS });
    expect(it.write("x<call>", "ab", "free", END)).toBe(true);
    expect(it.write("<call>a", "b", "<call>ab", "<call>")).toBe(true);
    expect(it.refuses("free")).toBe(true);
    expect(it.watched).toBe("x<call>|free<call>|<call>|<call>");
  });

  test("where it could end, whatever it does not allow ends it", () => {
    const it = answer(lazy);
    expect(it.write("<call>", "ab", " and", "<call>", "ab")).toBe(true);
    expect([it.refuses(""), it.refuses("<call>x"), it.write("<call>a"), it.refuses("x")]).toEqual([true, true, true, true]);
  });

  test("once: its end is that of the answer, and only its own end", () => {
    const { write, refuses, state } = answer({ ...lazy, once: true });
    expect([write("<call>", "ab"), state.ended, refuses(" and"), write("c!"), state.ended]).toEqual([true, false, true, true, true]);
  });

  test("of two triggers the one that ends first counts", () => {
    const it = answer({ grammar: ["[1]"], triggers: [{ text: "call[1][1]" }, { text: "call" }] });
    expect([it.write("a call[1"), it.state.held !== undefined, it.write("]"), it.state.held]).toEqual([true, true, true, undefined]);
  });

  test("a trigger of the start counts behind white space only", () => {
    const atStart: Shape = { grammar: ["1}"], triggers: [{ text: "{", atStart: true }] };
    expect(answer(atStart).write(" \n", "{", "1}", "{ and")).toBe(true);
    expect(answer(atStart).write("{", "2")).toBe(false);
    expect(answer(atStart).write("a {2")).toBe(true);
    expect(answer({ ...atStart, thought: {} }).write("<think>{2", "</think>", "\n{", "2")).toBe(false);
    expect(answer({ ...atStart, thought: {} }).write("<think>{2", "</think>", "\nx{", "2")).toBe(true);
  });

  test("a trigger may be the beginning of the grammar, which then knows which of them it was", () => {
    const named: Shape = {
      grammar: ["one:1", "two:2"],
      triggers: ["one:", "two:"].flatMap((written) => [
        { text: written, written, atStart: true },
        { text: `>${written}`, written },
      ]),
    };
    expect([answer(named).write("one:", "1", ">two", ":2"), answer(named).write("x >one:1")]).toEqual([true, true]);
    for (const last of ["one:2", ">two:1"]) expect(answer(named).write(last), last).toBe(false);
    const it = answer(named);
    expect([it.write(">two:"), it.refuses("1"), it.write("2")]).toEqual([true, true, true]);
  });

  test("the end of a grammar does not count as the beginning of a trigger", () => {
    const it = answer({ grammar: ["<ca"], triggers: CALLS });
    expect(it.write("<call>", "<ca", "ll>free")).toBe(true);
  });
});

describe("a thought", () => {
  test("nothing holds, nothing counts and nothing stops in it; behind it and white space all does", () => {
    const it = answer({ thought: {}, grammar: ["ab"], triggers: CALLS });
    expect(it.write(" <th", "ink", "> is <call>x", "</thi", "nk>", "\n\n", "so <call>", "ab")).toBe(true);
    expect(it.watched).toBe("|so <call>|");
    expect(it.state.thoughtTokens).toBe(5);
  });

  test("may come only at the start", () => {
    const it = answer({ thought: {} });
    expect(it.write("<thin", "g> <think> ", "no")).toBe(true);
    expect(it.watched).toBe("<thing> <think> no");
    expect(it.state.thoughtTokens).toBe(0);
  });

  test("may be opened by the prompt", () => {
    const it = answer({ thought: { opened: true } });
    expect(it.write("stop", "</think>now")).toBe(true);
    expect(it.watched).toBe("|now");
  });

  test("may end the answer, unless a grammar waits behind it: then the model's end closes the thought alone", () => {
    for (const opened of [true, false]) {
      for (const lazy of [{}, { grammar: ["ab"], triggers: CALLS }]) {
        const it = answer({ thought: { opened }, ...lazy });
        expect([it.state.endThought(), it.write("<think>", "hm", END), it.state.endThought()]).toEqual([false, true, false]);
      }
      const it = answer({ thought: { opened }, grammar: ["ab"] });
      expect([it.write("<think>", "hm"), it.refuses(END), it.state.endThought()]).toEqual([true, true, true]);
      expect(it.state.forced.map((token) => TEXTS[token])).toEqual(["enough", "</think>", "\n"]);
      expect([it.write("enough", "</think>", "\n", "ab"), it.state.ended, it.state.thoughtTokens]).toEqual([true, true, 5]);
      expect(it.state.endThought()).toBe(false);
    }
  });

  test("a token that closes it and goes on as the grammar does not leaves all others free", () => {
    const it = answer({ thought: { opened: true }, grammar: ["ab"] });
    expect([it.state.strict, it.write("hm</think"), it.refuses(">x"), it.state.strict]).toEqual([false, true, true, false]);
    expect([it.write(">"), it.state.strict, it.write("ab")]).toEqual([true, true, true]);
  });

  test("before a grammar: the mark or the grammar, whichever the model writes, and white space behind the thought", () => {
    const shape: Shape = { thought: {}, grammar: ["<b>", "a", " c"] };
    expect(answer(shape).write("a")).toBe(true);
    expect(answer(shape).write(" ", "c")).toBe(true);
    expect(answer(shape).write("<", "b>")).toBe(true);
    expect(answer(shape).write("<", "think>", "x</think>", "\n\n", "a")).toBe(true);
    expect(answer(shape).write("<think>x</think>\na")).toBe(true);
    const it = answer(shape);
    expect([it.refuses("\n"), it.refuses("x"), it.refuses(END), it.write("<t"), it.refuses("b"), it.refuses(END)]).not.toContain(false);
    expect([it.state.opens(Buffer.from("hin")), it.state.opens(Buffer.from("hing"))]).toEqual([true, false]);
    expect(it.write("hink> any</think>")).toBe(true);
    expect([it.refuses(END), it.refuses("x"), it.refuses("\nx"), it.write("<")]).not.toContain(false);
  });

  test("a model that writes nothing but white space behind its thought is brought to the grammar", () => {
    const it = answer({ thought: { opened: true }, grammar: ["a"] });
    const count = Array.from({ length: 200 }, () => "\n").findIndex((text, i) => !it.write(...(i === 0 ? ["</think>", text] : [text])));
    expect(count).toBeGreaterThan(10);
    expect(it.write("a")).toBe(true);
  });
});

describe("a budget", () => {
  const shape: Shape = { thought: { budgetTokens: 2 }, grammar: ["ab"] };
  const forced = (it: ReturnType<typeof answer>) => it.state.forced.map((token) => TEXTS[token]);

  test("closes the thought once it is used, and what comes then is the answer", () => {
    const it = answer(shape);
    expect(it.write("<think>", "one", "two")).toBe(true);
    expect(forced(it)).toEqual(["enough", "</think>", "\n"]);
    expect(it.write("enough", "</think>", "\n")).toBe(true);
    expect([it.state.thoughtTokens, it.refuses("three"), it.write("ab"), it.state.ended]).toEqual([6, true, true, true]);
    expect(it.watched).toBe("|ab");
  });

  test("an end in a thought closes it where a text is promised behind it, and nowhere else", () => {
    const it = answer({ thought: { opened: true }, grammar: ["ab"] });
    expect([it.write("one"), it.refuses(END), it.state.endThought()]).toEqual([true, true, true]);
    expect(forced(it)).toEqual(["enough", "</think>", "\n"]);
    expect([it.state.endThought(), it.write("enough", "</think>", "\n", "ab"), it.state.ended]).toEqual([false, true, true]);
    const free = answer({ thought: { opened: true }, grammar: ["ab"], triggers: CALLS });
    expect([free.state.endThought(), free.write("one", END)]).toEqual([false, true]);
  });

  test("of nothing closes at once", () => {
    expect(forced(answer({ thought: { opened: true, budgetTokens: 0 } }))).toEqual(["enough", "</think>", "\n"]);
    const it = answer({ thought: { budgetTokens: 0 } });
    it.write("<thi");
    expect(forced(it)).toEqual([]);
    it.write("nk>");
    expect(forced(it)).toEqual(["enough", "</think>", "\n"]);
  });

  test("leaves a thought alone that ends in time, and characters whole", () => {
    const it = answer(shape);
    it.write("<think>", "one", "</think>", "a");
    expect([forced(it), it.state.thoughtTokens]).toEqual([[], 3]);
    const cut = answer({ thought: { opened: true, budgetTokens: 1 } });
    const [first, ...rest] = [...Buffer.from("é")].map((byte) => Buffer.of(byte));
    cut.state.take({ token: 0, bytes: first!, ends: false });
    expect(forced(cut)).toEqual([]);
    cut.state.take({ token: 0, bytes: rest[0]!, ends: false });
    expect(forced(cut)).not.toEqual([]);
  });
});

test("control tokens without text are as free as the text around them", () => {
  expect(answer({ thought: {} }).write("", "<think>", "", "</think>", "", "text", "")).toBe(true);
  expect(answer({ grammar: ["ab"], triggers: CALLS }).write("", "<call>", "a", "")).toBe(false);
  expect(answer({ thought: {}, grammar: ["ab"] }).write("")).toBe(false);
  expect(answer({ thought: {}, grammar: ["ab"] }).write("<think></think>", "")).toBe(false);
});

test("property: it does not matter how a text is cut into tokens, and every grammar is freed", () => {
  const shapes: Shape[] = [
    { thought: {}, grammar: ["{a}", "{<call>}"], triggers: [...CALLS, { text: "{", atStart: true }] },
    { thought: { opened: true }, grammar: ["{a}"], triggers: CALLS },
    { thought: {} },
    { grammar: ["{a}", "{b}{"], triggers: [{ text: "<" }, { text: "<call>" }] },
  ];
  const pieces = fc.array(fc.constantFrom("<think>", "</think>", "<call>", "{a}", "{<call>}", "<", "{", " ", "\n", "é", "b"), {
    maxLength: 12,
  });
  const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 80 });
  fc.assert(
    fc.property(fc.constantFrom(...shapes), pieces, cuts, (shape, list, lengths) => {
      const letters = [...list.join("")];
      const byLetters = answer(shape);
      const taken = letters.findIndex((letter) => byLetters.refuses(letter));
      const text = letters.slice(0, taken < 0 ? letters.length : taken);
      const byTokens = answer(shape);
      for (let i = 0; text.length > 0; i++) {
        const length = lengths[i % lengths.length]!;
        // A token that goes beyond the end of a grammar is refused, and drawn again: letters are never.
        if (byTokens.write(text.slice(0, length).join(""))) text.splice(0, length);
        else expect(byTokens.write(text.shift()!)).toBe(true);
      }
      expect(byTokens.watched).toBe(byLetters.watched);
      expect(byTokens.state.held === undefined).toBe(byLetters.state.held === undefined);
      byLetters.state.free();
      byTokens.state.free();
    }),
    { numRuns: 2000 },
  );
});

test("no grammar outlives its answer", () => {
  FewTexts.alive = 0;
  for (const texts of [["<think>x</think>", "a"], ["a"], ["<"], ["<think></think>a"], ["<think>", "</think>", "\n", "x", "\nx", "a"]]) {
    const it = answer({ thought: {}, grammar: ["ab", "<b"] });
    for (const text of texts) it.write(text);
    it.state.free();
  }
  const lazy = answer({ grammar: ["ab", "abc"], triggers: CALLS });
  for (const text of ["<call>x", "<call>a", "b", "free", "<call>ab", "<call>ab", "<call>x"]) lazy.write(text);
  lazy.state.free();
  expect(FewTexts.alive).toBe(0);
});

test("hundreds of triggers cost a token of free text next to nothing", () => {
  const triggers = Array.from({ length: 512 }, (_, i) => ({ text: `>>>tool_${i}\n` }));
  const it = answer({ grammar: ["ab"], triggers });
  const before = performance.now();
  for (let i = 0; i < 20_000; i++) it.write("word ");
  expect(performance.now() - before).toBeLessThan(1000);
  expect([it.write(">>", ">tool_51"), it.refuses("1\nx"), it.write("1\na")]).toEqual([true, true, true]);
});
