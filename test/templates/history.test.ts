/** T28–T31: every history that clients really send is taken by both models, and nothing of it is lost on the way to the template. */
import OpenAI from "openai";
import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NO_SHARED, SMOLLM2, startServer, type TestServer } from "../support/server.ts";
import { type Asker, asker, call, toolDefinition, user } from "./asker.ts";

const MODELS = [
  { name: "shimmy-tiny", args: [], absent: undefined },
  {
    name: "smollm2-135m-instruct-q4-1",
    args: ["--model-path", SMOLLM2, "--ctx", "1024", "--parallel", "2"],
    absent: NO_SHARED,
  },
];

describe.each(MODELS)("$name", ({ name, args, absent }) => {
  describe.skipIf(absent)(absent ?? "", () => {
    let server: TestServer;
    let model: Asker;
    beforeAll(async () => {
      server = await startServer({ args });
      model = asker(server, name);
    });
    afterAll(() => server.stop());

    const said = (content: string) => ({ role: "assistant", content });

    test("T28 an assistant's content may be null, missing or empty beside its tool calls", async () => {
      const with_ = (message: object) => [
        user("What is 2 + 3?"),
        { role: "assistant", ...message },
        { role: "tool", tool_call_id: "call_1", content: "5" },
      ];
      const calls = { tool_calls: [call("add", '{"a": 2, "b": 3}')] };
      const counts = await Promise.all(
        [{ content: null, ...calls }, calls, { content: "", ...calls }, { content: [], ...calls }].map((message) =>
          model.count(with_(message)),
        ),
      );
      expect(new Set(counts).size).toBe(1);
      // The call and its result are in the prompt.
      expect(counts[0]).toBeGreaterThan((await model.count([user("What is 2 + 3?")])) + 15);
    });

    test("T28 an assistant that said nothing at all is taken too", async () => {
      for (const message of [{ content: null }, {}, { content: "", tool_calls: [] }, { content: null, tool_calls: null }])
        expect(await model.count([user("Hi"), { role: "assistant", ...message }, user("Are you there?")])).toBeGreaterThan(0);
    });

    test("T29 parts of text are the text, for users, tools, system and assistant", async () => {
      const plain = [
        { role: "system", content: "Be brief." },
        user("What is 2 + 3?"),
        { role: "assistant", content: "I add.", tool_calls: [call("add", "{}")] },
        { role: "tool", tool_call_id: "call_1", content: "5" },
        user("Thanks"),
      ];
      const parts = plain.map((message) => ({ ...message, content: [{ type: "text", text: message.content }] }));
      expect(await model.count(parts)).toBe(await model.count(plain));
    });

    test("T29 several parts are one content, and an image is refused by name", async () => {
      const two = [
        {
          role: "user",
          content: [
            { type: "text", text: "One fox." },
            { type: "text", text: "Two foxes." },
          ],
        },
      ];
      expect(await model.count(two)).toBe(await model.count([user("One fox.\nTwo foxes.")]));
      const image = [
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
          ],
        },
      ];
      const { status, json } = await model.ask(image);
      expect([status, json.error.param, json.error.code]).toEqual([400, "messages[0].content[1]", "modality_not_supported"]);
    });

    test("T30 arguments of past calls may be JSON, an object, empty, or no JSON at all", async () => {
      const with_ = (args: unknown) => [
        user("Add."),
        { role: "assistant", content: null, tool_calls: [call("add", args)] },
        { role: "tool", tool_call_id: "call_1", content: "5" },
      ];
      const text = await model.count(with_('{"a": 2, "b": 3}'));
      expect(await model.count(with_({ a: 2, b: 3 }))).toBe(text);
      for (const args of ["", "{", '{"a": 2, "b":', "not json at all", "[1, 2]", "null", null, undefined])
        expect(await model.count(with_(args))).toBeGreaterThan(0);
    });

    test("T31 developer is system", async () => {
      const as = (role: string) => model.count([{ role, content: "You are a pirate." }, user("Hi")]);
      expect(await as("developer")).toBe(await as("system"));
    });

    const STRANGE = {
      "a system message in the middle": [
        user("Hi"),
        said("Hello!"),
        { role: "system", content: "Speak like a pirate." },
        user("Who are you?"),
      ],
      "a system message at the end": [user("Hi"), { role: "system", content: "Speak like a pirate." }],
      "two system messages": [{ role: "system", content: "Be brief." }, { role: "system", content: "Speak like a pirate." }, user("Hi")],
      "two users in a row": [user("Hi"), user("Speak like a pirate.")],
      "two assistants in a row": [user("Hi"), said("Hello!"), said("Speak like a pirate."), user("Go on")],
      "an assistant first": [said("Speak like a pirate."), user("Hi")],
      "a system message only": [{ role: "system", content: "Speak like a pirate." }],
      "a tool result without a call id": [
        user("Hi"),
        { role: "assistant", content: null, tool_calls: [call("look", "{}")] },
        { role: "tool", content: "Speak like a pirate." },
      ],
      "a tool result without a call": [user("Hi"), { role: "tool", tool_call_id: "x", content: "Speak like a pirate." }],
      "a name": [{ ...user("Speak like a pirate."), name: "Ann" }],
    };
    test.each(Object.entries(STRANGE))("T31 %s: answered, and nothing is left out", async (_, messages) => {
      const without = messages.map((message) => ({
        ...message,
        content: message.content === "Speak like a pirate." ? "x" : message.content,
      }));
      // The sentence has at least four tokens more than "x", wherever it stands.
      expect(await model.count(messages)).toBeGreaterThanOrEqual((await model.count(without)) + 3);
    });

    test("T35 tools are in the prompt, the same way each time", async () => {
      const messages = [user("What is 2 + 3?")];
      const tools = [toolDefinition("add"), toolDefinition("subtract")];
      const counts = await Promise.all([1, 2, 3].map(() => model.count(messages, { tools })));
      expect(new Set(counts).size).toBe(1);
      const difference = counts[0]! - (await model.count(messages));
      // Where the template prints none the system message does.
      expect(difference).toBeGreaterThan(40);
      expect(await model.count(messages, { tools: [] })).toBe(await model.count(messages));
      expect(await model.count(messages, { tools, tool_choice: "none" })).toBe(await model.count(messages));
    });

    test("the official client sends all of it, streaming", async () => {
      const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
      const messages: ChatCompletionMessageParam[] = [
        { role: "developer", content: "Be brief." },
        { role: "user", content: [{ type: "text", text: "What is 2 + 3?" }] },
        { role: "assistant", tool_calls: [{ id: "call_1", type: "function", function: { name: "add", arguments: '{"a": 2}' } }] },
        { role: "tool", tool_call_id: "call_1", content: [{ type: "text", text: "5" }] },
      ];
      let reason: string | null | undefined;
      for await (const chunk of await client.chat.completions.create({ model: name, messages, max_tokens: 4, stream: true }))
        reason = chunk.choices[0]?.finish_reason ?? reason;
      expect(["length", "stop"]).toContain(reason);
    });
  });
});
