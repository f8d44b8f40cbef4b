/** T14–T17: stop strings, on both models: those of the real vocabulary lie across its tokens. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestServer } from "../support/server.ts";
import {
  ask,
  chatText,
  completionText,
  MODELS,
  startBoth,
  streamedChat,
  streamedCompletion,
  wholeChat,
  wholeCompletion,
} from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startBoth();
});
afterAll(() => server.stop());

const questions: Record<string, string> = {
  "shimmy-tiny": "Tell me a short story about a robot named Zip and a red kite.",
  default: "Count from one to ten in words.",
};

for (const { label, id: model, missing } of MODELS)
  describe.skipIf(missing)(label, () => {
    const request = { model, messages: ask(questions[model] ?? questions.default!), temperature: 0, max_tokens: 24 };
    let full: string;
    beforeAll(async () => {
      if (!missing) full = (await wholeChat(server, request)).choices[0]!.message.content!;
    });

    /** Streams with these stop strings: the pieces, one by one, and why it ended. */
    async function pieces(stop: unknown, more: object = {}) {
      const chunks = await streamedChat(server, { ...request, ...more, stop });
      const texts = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").filter((text) => text !== "");
      return { texts, text: texts.join(""), reason: chunks.flatMap(({ choices }) => choices).at(-1)!.finish_reason };
    }

    test.each([1, 2, 4, 9])("T14 a stop string of %i characters, anywhere, never leaks, nor does its beginning", async (length) => {
      for (const at of [3, 8, 14]) {
        const stop = full.slice(at, at + length);
        const expected = full.slice(0, full.indexOf(stop));
        const { texts, text, reason } = await pieces(stop);
        expect({ text, reason }).toEqual({ text: expected, reason: "stop" });
        const sent = texts.map((_, i) => texts.slice(0, i + 1).join(""));
        expect(sent.filter((text) => !expected.startsWith(text))).toEqual([]);
      }
    });

    test("T14 the whole answer ends where the stream does, with the same usage", async () => {
      const stop = full.slice(9, 13);
      const answer = await wholeChat(server, { ...request, stop });
      const chunks = await streamedChat(server, { ...request, stop, stream_options: { include_usage: true } });
      expect(answer.choices[0]).toMatchObject({ message: { content: chatText(chunks) }, finish_reason: "stop" });
      expect(chatText(chunks)).toBe(full.slice(0, full.indexOf(stop)));
      expect(chunks.at(-1)!.usage).toEqual(answer.usage);
    });

    test("T15 what was held back for a stop string that does not come is sent at the limit", async () => {
      const { text, reason } = await pieces(`${full.slice(-3)}\u0001`);
      expect({ text, reason }).toEqual({ text: full, reason: "length" });
      expect((await wholeChat(server, { ...request, stop: `${full.slice(-3)}\u0001` })).choices[0]!.message.content).toBe(full);
    });

    test("T16 several stop strings with common beginnings repeat nothing and lose nothing", async () => {
      const [a, b, c] = [full.slice(4, 9), full.slice(6, 9), full.slice(10, 12)].map((text) => `${text}\u0001`);
      expect(await pieces([a, b, c])).toMatchObject({ text: full, reason: "length" });
    });

    test("T16 of several stop strings the first in the text ends it, whatever their order", async () => {
      const first = full.slice(5, 9);
      const expected = full.slice(0, full.indexOf(first));
      const others = [full.slice(15, 19), full.slice(20, 22), `${first}\u0001`];
      for (const stop of [
        [first, ...others],
        [...others, first],
      ])
        expect(await pieces(stop)).toMatchObject({ text: expected, reason: "stop" });
    });

    test.each([null, [], "", [""], ["", "\u0001"], "\u0001"])("T17 stop %j stops nothing", async (stop) => {
      const { message, finish_reason } = (await wholeChat(server, { ...request, max_tokens: 4, stop })).choices[0]!;
      expect(finish_reason).toBe("length");
      expect(message.content).not.toBe("");
      expect(full.startsWith(message.content!)).toBe(true);
    });

    test("T17 a string and an array of it do the same, at both endpoints", async () => {
      const stop = full.slice(3, 6);
      const expected = full.slice(0, full.indexOf(stop));
      for (const form of [stop, [stop]])
        expect((await wholeChat(server, { ...request, stop: form })).choices[0]!.message.content).toBe(expected);
      const completion = { model, prompt: "Once upon a time", temperature: 0, max_tokens: 12 };
      const { text } = (await wholeCompletion(server, completion)).choices[0]!;
      const end = text.slice(4, 7);
      const cut = await wholeCompletion(server, { ...completion, stop: [end] });
      expect(cut.choices[0]).toMatchObject({ text: text.slice(0, text.indexOf(end)), finish_reason: "stop" });
      expect(completionText(await streamedCompletion(server, { ...completion, stop: end }))).toBe(cut.choices[0]!.text);
    });
  });

describe("Shimmy Tiny", () => {
  const request = { model: "shimmy-tiny", messages: ask("What is the capital of France?"), temperature: 0 };

  test("T15 what was held back is sent when the model ends its text", async () => {
    for (const stop of [".\n", "Paris.\n", ["is Paris. It", "."].join("")]) {
      const chunks = await streamedChat(server, { ...request, stop });
      expect(chatText(chunks)).toBe("The capital of France is Paris.");
      expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe("stop");
    }
  });

  test("T17 a stop string at the very beginning leaves an empty text", async () => {
    const answer = await wholeChat(server, { ...request, stop: "T" });
    expect(answer.choices[0]).toMatchObject({ message: { content: "" }, finish_reason: "stop" });
    expect(chatText(await streamedChat(server, { ...request, stop: "T" }))).toBe("");
  });

  test("T17 every choice of several ends at its own stop string", async () => {
    const answer = await wholeChat(server, {
      ...request,
      messages: ask("Tell me a story."),
      temperature: 1,
      seed: 3,
      n: 4,
      max_tokens: 60,
      stop: ".",
    });
    for (const { message, finish_reason } of answer.choices) {
      expect(message.content).not.toContain(".");
      expect(finish_reason).toBe("stop");
    }
  });
});
