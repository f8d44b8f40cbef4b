/** Speculation changes when tokens come, never which: the same requests with and without it, over HTTP. */
import type { ChatCompletion } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startServer, type TestServer } from "../support/server.ts";

let auto: TestServer;
let off: TestServer;
beforeAll(async () => {
  const start = (speculation: string) => startServer({ args: ["--threads", "1", "--speculation", speculation] });
  [auto, off] = await Promise.all([start("auto"), start("off")]);
});
afterAll(() => Promise.all([auto.stop(), off.stop()]));

interface Body {
  readonly [key: string]: unknown;
}

const chat = (content: string, body: Body = {}): Body => ({
  model: "shimmy-tiny",
  messages: [{ role: "user", content }],
  temperature: 0,
  max_tokens: 120,
  ...body,
});

async function ask(server: TestServer, body: Body) {
  const response = await post(server, "/v1/chat/completions", body);
  expect(response.status).toBe(200);
  const { choices, usage } = (await response.json()) as ChatCompletion;
  return {
    answers: choices.map(({ message, finish_reason, logprobs }) => [
      message.content,
      finish_reason,
      logprobs?.content?.map(({ token }) => token),
    ]),
    tokens: usage!.completion_tokens,
  };
}

const both = async (body: Body) => [await ask(auto, body), await ask(off, body)] as const;

/** How many tokens were drafted so far, and how many came true. */
async function drafts(server: TestServer) {
  const body = await (await fetch(`${server.url}/metrics`)).text();
  const total = (name: string) => Number(new RegExp(`^shimmy_${name}_tokens_total\\{.*\\} (\\d+)$`, "m").exec(body)?.[1] ?? 0);
  return { drafted: total("drafted"), accepted: total("accepted") };
}

const line = "the fox sees the red boat, the fox sees the blue boat, the fox sees the green boat, ";
const copying = [`Repeat after me: ${line.repeat(3)}`, `Say this ten times: ${line}`, "Count from one to ten, again and again."];

/** A text to be continued. */
const repeated: Body = { prompt: line.repeat(6), model: "shimmy-tiny", temperature: 0 };

async function complete(server: TestServer, body: Body) {
  const response = await post(server, "/v1/completions", { ...repeated, ...body });
  expect(response.status).toBe(200);
  const { choices, usage } = (await response.json()) as {
    choices: Array<{ text: string; finish_reason: string }>;
    usage: { completion_tokens: number };
  };
  return { text: choices[0]!.text, reason: choices[0]!.finish_reason, tokens: usage.completion_tokens };
}

describe("the same answers with and without speculation", () => {
  test.each(copying)("greedy: %s", async (content) => {
    const [with_, without] = await both(chat(content));
    expect(with_).toEqual(without);
  });

  test("drawn with a seed, with penalties, several at once, with log probabilities", async () => {
    for (const extra of [
      { seed: 3 },
      { seed: 4, frequency_penalty: 0.5 },
      { seed: 5, n: 3 },
      { seed: 6, logprobs: true, top_logprobs: 2 },
    ]) {
      const [with_, without] = await both(chat(copying[0]!, { temperature: 0.9, ...extra }));
      expect(with_).toEqual(without);
    }
  });

  test("a text ends at each token limit exactly, and with stop strings where they begin", async () => {
    for (const max_tokens of [1, 2, 7, 40, 41, 42, 43, 44, 45, 200]) {
      const answer = await complete(auto, { max_tokens });
      expect(answer).toEqual(await complete(off, { max_tokens }));
      expect(answer.tokens).toBeLessThanOrEqual(max_tokens);
    }
    for (const stop of [["green"], ["blue boat"], ["t, the f"], ["zebra", "ee"]])
      expect(await complete(auto, { max_tokens: 150, stop })).toEqual(await complete(off, { max_tokens: 150, stop }));
  });

  test("under a schema", async () => {
    // The sixth word is a near-tie (0.05 in log probability), which falls either way as steps are cut: rounding, not speculation.
    const schema = {
      type: "object",
      properties: { words: { type: "array", items: { enum: ["fox", "boat"] }, minItems: 5, maxItems: 5 } },
    };
    const json_schema = { name: "words", schema: { ...schema, required: ["words"], additionalProperties: false } };
    const [with_, without] = await both(chat(copying[0]!, { max_tokens: 200, response_format: { type: "json_schema", json_schema } }));
    expect(with_).toEqual(without);
  });

  test("while neighbours come and go", async () => {
    const bodies = [{ max_tokens: 300 }, { max_tokens: 60 }, { max_tokens: 60, prompt: "The fox" }];
    const together = await Promise.all(bodies.map((body) => complete(auto, body)));
    for (const [i, body] of bodies.entries()) expect(together[i]).toEqual(await complete(off, body));
  });
});

test("without speculation nothing is drafted", async () => {
  for (let round = 0; round < 3; round++) await both(chat(copying[0]!));
  const { drafted, accepted } = await drafts(auto);
  expect(accepted).toBeLessThanOrEqual(drafted);
  expect(await drafts(off)).toEqual({ drafted: 0, accepted: 0 });
});
