import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Candidate, choose, prefixKey, slackOf } from "./choice.ts";

const candidate = fc.record({
  name: fc.string({ minLength: 1 }),
  weight: fc.integer({ min: 1, max: 50 }).map((tenths) => tenths / 10),
  inFlight: fc.nat(50),
});
const candidates = fc.uniqueArray(candidate, { minLength: 1, maxLength: 8, selector: ({ name }) => name });
const idle = (names: readonly string[], weight = 1): Candidate[] => names.map((name) => ({ name, weight, inFlight: 0 }));
const keys = Array.from({ length: 3000 }, (_, index) => `prefix ${index}`);

describe("the choice", () => {
  test("does not depend on the order of the candidates", () => {
    fc.assert(
      fc.property(candidates, fc.string(), (list, key) => {
        // Two of equal load and different weight may change places only by their ranks, which the order does not touch.
        expect(choose([...list].reverse(), key)?.name).toBe(choose(list, key)?.name);
      }),
    );
  });

  test("is never much busier than the least busy", () => {
    fc.assert(
      fc.property(candidates, fc.string(), fc.constantFrom(0, 1), (list, key, slack) => {
        const chosen = choose(list, key, slack)!;
        const least = Math.min(...list.map(({ inFlight, weight }) => inFlight / weight));
        expect(chosen.inFlight / chosen.weight).toBeLessThanOrEqual(least + Math.max(slack, least / 4) + 1e-9);
      }),
    );
  });

  test("of one prefix stays where it is while all are as busy", () => {
    const at = (inFlight: number) =>
      choose(
        idle(["a", "b", "c"]).map((each) => ({ ...each, inFlight })),
        "key",
      )!.name;
    expect(new Set([at(0), at(1), at(40)]).size).toBe(1);
  });

  test("moves only the prefixes of one that went away", () => {
    const all = idle(["a", "b", "c", "d"]);
    const fewer = all.filter(({ name }) => name !== "c");
    const moved = keys.filter((key) => choose(all, key)!.name !== choose(fewer, key)!.name);
    expect(moved.every((key) => choose(all, key)!.name === "c")).toBe(true);
  });

  test("falls on each as often as its weight says", () => {
    const list = [...idle(["a", "b"]), ...idle(["c"], 2)];
    const shares = ["a", "b", "c"].map((name) => keys.filter((key) => choose(list, key)!.name === name).length / keys.length);
    expect(shares[0]).toBeCloseTo(0.25, 1);
    expect(shares[1]).toBeCloseTo(0.25, 1);
    expect(shares[2]).toBeCloseTo(0.5, 1);
  });

  test("of nobody is none", () => expect(choose([], "key")).toBeUndefined());
});

test("a busier one is worth it for later turns and long texts only", () => {
  const busy = (key: string, slack: number) => choose([...idle(["a"]), { name: "b", weight: 1, inFlight: 1 }], key, slack)!.name;
  const key = keys.find((each) => choose(idle(["a", "b"]), each)!.name === "b")!;
  expect([busy(key, 0), busy(key, 1)]).toEqual(["a", "b"]);
  const chat = (...roles: readonly string[]) =>
    slackOf({ prompt: { kind: "chat", messages: roles.map((role) => ({ role, content: "Hello" })) } });
  expect([chat("system", "user"), chat("user", "assistant", "user")]).toEqual([0, 1]);
  const text = (length: number) => slackOf({ prompt: { kind: "text", text: "a".repeat(length) } });
  expect([text(100), text(5000)]).toEqual([0, 1]);
});

describe("the prefix of a request", () => {
  const chat = (...texts: readonly string[]) =>
    prefixKey({
      prompt: {
        kind: "chat",
        messages: texts.map((content, index) => ({ role: index === 0 ? "system" : index % 2 ? "user" : "assistant", content })),
      },
    });

  test("is the same through all turns of a conversation, and another one in another conversation", () => {
    expect(chat("Be kind.", "Hello")).toBe(chat("Be kind.", "Hello", "Hi!", "How are you?"));
    expect(chat("Be kind.", "Hello")).not.toBe(chat("Be kind.", "Good morning"));
  });

  test("is the same for texts that begin alike", () => {
    const text = (rest: string) => prefixKey({ prompt: { kind: "text", text: "a".repeat(2000) + rest } });
    expect(text("b")).toBe(text("c"));
  });
});
