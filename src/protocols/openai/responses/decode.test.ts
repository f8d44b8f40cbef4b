import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CONTEXT, refusal } from "../test-support.ts";
import { decodeCompaction, decodeInputTokens, decodeResponse, type ResponseContext } from "./decode.ts";
import { seal } from "./sealed.ts";

const context: ResponseContext = { ...CONTEXT, requestId: "01234567-89ab-cdef-0123-456789abcdef" };
const decode = (body: object, more: Partial<ResponseContext> = {}) => decodeResponse({ model: "m", ...body }, { ...context, ...more });
const chat = (body: object, more: Partial<ResponseContext> = {}) => {
  const { prompt } = decode(body, more).request;
  if (prompt.kind !== "chat") throw new Error("no chat");
  return prompt;
};
const messages = (input: unknown, more: object = {}) => chat({ input, ...more }).messages;
const user = (content: string) => ({ role: "user", content });
const call = (name: string, args: string, id: string) => ({ id, type: "function", function: { name, arguments: args } });
const fn = (name: string) => ({ type: "function", name, parameters: { type: "object" }, strict: false });

describe("input", () => {
  test("a text is a message of the user, behind the instructions", () => {
    expect(messages("Hi", { instructions: "Be brief." })).toEqual([{ role: "system", content: "Be brief." }, user("Hi")]);
  });

  test("T71 an empty input is answered: clients probe with it", () => {
    expect(messages([])).toEqual([user("")]);
    expect(messages("")).toEqual([user("")]);
  });

  test("no input at all is an error", () => {
    expect(refusal(() => decode({}))).toMatchObject({ param: "input", reason: "it is required" });
  });

  test("as many calls as a template does not render in a moment are refused", () => {
    const items = Array.from({ length: 9000 }, (_, i) => ({ type: "function_call", call_id: `c${i}`, name: "f", arguments: "" }));
    expect(refusal(() => decode({ input: items }))).toMatchObject({
      param: "input",
      reason: expect.stringContaining("8192 are the most"),
    });
  });

  test("messages may come without a type, ids and statuses, with text or parts", () => {
    expect(
      messages([
        { role: "developer", content: "D" },
        {
          role: "user",
          content: [
            { type: "input_text", text: "a" },
            { type: "input_text", text: "b" },
          ],
        },
        {
          type: "message",
          id: "msg_1",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: "c", annotations: [] }],
        },
        { role: "user", content: "d" },
      ]),
    ).toEqual([{ role: "developer", content: "D" }, user("a\nb"), { role: "assistant", content: "c" }, user("d")]);
  });

  test("T53, T71 thought, text and calls are one turn; outputs may be arrays", () => {
    expect(
      messages([
        user("Q"),
        { type: "reasoning", id: "rs_1", summary: [], content: [{ type: "reasoning_text", text: "hm" }], encrypted_content: "x" },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "Looking" }] },
        { type: "function_call", call_id: "c1", name: "look", arguments: '{"at":1}' },
        { type: "custom_tool_call", call_id: "c2", name: "apply_patch", input: 'a "b"' },
        {
          type: "function_call_output",
          call_id: "c1",
          output: [
            { type: "input_text", text: "one" },
            { type: "input_text", text: "two" },
          ],
        },
        { type: "custom_tool_call_output", call_id: "c2", output: "done" },
      ]),
    ).toEqual([
      user("Q"),
      {
        role: "assistant",
        content: "Looking",
        extra: {
          reasoning_content: "hm",
          tool_calls: [call("look", '{"at":1}', "c1"), call("apply_patch", '{"input":"a \\"b\\""}', "c2")],
        },
      },
      { role: "tool", content: "one\ntwo", extra: { tool_call_id: "c1", name: "look" } },
      { role: "tool", content: "done", extra: { tool_call_id: "c2", name: "apply_patch" } },
    ]);
  });

  test("T53 a thought that was told as a summary comes back as a thought; one that is encrypted is nothing", () => {
    const thought = (item: object) => messages([user("Q"), { type: "reasoning", ...item }, { role: "assistant", content: "A" }])[1];
    expect(thought({ summary: [{ type: "summary_text", text: "hm" }] })).toMatchObject({ extra: { reasoning_content: "hm" } });
    expect(thought({ summary: [], encrypted_content: "gAAAA" })).toEqual({ role: "assistant", content: "A" });
  });

  test("a text behind calls belongs to their turn, for their results come next", () => {
    const items = [
      { type: "function_call", call_id: "c1", name: "look", arguments: "{}" },
      { role: "assistant", content: "Looking" },
      { type: "function_call_output", call_id: "c1", output: "x" },
    ];
    expect(messages(items).map(({ role }) => role)).toEqual(["assistant", "tool"]);
  });

  test("images are refused in messages and named in results of tools", () => {
    const image = [{ type: "input_image", image_url: "data:image/png;base64,AA", detail: "auto" }];
    expect(refusal(() => decode({ input: [{ role: "user", content: image }] }))).toMatchObject({
      code: "modality_not_supported",
      param: "input[0].content[0]",
    });
    const { request, warnings } = decode({ input: [{ type: "function_call_output", call_id: "c", output: image }] });
    expect(request.prompt).toMatchObject({ messages: [{ role: "tool", content: expect.stringContaining("An image was here") }] });
    expect(warnings).toHaveLength(1);
  });

  test("files of text are read, others refused", () => {
    const file = (data: string) => [{ role: "user", content: [{ type: "input_file", filename: "a.txt", file_data: data }] }];
    const base64 = Buffer.from("naïve\n").toString("base64");
    expect(messages(file(`data:text/plain;base64,${base64}`))).toEqual([user('<file name="a.txt">\nnaïve\n</file>')]);
    expect(messages(file(base64))).toEqual([user('<file name="a.txt">\nnaïve\n</file>')]);
    expect(refusal(() => decode({ input: file(Buffer.from([0xff, 0xfe]).toString("base64")) })).param).toBe(
      "input[0].content[0].file_data",
    );
  });

  test("T71 items of unknown types are skipped and told", () => {
    const { request, warnings } = decode({ input: [user("Q"), { type: "web_search_call", id: "ws", status: "completed" }] });
    expect(request.prompt).toMatchObject({ messages: [user("Q")] });
    expect(warnings).toEqual(["input[1]: an item of type 'web_search_call' has no meaning here; it was skipped"]);
  });

  test.each([
    [[5], "input[0]"],
    [[{ type: "message", role: "robot", content: "" }], "input[0].role"],
    [[{ type: "function_call", name: "f", arguments: "{}" }], "input[0].call_id"],
    [[{ type: "function_call_output", output: "x" }], "input[0].call_id"],
    [[{ content: "x" }], "input[0].type"],
    [7, "input"],
  ])("%j is refused at %s", (input, param) => {
    expect(refusal(() => decode({ input }))).toMatchObject({ code: "invalid_value", param });
  });
});

describe("earlier responses", () => {
  const conversation = [user("Q1"), { type: "message", id: "msg_x_0", role: "assistant", content: [{ type: "output_text", text: "A1" }] }];

  test("T70 are what was said before; their instructions are not taken over", () => {
    const body = { input: "Q2", instructions: "New.", previous_response_id: "resp_x" };
    expect(chat(body, { earlier: { conversation, items: new Map() } }).messages).toEqual([
      { role: "system", content: "New." },
      user("Q1"),
      { role: "assistant", content: "A1" },
      user("Q2"),
    ]);
  });

  test("T70 an unknown one is a typed error", () => {
    expect(refusal(() => decode({ input: "Q", previous_response_id: "resp_x" }))).toMatchObject({
      code: "previous_response_not_found",
      param: "previous_response_id",
    });
  });

  test("what a summary stands for is not said again", () => {
    const earlier = {
      conversation: [...conversation, { type: "compaction", id: "cmp", encrypted_content: seal("Q1 was answered.") }],
      items: new Map(),
    };
    expect(chat({ input: "Q2", previous_response_id: "resp_x" }, { earlier }).messages).toEqual([
      user("Summary of the conversation so far:\n\nQ1 was answered."),
      user("Q2"),
    ]);
  });

  test("items can be referred to", () => {
    const earlier = { items: new Map([["msg_x_0", conversation[1]]]) };
    expect(chat({ input: [user("Q1"), { type: "item_reference", id: "msg_x_0" }, user("Q2")] }, { earlier }).messages[1]).toEqual({
      role: "assistant",
      content: "A1",
    });
    expect(refusal(() => decode({ input: [{ id: "msg_y_0" }] }, { earlier }))).toMatchObject({
      code: "item_not_found",
      param: "input[0].id",
    });
  });

  test("an item of a type that is some property of every object gets an id like any other", () => {
    expect(decode({ input: [user("Q"), { type: "constructor" }] }).items[1]).toEqual({
      type: "constructor",
      id: expect.stringMatching(/^item_[0-9a-f]{32}_in1$/),
    });
  });

  test("are kept with ids and parts", () => {
    const items = [user("Q"), { role: "assistant", content: "A" }, { type: "function_call_output", id: "own", call_id: "c", output: "x" }];
    const base = "0123456789abcdef0123456789abcdef";
    expect(decode({ input: items }).items).toEqual([
      { id: `msg_${base}_in0`, type: "message", role: "user", status: "completed", content: [{ type: "input_text", text: "Q" }] },
      {
        id: `msg_${base}_in1`,
        type: "message",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", annotations: [], text: "A" }],
      },
      items[2],
    ]);
  });
});

describe("tools", () => {
  test("T71 functions, custom tools and namespaces become functions; what OpenAI runs itself is skipped", () => {
    const { request, tools, warnings } = decode(JSON.parse(readFileSync("test/fixtures/codex-request.json", "utf8")));
    expect([...tools.keys()]).toEqual(["shell_command", "apply_patch", "mcp__docs__search"]);
    expect(tools.get("apply_patch")).toMatchObject({
      custom: true,
      tool: { function: { description: expect.stringContaining("begin_patch hunk+"), parameters: { required: ["input"] } } },
    });
    expect(tools.get("mcp__docs__search")).toMatchObject({ name: "search", namespace: "mcp__docs" });
    expect(request.prompt).toMatchObject({ parallelToolCalls: false, reasoning: { enabled: true, effort: "medium" } });
    expect(request.prompt.kind === "chat" && request.prompt.messages.map(({ role }) => role)).toEqual([
      "system",
      "developer",
      "user",
      "user",
      "assistant",
      "tool",
      "assistant",
      "tool",
    ]);
    expect(warnings?.map((warning) => /'(\w+)'/.exec(warning)?.[1]).sort()).toEqual([
      "image_generation",
      "local_shell",
      "web_search",
      "web_search_call",
    ]);
  });

  test("T13 the choice", () => {
    const chosen = (choice: unknown, tools: unknown[] = [fn("a"), fn("b")]) => {
      const { tools: shown, toolChoice } = chat({ input: "Q", tools, tool_choice: choice });
      return { shown: shown?.map((tool) => tool.function.name), toolChoice };
    };
    expect(chosen("auto")).toEqual({ shown: ["a", "b"], toolChoice: undefined });
    expect(chosen("none")).toEqual({ shown: undefined, toolChoice: undefined });
    expect(chosen("required")).toEqual({ shown: ["a", "b"], toolChoice: "required" });
    expect(chosen({ type: "function", name: "b" })).toEqual({ shown: ["a", "b"], toolChoice: { name: "b" } });
    expect(chosen({ type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "b" }] })).toEqual({
      shown: ["b"],
      toolChoice: "required",
    });
    expect(refusal(() => chosen({ type: "function", name: "c" }))).toMatchObject({ param: "tool_choice.name" });
    expect(refusal(() => chosen("required", []))).toMatchObject({ param: "tool_choice" });
    expect(refusal(() => chosen("required", [{ type: "web_search" }]))).toMatchObject({ param: "tool_choice" });
    expect(refusal(() => chosen({ type: "web_search_preview" }))).toMatchObject({ param: "tool_choice.type" });
    expect(refusal(() => chosen("a"))).toMatchObject({ param: "tool_choice" });
  });

  test("two of one name, or none at all, are refused with their place", () => {
    expect(refusal(() => decode({ input: "Q", tools: [fn("a"), fn("a")] }))).toMatchObject({ param: "tools[1].name" });
    expect(refusal(() => decode({ input: "Q", tools: [{ type: "function" }] }))).toMatchObject({
      param: "tools[0].name",
      reason: "it is required",
    });
    expect(refusal(() => decode({ input: "Q", tools: [{ name: "a" }] }))).toMatchObject({ param: "tools[0].type" });
  });
});

describe("the rest", () => {
  test("text.format is a constraint", () => {
    const schema = { type: "object", properties: { a: { type: "integer" } } };
    const constraint = (format: object) => decode({ input: "Q", text: { format, verbosity: "low" } }).request.constraint;
    expect(constraint({ type: "json_schema", name: "x", schema, strict: true })).toEqual({ schema, param: "text.format" });
    expect(constraint({ type: "json_object" })).toEqual({ schema: { type: "object" }, param: "text.format" });
    expect(constraint({ type: "text" })).toBeUndefined();
    expect(refusal(() => constraint({ type: "json_schema", name: "x" }))).toMatchObject({ param: "text.format.schema" });
    expect(refusal(() => constraint({ type: "xml" }))).toMatchObject({ param: "text.format.type" });
  });

  test("T27 logprobs are asked for by include or by top_logprobs", () => {
    expect(decode({ input: "Q", include: ["message.output_text.logprobs"] }).request.topLogprobs).toBe(0);
    expect(decode({ input: "Q", include: ["message.output_text.logprobs"], top_logprobs: 3 }).request.topLogprobs).toBe(3);
    expect(decode({ input: "Q", top_logprobs: 2 }).request.topLogprobs).toBe(2);
    expect(decode({ input: "Q", include: ["reasoning.encrypted_content"], top_logprobs: 0 }).request.topLogprobs).toBeUndefined();
  });

  test("limits and sampling, and no thoughts where none are wanted", () => {
    const { request } = decode({ input: "Q", max_output_tokens: 9, temperature: 0.5, top_p: 0.9, n: 4, reasoning: { effort: "none" } });
    expect(request).toMatchObject({
      maxTokens: 9,
      sampling: { temperature: 0.5, topP: 0.9 },
      choices: 1,
      prompt: { reasoning: { enabled: false } },
    });
  });

  test("the switches of other servers for thoughts are one", () => {
    const wish = (fields: object) => chat({ input: "Q", ...fields }).reasoning;
    expect(wish({})).toBeUndefined();
    expect(wish({ reasoning: { effort: "minimal" } })).toEqual({ effort: "minimal" });
    expect(wish({ reasoning: { effort: "high", summary: "auto" } })).toEqual({ enabled: true, effort: "high" });
    for (const off of [{ think: false }, { reasoning_effort: "none" }, { chat_template_kwargs: { enable_thinking: false } }])
      expect(wish(off)).toEqual({ enabled: false });
  });

  test("what is not here is refused, never ignored", () => {
    expect(refusal(() => decode({ input: "Q", conversation: "conv_1" }))).toMatchObject({ param: "conversation" });
    expect(refusal(() => decode({ input: "Q", prompt: { id: "pmpt_1" } }))).toMatchObject({ param: "prompt" });
    expect(refusal(() => decode({ input: "Q", background: true, stream: true }))).toMatchObject({ param: "background" });
  });

  test("a trigger, and the route for it, ask for a summary: no tools, no format, no thought", () => {
    const body = {
      input: [user("Q"), { type: "compaction_trigger" }],
      tools: [fn("a")],
      tool_choice: "required",
      text: { format: { type: "json_object" } },
    };
    for (const call of [decode(body), decodeCompaction({ ...body, input: [user("Q")] }, context)]) {
      expect(call.compacts).toBe(true);
      expect(call.request).toMatchObject({
        maxTokens: 4096,
        prompt: { messages: [user("Q"), { role: "user", content: expect.stringMatching(/^Summarise/) }], reasoning: { enabled: false } },
      });
      expect(call.request.constraint).toBeUndefined();
      expect(call.request.prompt).not.toHaveProperty("tools");
      expect(call.items).toHaveLength(1);
    }
  });

  test("to count is to make the prompt and generate nothing", () => {
    expect(decodeInputTokens({ model: "m", input: "Q", tools: [fn("a")] }, context)).toMatchObject({
      store: false,
      request: { maxTokens: 0 },
    });
  });
});
