/**
 * llama-server asked directly and through a gateway, with OpenAI's client, whole and streamed: what arrives is compared field by field.
 * Every difference is in EXPLAINED, or it is a failure; so is an explanation of a difference that is no more.
 */
import OpenAI from "openai";
import type { ChatCompletion, ChatCompletionChunk } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SMOLLM2, type TestServer } from "../support/server.ts";
import { type LlamaServer, NO_LLAMA_SERVER, startLlamaServer } from "./llama-server.ts";
import { CHATS, type Shape, TEXTS } from "./shapes.ts";
import { gatewayBefore, told } from "./support.ts";
import { THINK_TEMPLATE } from "./think-template.ts";

type Json = unknown;

/** Where an answer through the gateway is another one (paths as `differences` writes them), and why. */
const EXPLAINED: Readonly<Record<string, string>> = {
  "choices[].message.refusal": "OpenAI's answers have it, llama-server leaves it out.",
  "choices[].logprobs": "OpenAI's answers have it, null where nobody asked; llama-server leaves it out.",
  "choices[].logprobs.refusal": "OpenAI's log probabilities have it, llama-server leaves it out.",
  "choices[].logprobs.content[].id": "Ids of tokens are llama-server's own, not OpenAI's.",
  "choices[].logprobs.content[].top_logprobs[].id": "Ids of alternatives are llama-server's own, not OpenAI's.",
  "choices[].logprobs[].id": "Ids of tokens are llama-server's own, not OpenAI's (streamed).",
  "choices[].logprobs[].top_logprobs[].id": "Ids of alternatives are llama-server's own, not OpenAI's (streamed).",
  "choices[].message.tool_calls[].id": "Drawn anew for each call.",
  "choices[].calls[].id": "Drawn anew for each call (streamed).",
};

const CALLS_ALONE = { "choices[].message.content": "null where there are only calls, as OpenAI says it; llama-server says an empty text." };
const WITHOUT_TOOLS = "What may not be called is not told to the model; llama-server tells it.";
const ALTERNATIVES = "OpenAI's top_logprobs is 0 where it is left out, llama-server's is 20.";
const OLDER_LOGPROBS = "The older endpoint has OpenAI's older shape; llama-server gives it that of chats.";
const ALL_ANSWERS = "Usage is of all answers; llama-server tells that of one.";
const THOUGHT_TOKENS = "OpenAI's count of the tokens of thoughts, which llama-server does not tell: its pieces are counted.";
const ALL_TEXTS = "Usage is of all texts; llama-server tells that of the first.";

/** Differences of single shapes. */
const EXPLAINED_OF: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "an answer that was begun": {
    "choices[].message.content": "What follows the beginning, as in a stream; llama-server repeats the beginning in whole answers.",
  },
  "a call that must be made": CALLS_ALONE,
  "a call that may be made": CALLS_ALONE,
  "a call of a named tool": CALLS_ALONE,
  "a call that is cut short": CALLS_ALONE,
  "several calls at once": CALLS_ALONE,
  "tools that may not be called": { "usage.prompt_tokens": WITHOUT_TOOLS, "usage.total_tokens": WITHOUT_TOOLS },
  "log probabilities of the drawn tokens alone": {
    "choices[].logprobs.content[].top_logprobs": ALTERNATIVES,
    "choices[].logprobs[].top_logprobs": ALTERNATIVES,
  },
  "log probabilities of a text": Object.fromEntries(
    ["content", "tokens", "token_logprobs", "top_logprobs", "text_offset"].map((name) => [`choices[].logprobs.${name}`, OLDER_LOGPROBS]),
  ),
  "log probabilities of parts of characters": {
    "choices[].logprobs.content": "The end of an answer is no part of its text; llama-server has it among the tokens of whole answers.",
  },
  "several answers": { "usage.completion_tokens": ALL_ANSWERS, "usage.total_tokens": ALL_ANSWERS },
  thoughts: {
    "choices[].message.reasoning": "vLLM's newer name beside the older one, for clients that know only one.",
    "usage.completion_tokens_details": THOUGHT_TOKENS,
  },
  "several texts": Object.fromEntries(["prompt_tokens", "completion_tokens", "total_tokens"].map((name) => [`usage.${name}`, ALL_TEXTS])),
};

/** Each is another one every time. */
const OF_ONE_ANSWER = /^(id|created|model|system_fingerprint|timings)$/;

/** In an answer and in the summary of a stream. */
const PROOF = { calls: /set_light/, thoughts: /"(reasoning_content|thoughts)":\[?"/, logprobs: /"logprob":-/ } as const;

const seen = new Set<string>();

describe.skipIf(NO_LLAMA_SERVER)(
  `llama-server, directly and through a gateway${NO_LLAMA_SERVER ? ` (skipped: ${NO_LLAMA_SERVER})` : ""}`,
  () => {
    let server: LlamaServer;
    let gateway: TestServer;
    let model: string;
    const clients: OpenAI[] = [];

    beforeAll(async () => {
      server = await startLlamaServer(SMOLLM2, [
        "--chat-template",
        THINK_TEMPLATE,
        "--chat-template-kwargs",
        `{"enable_thinking":false}`,
        "-np",
        "2",
        "-c",
        "4096",
      ]);
      gateway = await gatewayBefore([server.url]);
      model = (await told(fetch(`${gateway.url}/v1/models`))).data[0]!.id;
      for (const { url } of [server, gateway]) clients.push(new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 }));
    }, 60_000);
    afterAll(async () => {
      await gateway?.stop();
      await server?.kill();
    });

    const bodyOf = ({ body, isLong = false }: Shape) => ({ temperature: 0, seed: 1, cache_prompt: isLong, model, ...body }) as never;

    /** One after the other: together they would be one batch. */
    async function both<T>(asks: (client: OpenAI) => Promise<T>, shape?: Shape): Promise<[T, T]> {
      if (shape?.isLong) await clients[0]!.chat.completions.create({ ...(bodyOf(shape) as object), max_tokens: 1 } as never);
      return [await asks(clients[0]!), await asks(clients[1]!)];
    }

    function compare(shape: Shape, there: Json, here: Json): void {
      if (shape.has) expect(JSON.stringify(there)).toMatch(PROOF[shape.has]);
      const found = differences(there, here);
      const reasons = { ...EXPLAINED, ...EXPLAINED_OF[shape.name] };
      for (const { at } of found) seen.add(reasons[at] ?? "");
      const unexplained = found.filter(({ at }) => reasons[at] === undefined);
      expect(unexplained.map(({ at, there, here }) => `${at}: ${JSON.stringify(there)} → ${JSON.stringify(here)}`)).toEqual([]);
    }

    test.each(CHATS)("a chat: $name", async (shape) => {
      const [there, here] = await both((client) => client.chat.completions.create(bodyOf(shape)), shape);
      compare(shape, there, here);
    });

    test.each(CHATS)("a chat, streamed: $name", async (shape) => {
      const [there, here] = await both(async (client) => {
        const chunks: ChatCompletionChunk[] = [];
        const sent = { ...(bodyOf(shape) as object), stream: true, stream_options: { include_usage: true } };
        for await (const chunk of (await client.chat.completions.create(sent as never)) as unknown as AsyncIterable<ChatCompletionChunk>)
          chunks.push(chunk);
        return summary(chunks);
      }, shape);
      compare(shape, there, here);
    });

    test.each(TEXTS)("a text: $name", async (shape) => {
      const [there, here] = await both((client) => client.completions.create(bodyOf(shape)));
      compare(shape, there, here);
    });

    test("tokens of a prompt that is in the cache", async () => {
      const ask = (client: OpenAI) => client.chat.completions.create({ ...(bodyOf(CHATS[0]!) as object), cache_prompt: true } as never);
      await ask(clients[0]!);
      const [there, here] = (await both(ask)).map((answer) => (answer as ChatCompletion).usage!);
      expect(there!.prompt_tokens_details!.cached_tokens).toBeGreaterThan(5);
      expect(here).toEqual(there);
    });

    test("every explanation is of a difference that is there", () => {
      const reasons = [EXPLAINED, ...Object.values(EXPLAINED_OF)].flatMap((table) => Object.values(table));
      expect(reasons.filter((reason) => !seen.has(reason))).toEqual([]);
    });
  },
);

interface Streamed {
  readonly texts: string[];
  readonly thoughts: string[];
  readonly calls: Array<{ id: string; name: string; readonly arguments: string[] }>;
  readonly logprobs: Json[];
  finish_reason: string | null;
}

/** Of a stream: the pieces of each choice, in their order, and what stands beside them. */
function summary(chunks: readonly ChatCompletionChunk[]): Json {
  const choices: Streamed[] = [];
  let usage: Json;
  for (const chunk of chunks) {
    usage = chunk.usage ?? usage;
    for (const { index, delta, finish_reason, logprobs } of chunk.choices) {
      choices[index] ??= { texts: [], thoughts: [], calls: [], logprobs: [], finish_reason: null };
      const choice = choices[index]!;
      const { content, reasoning_content: thought, tool_calls: calls = [] } = delta as typeof delta & { reasoning_content?: string };
      if (content) choice.texts.push(content);
      if (thought) choice.thoughts.push(thought);
      for (const { index: place, id = "", function: told } of calls) {
        choice.calls[place] ??= { id: "", name: "", arguments: [] };
        const call = choice.calls[place]!;
        call.id += id;
        call.name += told?.name ?? "";
        if (told?.arguments) call.arguments.push(told.arguments);
      }
      choice.logprobs.push(...(logprobs?.content ?? []));
      choice.finish_reason = finish_reason ?? choice.finish_reason;
    }
  }
  const heads = new Set(chunks.map(({ id, object }) => `${id} ${object}`)).size;
  return { choices, usage, heads };
}

interface Difference {
  /** As "choices[].message.content", with what it was and what it became. */
  readonly at: string;
  readonly there: Json;
  readonly here: Json;
}

function differences(there: Json, here: Json, at = ""): Difference[] {
  if (Array.isArray(there) && Array.isArray(here) && there.length === here.length)
    return there.flatMap((each, index) => differences(each, here[index], `${at}[]`));
  if (isObject(there) && isObject(here)) {
    const names = [...new Set([...Object.keys(there), ...Object.keys(here)])].filter((name) => at !== "" || !OF_ONE_ANSWER.test(name));
    return names.flatMap((name) => differences(there[name], here[name], at === "" ? name : `${at}.${name}`));
  }
  // The order of a sum is not the same for 3 alternatives and 20.
  if (at.endsWith("logprob") && typeof there === "number" && typeof here === "number" && Math.abs(there - here) < 1e-4) return [];
  return Object.is(there, here) ? [] : [{ at, there, here }];
}

function isObject(value: Json): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
