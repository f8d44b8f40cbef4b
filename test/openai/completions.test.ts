/** Legacy completions with the official client: several prompts, best_of, and the log probabilities of prompts that evaluation harnesses read. */
import OpenAI, { BadRequestError } from "openai";
import type { Completion, CompletionChoice, CompletionCreateParamsNonStreaming } from "openai/resources/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { completionText, MODELS, SHIMMY_TINY, startBoth, streamedCompletion, vocabulary } from "./support.ts";

let server: TestServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startBoth();
  client = clientOf(server);
});
afterAll(() => server.stop());

const clientOf = ({ url }: TestServer) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const complete = (body: CompletionCreateParamsNonStreaming) => client.completions.create(body);
const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);

type Lists = Required<CompletionChoice.Logprobs>;
const listsOf = ({ choices }: Completion, index = 0) => choices[index]!.logprobs as Lists;

const model = SHIMMY_TINY.id;
const PROMPTS = ["Once upon a time", "The capital of France", "One, two, three,", "The fox"];

describe("several prompts in one call", () => {
  const greedy = { model, temperature: 0, max_tokens: 6 };

  test("are answered as each alone, numbered prompt by prompt", async () => {
    const { choices, usage } = await complete({ ...greedy, prompt: PROMPTS, n: 2 });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const alone = await Promise.all(PROMPTS.map((prompt) => complete({ ...greedy, prompt, n: 2 })));
    expect(choices.map(({ text }) => text)).toEqual(alone.flatMap((answer) => answer.choices.map(({ text }) => text)));
    expect(usage!.prompt_tokens).toBe(sum(alone.map((answer) => answer.usage!.prompt_tokens)));
    expect(usage!.completion_tokens).toBe(sum(alone.map((answer) => answer.usage!.completion_tokens)));
  });

  test("streamed have the same texts under the same numbers", async () => {
    const body = { ...greedy, prompt: PROMPTS, n: 2, echo: true, stream_options: { include_usage: true } };
    const chunks = await streamedCompletion(server, body);
    const { choices, usage } = await complete({ ...greedy, prompt: PROMPTS, n: 2, echo: true });
    expect(choices.map(({ index }) => completionText(chunks, index))).toEqual(choices.map(({ text }) => text));
    const { prompt_tokens, completion_tokens } = chunks.at(-1)!.usage!;
    expect([prompt_tokens, completion_tokens]).toEqual([usage!.prompt_tokens, usage!.completion_tokens]);
  });

  test("300 of them do not overrun a queue of two", async () => {
    const small = await startServer({ args: ["--max-queue", "2", "--parallel", "2", "--threads", "1"] });
    try {
      const prompt = Array.from({ length: 300 }, (_, i) => [i + 1, 5, 6]);
      const { choices, usage } = await clientOf(small).completions.create({ model, prompt, max_tokens: 1 });
      expect(choices).toHaveLength(300);
      expect(usage!.prompt_tokens).toBe(900);
    } finally {
      await small.stop();
    }
  });

  test("one that is wrong fails the call, and says why", async () => {
    const tooLong = complete({ ...greedy, prompt: [...PROMPTS, "word ".repeat(3000)] });
    await expect(tooLong).rejects.toThrow(BadRequestError);
    await expect(tooLong).rejects.toMatchObject({ code: "context_length_exceeded" });
    await expect(complete({ ...greedy, prompt: [[1], [99_999]] })).rejects.toMatchObject({ status: 400, param: "prompt" });
  });
});

describe("best_of", () => {
  const wild = { model, prompt: "The fox", temperature: 1.5, seed: 3, max_tokens: 6, logprobs: 0 };

  test("tells the answers with the largest mean log probability of all that are made", async () => {
    const all = await complete({ ...wild, n: 6 });
    const mean = ({ logprobs }: CompletionChoice) => sum(logprobs!.token_logprobs!) / logprobs!.token_logprobs!.length;
    const ranked = [...all.choices].sort((a, b) => mean(b) - mean(a)).map(({ text }) => text);
    const best = await complete({ ...wild, n: 2, best_of: 6 });
    expect(best.choices.map(({ text }) => text)).toEqual(ranked.slice(0, 2));
    expect(best.usage!.completion_tokens).toBe(all.usage!.completion_tokens);
  });

  test.each([
    [{ n: 3, best_of: 2 }, "best_of"],
    [{ best_of: 2, stream: true as const }, "best_of"],
    [{ best_of: 50 }, "best_of"],
  ])("%j is a 400", async (fields, param) => {
    const asked = client.completions.create({ ...wild, ...fields } as CompletionCreateParamsNonStreaming);
    await expect(asked).rejects.toMatchObject({ status: 400, param });
  });
});

for (const { label, id, missing } of MODELS)
  describe.skipIf(missing)(`T26 log probabilities of prompts, ${label}`, () => {
    const tale = { model: id, prompt: "Once upon a time there was a little fox", temperature: 0 };

    test("are those that the same tokens had when they were generated", async () => {
      const made = await complete({ ...tale, max_tokens: 10, logprobs: 3 });
      const prompt = tale.prompt + made.choices[0]!.text;
      const read = await complete({ ...tale, prompt, max_tokens: 0, echo: true, logprobs: 3 });
      expect(read.choices[0]).toMatchObject({ text: prompt, finish_reason: "length" });
      expect(read.usage!.completion_tokens).toBe(0);
      const lists = listsOf(read);
      expect(lists.tokens.slice(-10)).toEqual(listsOf(made).tokens);
      for (const [i, logprob] of lists.token_logprobs.slice(-10).entries())
        expect(logprob).toBeCloseTo(listsOf(made).token_logprobs[i]!, 2);
    });

    test("begin with null, and their places in the text are true", async () => {
      const { choices, ...answer } = await complete({ ...tale, max_tokens: 4, echo: true, logprobs: 2 });
      const { text } = choices[0]!;
      const { tokens, token_logprobs, top_logprobs, text_offset } = listsOf({ choices, ...answer });
      expect([token_logprobs[0], top_logprobs[0]]).toEqual([null, null]);
      expect(token_logprobs.slice(1).every((logprob) => logprob <= 0)).toBe(true);
      expect(tokens.join("")).toBe(text);
      for (const [i, token] of tokens.entries()) expect(text.startsWith(token, text_offset[i])).toBe(true);
      for (const top of top_logprobs.slice(1)) expect(sum(Object.values(top).map(Math.exp))).toBeLessThanOrEqual(1 + 1e-6);
    });

    test("are the same streamed, and whatever is in the cache", async () => {
      const body = { ...tale, max_tokens: 3, echo: true, logprobs: 1 };
      const { choices } = await complete(body);
      const chunks = await streamedCompletion(server, body);
      const streamed = chunks.flatMap((chunk) => chunk.choices[0]!.logprobs ?? []) as Lists[];
      expect(streamed.flatMap(({ tokens }) => tokens)).toEqual(choices[0]!.logprobs!.tokens);
      expect(streamed.flatMap(({ text_offset }) => text_offset)).toEqual(choices[0]!.logprobs!.text_offset);
      const logprobs = streamed.flatMap(({ token_logprobs }) => token_logprobs);
      expect(logprobs[0]).toBeNull();
      for (const [i, logprob] of logprobs.slice(1).entries()) expect(logprob).toBeCloseTo(choices[0]!.logprobs!.token_logprobs![i + 1]!, 3);
      expect(completionText(chunks)).toBe(choices[0]!.text);
    });

    test("rank continuations as lm-evaluation-harness reads them: batches of tokens, one token more, the last thrown away", async () => {
      // Its requests, and its parse_logprobs (lm_eval/models/openai_completions.py): the sum behind the context, and whether it is greedy.
      const loglikelihoods = ({ choices }: Completion, contexts: readonly number[]) =>
        choices.map(({ logprobs }, i) => {
          const { token_logprobs, top_logprobs } = logprobs as Lists;
          const own = token_logprobs.slice(contexts[i], -1);
          const greedy = own.every((logprob, k) => logprob === Math.max(...Object.values(top_logprobs.slice(contexts[i], -1)[k]!)));
          return { sum: sum(own), greedy };
        });
      const context = await tokensOf(id, "The capital of France is");
      const likely = await greedyTokens(id, context, 2);
      const odd = [...likely].reverse();
      const asked = {
        model: id,
        prompt: [
          [...context, ...likely],
          [...context, ...odd],
        ],
        max_tokens: 1,
        logprobs: 1,
        echo: true,
        seed: 1234,
      };
      const [first, second] = loglikelihoods(await complete(asked), [context.length, context.length]);
      expect(first!.greedy).toBe(true);
      expect(second!.greedy).toBe(false);
      expect(first!.sum).toBeGreaterThan(second!.sum);
    });

    test("an answer that ends at once has the token that ended it behind the prompt, so that none of the prompt is thrown away", async () => {
      const end = (await vocabulary(MODELS.find((each) => each.id === id)!.path)).id("<|im_end|>");
      const body = { ...tale, max_tokens: 1, echo: true, logprobs: 1 };
      const lists = listsOf(await complete({ ...body, logit_bias: { [end]: 100 } }));
      expect(lists.tokens.at(-1)).toBe("");
      expect(lists.tokens).toHaveLength(listsOf(await complete(body)).tokens.length);
      expect(lists.tokens.slice(0, -1).join("")).toBe(tale.prompt);
      const chunks = await streamedCompletion(server, { ...body, logit_bias: { [end]: 100 } });
      expect(chunks.flatMap(({ choices }) => choices[0]!.logprobs?.tokens ?? [])).toEqual(lists.tokens);
    });

    test("a prompt of tokens is repeated as its text, with log probabilities and without", async () => {
      const prompt = await tokensOf(id, "Once upon a time");
      for (const logprobs of [undefined, 1]) {
        const body = { model: id, prompt, echo: true, max_tokens: 2, temperature: 0, ...(logprobs !== undefined && { logprobs }) };
        const [choice] = (await complete(body)).choices;
        expect(choice!.text).toMatch(/^Once upon a time/);
        expect(choice!.logprobs === null).toBe(logprobs === undefined);
        expect(completionText(await streamedCompletion(server, body))).toBe(choice!.text);
      }
    });
  });

/** By what the model itself says of a text: the ids are in llama-server's answer, not in OpenAI's. */
async function tokensOf(id: string, text: string): Promise<number[]> {
  const spelled = listsOf(await complete({ model: id, prompt: text, echo: true, logprobs: 0, max_tokens: 0 })).tokens;
  const words = await vocabulary(MODELS.find((each) => each.id === id)!.path);
  return spelled.map((token) => words.id(token.replaceAll(" ", "Ġ")));
}

async function greedyTokens(id: string, prompt: number[], count: number): Promise<number[]> {
  const response = await fetch(`${server.url}/completion`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: id, prompt, n_predict: count, temperature: 0, return_tokens: true }),
  });
  return ((await response.json()) as { tokens: number[] }).tokens;
}
