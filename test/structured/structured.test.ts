/** Structured output over HTTP (T46–T48): what is asked for is what comes, whole or streamed, or the request is refused. */
import fc from "fast-check";
import type { ChatCompletion } from "openai/resources/chat/completions";
import type { Completion } from "openai/resources/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ask,
  CHAT,
  COMPLETIONS,
  chatText,
  MODELS,
  startBoth,
  streamedChat,
  streamedCompletion,
  wholeChat,
  wholeCompletion,
} from "../openai/support.ts";
import { post, type TestServer } from "../support/server.ts";
import { anySchema, violation } from "./schemas.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startBoth();
});
afterAll(() => server.stop());

const ofSchema = (schema: unknown) => ({ response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } });
const textOf = (answer: ChatCompletion) => answer.choices[0]!.message.content!;

interface Failure {
  readonly error: { readonly param: string; readonly code: string };
}

const PERSON = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 12 },
    mood: { enum: ["happy", "sad"] },
    age: { type: "integer", minimum: 1, maximum: 120 },
    phone: { type: "string", pattern: "^\\d{3}-\\d{4}$" },
    born: { type: "string", format: "date" },
    pet: { anyOf: [{ type: "null" }, { $ref: "#/$defs/pet" }] },
  },
  required: ["name", "mood", "age", "phone", "born", "pet"],
  additionalProperties: false,
  $defs: {
    pet: { type: "object", properties: { kind: { enum: ["cat", "dog"] } }, required: ["kind"], additionalProperties: false },
  },
};

const FAMILY = {
  type: "object",
  properties: { kind: { enum: ["cat", "dog"] }, young: { type: "array", items: { $ref: "#" }, maxItems: 2 } },
  required: ["kind"],
};

describe.each(MODELS)("$label", ({ id: model, missing }) => {
  describe.skipIf(missing)("answers", () => {
    const asked = { model, messages: ask("Describe a person."), max_tokens: 150, seed: 7 };

    test("a text without a choice is written in the tokenizer's own tokens, however unlikely it is", async () => {
      const names = ["refrigeratorWarrantyExpirationDate", "jurisdictionalComplianceOfficer"];
      const properties = Object.fromEntries(names.map((name) => [name, { const: 1 }]));
      const schema = { type: "object", properties, required: names, additionalProperties: false };
      // The vocabulary is sorted during the first answers.
      for (let i = 0; i < 2; i++) await wholeChat(server, { ...asked, ...ofSchema(PERSON) });
      const answer = await wholeChat(server, { ...asked, ...ofSchema(schema) });
      const text = textOf(answer);
      expect(Object.keys(JSON.parse(text))).toEqual(names);
      const { usage } = await wholeCompletion(server, { model, prompt: text, max_tokens: 1 });
      // Where there is a choice, at white space and ends, it may be cut otherwise.
      expect(answer.usage!.completion_tokens).toBeLessThanOrEqual(1.4 * usage!.prompt_tokens);
    });

    test.each([0, 0.8, 1.5])("T46 json_object parses unless it was cut, at temperature %d", async (temperature) => {
      const body = { ...asked, temperature, response_format: { type: "json_object" }, n: 2, max_tokens: 80 };
      const { choices } = await wholeChat(server, body);
      for (const { message, finish_reason } of choices) {
        expect(message.content).toMatch(/^\{/); // no fence, no prose
        if (finish_reason !== "length") expect(JSON.parse(message.content!)).toBeTypeOf("object");
      }
    });

    test.each([0, 1])("T47 a schema with everything is matched, at temperature %d", async (temperature) => {
      const answer = await wholeChat(server, { ...asked, temperature, ...ofSchema(PERSON) });
      expect(answer.choices[0]!.finish_reason).toBe("stop");
      expect(violation(PERSON, textOf(answer))).toBeUndefined();
    });

    test("T47 a schema that holds itself is matched, unless the answer was cut", async () => {
      const { choices } = await wholeChat(server, { ...asked, ...ofSchema(FAMILY), temperature: 1.5, n: 4 });
      const whole = choices.filter(({ finish_reason }) => finish_reason === "stop").map(({ message }) => message.content!);
      expect(whole.length).toBeGreaterThan(0);
      expect(whole.map((text) => violation(FAMILY, text)).filter((reason) => reason !== undefined)).toEqual([]);
    });

    test("T47 T49 a stream has the same text as the whole answer", async () => {
      const body = { ...asked, ...ofSchema(PERSON) };
      const chunks = await streamedChat(server, body);
      expect(chatText(chunks)).toBe(textOf(await wholeChat(server, body)));
      expect(violation(PERSON, chatText(chunks))).toBeUndefined();
    });

    test.each([
      ["penalties", { repeat_penalty: 1.3, presence_penalty: 1, frequency_penalty: 1 }],
      ["mirostat", { mirostat: 2 }],
      ["no truncation at all", { top_k: 0, top_p: 1, min_p: 0, temperature: 1.5 }],
      ["a ban on what the grammar needs", { logit_bias: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [i, -100])) }],
    ])("the constraint holds with %s", async (_, sampling) => {
      const answer = await wholeChat(server, { ...asked, ...sampling, ...ofSchema(PERSON) });
      expect([answer.choices[0]!.finish_reason, violation(PERSON, textOf(answer))]).toEqual(["stop", undefined]);
    });

    test("log probabilities are those of the model, not of the constraint", async () => {
      const { choices } = await wholeChat(server, {
        ...asked,
        ...ofSchema({ const: "zebra" }),
        logprobs: true,
        top_logprobs: 2,
        temperature: 0,
      });
      const tokens = choices[0]!.logprobs!.content!;
      expect(tokens.map(({ token }) => token).join("")).toBe('"zebra"');
      expect(tokens[0]!.logprob).toBeLessThan(-0.5); // no model would begin like that
      expect(tokens[0]!.top_logprobs[0]!.logprob).toBeGreaterThan(tokens[0]!.logprob);
    });

    test("completions take a grammar and llama-server's json_schema, whole and streamed", async () => {
      const body = { model, prompt: "Is the sky blue?", grammar: 'root ::= "yes" | "no"', max_tokens: 10, temperature: 1 };
      const { choices } = await wholeCompletion(server, { ...body, n: 8 });
      for (const choice of choices) expect([choice.text, choice.finish_reason]).toEqual([expect.stringMatching(/^(yes|no)$/), "stop"]);
      const { grammar: _, ...prompt } = body;
      const chunks = await streamedCompletion(server, { ...prompt, json_schema: { enum: [1, "two", null] } });
      expect([1, "two", null]).toContain(JSON.parse(chunks.map((chunk: Completion) => chunk.choices[0]?.text ?? "").join("")));
    });

    test("tokens are drawn as the model would draw them if it knew no others", async () => {
      const body = {
        model,
        prompt: "The best letter is",
        grammar: 'root ::= "a" | "b" | "c" | "d"',
        temperature: 1,
        top_k: 0,
        top_p: 1,
        min_p: 0,
        logprobs: 0,
      };
      const drawn = new Map<string, { count: number; p: number }>();
      for (let seed = 0; seed < 400; seed += 16) {
        const { choices } = await wholeCompletion(server, { ...body, n: 16, seed });
        for (const { text, logprobs } of choices) {
          const known = drawn.get(text) ?? { count: 0, p: Math.exp(logprobs!.token_logprobs![0]!) };
          drawn.set(text, { ...known, count: known.count + 1 });
        }
      }
      const [total, allowed] = [...drawn.values()].reduce(([n, p], each) => [n + each.count, p + each.p], [0, 0]);
      for (const { count, p } of drawn.values()) {
        const share = p / allowed;
        expect(Math.abs(count - total * share)).toBeLessThan(4 * Math.sqrt(total * share * (1 - share)) + 2);
      }
      expect(drawn.size).toBeGreaterThan(1);
    });

    test("an answer ends when nothing can follow, without a token for the end", async () => {
      const answer = await wholeCompletion(server, { model, prompt: "x", grammar: 'root ::= "a"', max_tokens: 10 });
      expect([answer.choices[0]!.text, answer.choices[0]!.finish_reason, answer.usage!.completion_tokens]).toEqual(["a", "stop", 1]);
    });

    test("a grammar that leads nowhere ends the answer as one that was cut", async () => {
      const answer = await wholeCompletion(server, { model, prompt: "x", grammar: 'root ::= "ab" [^\\x00-\\U0010FFFF]', max_tokens: 10 });
      expect([answer.choices[0]!.text, answer.choices[0]!.finish_reason]).toEqual(["ab", "length"]);
    });
  });
});

describe("T48 what cannot be promised is refused with its path", () => {
  const SCHEMA = "response_format.json_schema.schema";
  test.each([
    [ofSchema({ type: "object", properties: { a: { not: {} } } }), `${SCHEMA}.properties.a.not`],
    [ofSchema({ type: "string", pattern: "(?!x)" }), `${SCHEMA}.pattern`],
    [ofSchema({ type: "array", items: { type: "thing" } }), `${SCHEMA}.items.type`],
    [ofSchema("text"), SCHEMA],
    [{ response_format: { type: "json_schema" } }, SCHEMA],
    [{ response_format: { type: "json_schema", json_schema: null } }, SCHEMA],
    [{ response_format: { type: "yaml" } }, "response_format.type"],
    [{ json_schema: { type: "object", if: {} } }, "json_schema.if"],
    [{ grammar: `root ::= ${"(".repeat(3000)}"a"${")".repeat(3000)}` }, "grammar"],
    [{ grammar: 'root ::= root "a"' }, "grammar"],
    [{ grammar: 'root ::= ("")*' }, "grammar"],
    [{ grammar: 7 }, "grammar"],
    [{ grammar: 'root ::= "a"', json_schema: {} }, "grammar"],
    [{ guided_json: {} }, "guided_json"],
  ])("%j", async (fields, param) => {
    for (const [path, body] of [
      [CHAT, { messages: ask("x") }],
      [COMPLETIONS, { prompt: "x" }],
    ] as const) {
      const response = await post(server, path, { model: "shimmy-tiny", ...body, ...fields });
      expect([response.status, ((await response.json()) as Failure).error]).toEqual([
        400,
        expect.objectContaining({ param, code: "invalid_value" }),
      ]);
    }
  });

  test("and nothing of it ended the engine", async () => {
    expect((await server.engines()).length).toBeGreaterThan(0);
    expect(textOf(await wholeChat(server, { model: "shimmy-tiny", messages: ask("Hi"), max_tokens: 5 }))).not.toBe("");
  });
});

test("a large schema is compiled beside the event loop: /health answers meanwhile; a fault deep inside is a 400 with its place", async () => {
  const properties = Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`property${i}`, { enum: [`a${i}`, `b${i}`] }]));
  const schema = { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
  const asked = { model: "shimmy-tiny", messages: ask("Fill it in."), max_tokens: 8 };
  let answered = false;
  let healthy = 0;
  const answer = wholeChat(server, { ...asked, ...ofSchema(schema) }).finally(() => {
    answered = true;
  });
  while (!answered) if ((await fetch(`${server.url}/health`)).ok) healthy++;
  expect(textOf(await answer)).toMatch(/^\{"property0": ?"[ab]/);
  expect(healthy).toBeGreaterThan(5);
  const faulty = { ...schema, properties: { ...properties, property3999: { not: {} } } };
  const refused = await post(server, CHAT, { ...asked, ...ofSchema(faulty) });
  expect(refused.status).toBe(400);
  expect(((await refused.json()) as Failure).error.param).toBe("response_format.json_schema.schema.properties.property3999.not");
});

test("an enum of 20,000 strings is answered from", async () => {
  const values = Array.from({ length: 20_000 }, (_, i) => `item-${(i * 7919) % 1_000_003}-${i}`);
  const answer = await wholeChat(server, { model: "shimmy-tiny", messages: ask("Pick one."), ...ofSchema({ enum: values }) });
  expect(values).toContain(JSON.parse(textOf(answer)));
});

test("500 random schemas at temperature 1: every answer that was not cut matches its schema", async () => {
  const schemas = fc.sample(anySchema, { numRuns: 500, seed: 20_261_124 });
  const outcome = { matched: 0, cut: 0, refused: 0 };
  const wrong: unknown[] = [];
  const one = async (schema: object, seed: number) => {
    const body = {
      model: "shimmy-tiny",
      messages: ask("Fill in."),
      max_tokens: 200,
      temperature: 1,
      top_k: 0,
      top_p: 1,
      min_p: 0,
      seed,
      ...ofSchema(schema),
    };
    const response = await post(server, CHAT, body);
    const answer = (await response.json()) as ChatCompletion & Failure;
    if (!response.ok) {
      outcome.refused++;
      wrong.push({ schema, error: answer.error });
    } else if (answer.choices[0]!.finish_reason === "length") outcome.cut++;
    else {
      outcome.matched++;
      const reason = violation(schema, textOf(answer));
      if (reason !== undefined) wrong.push({ schema, text: textOf(answer), reason });
    }
  };
  for (let from = 0; from < schemas.length; from += 20)
    await Promise.all(schemas.slice(from, from + 20).map((schema, i) => one(schema, from + i)));
  expect(wrong).toEqual([]);
  expect(outcome.matched).toBeGreaterThan(350);
}, 120_000);
