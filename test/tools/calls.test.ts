/**
 * Calls of tools by real models, through the pool and an engine, without a protocol: Shimmy Tiny, whose template prints tools (Hermes),
 * and SmolLM2, whose template prints none (generic). What they call is little worth; that it is a call of that schema is promised.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Ajv } from "ajv";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChatPrompt, FinishReason, GenerationEvent, GenerationRequest, Tool } from "../../src/contract/generation.ts";
import type { createShimmy, Shimmy } from "../../src/index.ts";
import { NO_SHARED, SMOLLM2, TINY } from "../support/server.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-tools-"));
const library: { readonly createShimmy: typeof createShimmy } = await import(pathToFileURL(resolve("dist/index.js")).href);

let shimmy: Shimmy;
beforeAll(async () => {
  writeFileSync(join(folder, "none.yaml"), "");
  const modelDirs = [dirname(TINY), ...(NO_SHARED ? [] : [dirname(SMOLLM2)])];
  shimmy = await library.createShimmy({ config: join(folder, "none.yaml"), modelDirs, logLevel: "error", ctx: "2048" });
});
afterAll(() => shimmy.close());

const parameters = {
  type: "object",
  properties: {
    city: { type: "string", maxLength: 20 },
    unit: { enum: ["celsius", "fahrenheit"] },
    days: { type: "integer", minimum: 1, maximum: 7 },
  },
  required: ["city", "unit"],
  additionalProperties: false,
};
const weather: Tool = { type: "function", function: { name: "get_weather", description: "Weather of a city", parameters, strict: true } };
const clock: Tool = { type: "function", function: { name: "clock", description: "The time" } };
const question = [{ role: "user", content: "What is the weather in Paris?" }];

interface Answer {
  readonly text: string;
  readonly reasoning: string;
  readonly calls: Array<{ id: string; name: string; arguments: string }>;
  readonly reason: FinishReason;
  readonly tokens: number;
  readonly completionTokens: number;
  readonly logprobs: number;
  readonly reasoningTokens?: number | undefined;
}

async function ask(
  model: string,
  prompt: Partial<ChatPrompt>,
  options: Partial<GenerationRequest> = {},
  { generator } = shimmy,
): Promise<Answer[]> {
  const request: GenerationRequest = {
    ...{ id: "1", model, choices: 1, stop: [], maxTokens: 200, sampling: { temperature: 0 } },
    prompt: { kind: "chat", messages: question, ...prompt },
    ...options,
  };
  const events: GenerationEvent[] = [];
  for await (const event of generator.generate(await generator.resolve(model), request, new AbortController().signal)) events.push(event);
  return Array.from({ length: request.choices }, (_, choice) =>
    folded(events.filter((event) => "choice" in event && event.choice === choice)),
  );
}

function folded(events: readonly GenerationEvent[]): Answer {
  const calls: Answer["calls"] = [];
  let [text, reasoning, tokens, logprobs] = ["", "", 0, 0];
  for (const event of events) {
    if (event.type === "toolCall") {
      if (event.id !== undefined) {
        expect([event.call, event.arguments, typeof event.name]).toEqual([calls.length, "", "string"]);
        calls.push({ id: event.id, name: event.name!, arguments: "" });
      } else calls[event.call]!.arguments += event.arguments;
    } else if (event.type === "text") text += event.text;
    else if (event.type === "reasoning") reasoning += event.text;
    if ("tokens" in event && typeof event.tokens === "number") {
      tokens += event.tokens;
      logprobs += "logprobs" in event ? (event.logprobs?.length ?? 0) : 0;
    }
  }
  const finished = events.at(-1)!;
  if (finished.type !== "finished") throw new Error("it has not finished");
  const { reason, completionTokens, reasoningTokens } = finished;
  return { text, reasoning, calls, reason, tokens, completionTokens, logprobs, reasoningTokens };
}

const valid = new Ajv().compile(parameters);

describe.each([
  { model: "shimmy-tiny", missing: undefined },
  { model: "smollm2-135m-instruct", missing: NO_SHARED },
])("$model", ({ model, missing }) => {
  describe.skipIf(missing)(`calls${missing ? ` (skipped: ${missing})` : ""}`, () => {
    test("T36 T37 required: a call of the schema, whole, each token told once", async () => {
      const [answer] = await ask(model, { tools: [weather, clock], toolChoice: "required", parallelToolCalls: false }, { topLogprobs: 0 });
      expect(answer).toMatchObject({ text: "", reasoning: "", reason: "tool_calls" });
      expect(answer!.calls).toHaveLength(1);
      const [call] = answer!.calls;
      expect(call!.id).toMatch(/^call_[A-Za-z0-9]{24}$/);
      const args: unknown = JSON.parse(call!.arguments);
      if (call!.name === "clock") expect(args).toEqual({});
      else expect([call!.name, valid(args), valid.errors]).toEqual(["get_weather", true, null]);
      expect(answer!.tokens).toBe(answer!.completionTokens);
      expect(answer!.logprobs).toBe(answer!.completionTokens);
    });

    test("T42 a named tool is called, by each choice, whatever is sampled", async () => {
      const sampling = { temperature: 1.5, topK: 0, topP: 1, minP: 0, seed: 3 };
      const answers = await ask(model, { tools: [clock, weather], toolChoice: { name: "get_weather" } }, { choices: 4, sampling });
      for (const { calls, reason, text } of answers) {
        expect([text, calls.length, calls[0]!.name, reason]).toEqual(["", 1, "get_weather", "tool_calls"]);
        expect(valid(JSON.parse(calls[0]!.arguments))).toBe(true);
      }
    });

    test("T39 a tool without parameters", async () => {
      const [answer] = await ask(model, { tools: [clock], toolChoice: "required", parallelToolCalls: false });
      expect(answer!.calls).toMatchObject([{ name: "clock", arguments: "{}" }]);
    });

    test("T17 a stop string ends no call that was demanded", async () => {
      const prompt = { tools: [clock], toolChoice: "required" as const, parallelToolCalls: false };
      const [answer] = await ask(model, prompt, { stop: ["e", '"', "{"] });
      expect(answer).toMatchObject({ text: "", calls: [{ name: "clock", arguments: "{}" }], reason: "tool_calls" });
    });

    test("T38 a call that is cut ends with length", async () => {
      const [answer] = await ask(model, { tools: [weather], toolChoice: "required" }, { maxTokens: 22 });
      expect(answer!.reason).toBe("length");
      for (const call of answer!.calls) expect(() => JSON.parse(call.arguments)).toThrow();
    });

    test("auto: an answer is text or calls, and ends so; T43 without tools it is text", async () => {
      const [answer] = await ask(model, { tools: [weather, clock] });
      expect(answer!.reason === "tool_calls").toBe(answer!.calls.length > 0);
      for (const call of answer!.calls) if (call.name === "get_weather") expect(valid(JSON.parse(call.arguments))).toBe(true);
      const [plain] = await ask(model, {});
      expect(plain!.calls).toEqual([]);
      expect(plain!.reason).not.toBe("tool_calls");
    });

    test("tools and a constraint: calls, or the text that was asked for", async () => {
      const constraint = { schema: { enum: ["sunny", "rainy"] }, param: "response_format" };
      const [answer] = await ask(model, { tools: [clock] }, { constraint });
      if (answer!.calls.length === 0) expect(['"sunny"', '"rainy"']).toContain(answer!.text);
      else expect(answer).toMatchObject({ text: "", reason: "tool_calls" });
    });
  });
});

test("a strict schema that cannot be promised is refused before a model is loaded", async () => {
  const odd = { type: "object", properties: { a: { not: {} } } };
  const tools: Tool[] = [clock, { type: "function", function: { name: "odd", parameters: odd, strict: true } }];
  await expect(ask("shimmy-tiny", { tools })).rejects.toMatchObject({
    code: "invalid_value",
    param: "tools[1].function.parameters.properties.a.not",
  });
});

describe("a model that thinks", () => {
  let thinker: Shimmy;
  beforeAll(async () => {
    const template = join(folder, "thinking.jinja");
    const turn = "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}";
    const opening = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{% endif %}";
    writeFileSync(template, `{# </think> #}{%- for message in messages %}${turn}{% endfor %}${opening}`);
    const settings = { config: join(folder, "none.yaml"), modelDirs: [dirname(TINY)], logLevel: "error", chatTemplateFile: template };
    thinker = await library.createShimmy(settings);
  });
  afterAll(() => thinker.close());

  test("T50 thinks first, within its budget, then answers in JSON, or with a call", async () => {
    const reasoning = { budgetTokens: 6 };
    const constraint = { schema: { enum: ["sunny", "rainy"] }, param: "response_format" };
    const [text] = await ask("shimmy-tiny", { reasoning }, { constraint, topLogprobs: 0 }, thinker);
    expect(['"sunny"', '"rainy"']).toContain(text!.text);
    const [called] = await ask(
      "shimmy-tiny",
      { reasoning, tools: [weather], toolChoice: "required", parallelToolCalls: false },
      {},
      thinker,
    );
    expect(called).toMatchObject({ text: "", calls: [{ name: "get_weather" }], reason: "tool_calls" });
    for (const { reasoning: thought, tokens, completionTokens, reasoningTokens } of [text!, called!]) {
      expect(thought).not.toMatch(/think>/);
      expect(thought).not.toBe("");
      expect(reasoningTokens).toBeGreaterThanOrEqual(6);
      expect(reasoningTokens).toBeLessThan(completionTokens);
      expect(tokens).toBe(completionTokens);
    }
    expect(text!.logprobs).toBe(text!.completionTokens);
  });

  test("T42, T49 a model that would end in its thought answers all the same where an answer is promised", async () => {
    // Without a budget Shimmy Tiny ends its answer where it should end its thought.
    const [free] = await ask("shimmy-tiny", {}, {}, thinker);
    expect(free).toMatchObject({ text: "", reason: "stop" });
    const [called] = await ask("shimmy-tiny", { tools: [clock], toolChoice: "required", parallelToolCalls: false }, {}, thinker);
    expect(called).toMatchObject({ text: "", calls: [{ name: "clock", arguments: "{}" }], reason: "tool_calls" });
    expect(called!.reasoning).not.toBe("");
  });

  test("T51 switched off it does not: no token of a thought", async () => {
    const [answer] = await ask("shimmy-tiny", { reasoning: { enabled: false } }, { maxTokens: 20 }, thinker);
    expect(answer).toMatchObject({ reasoning: "", reasoningTokens: 0 });
    expect(answer!.text).not.toContain("think>");
    expect(answer!.text).not.toBe("");
  });
});
