/**
 * The engine with drafts in nearly every step, right ones and wrong ones: what comes out is what comes without. speculation.ts drafts
 * only where it pays, which on this model is seldom; here it always does.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GenerationEvent, SamplingParams } from "../../src/contract/generation.ts";
import type { EngineOutput, GenerateMessage } from "../../src/engine/ipc.ts";
import { EngineLoop } from "../../src/engine/loop.ts";
import { Speculation } from "../../src/engine/speculation.ts";
import { LlamaContext } from "../../src/llama/context.ts";
import { LlamaModel } from "../../src/llama/model.ts";
import { TINY } from "../support/server.ts";

/** Drafts of a step. */
const MOST = 6;

/** Knows what comes, for it has come before, and drafts that, then the end, then so many tokens that do not come. */
class Oracle extends Speculation {
  readonly #known: readonly Answer[];
  readonly #wrong: number;

  constructor(known: readonly Answer[], wrong: number) {
    super();
    this.#known = known;
    this.#wrong = wrong;
  }

  override propose({ key, tokens }: { key: number; tokens: readonly number[] }, most: number): readonly number[] {
    const { chosen, promptTokens } = this.#known[key]!;
    const coming = [...chosen, model.endOfGeneration!].slice(tokens.length - promptTokens);
    const wrong = Array.from({ length: this.#wrong }, (_, i) => 300 + ((tokens.length + i) % 500));
    return [...coming.slice(0, MOST - this.#wrong), ...wrong].slice(0, most);
  }
}

interface Answer {
  text: string;
  reason: string;
  stop: string;
  tokens: number;
  chosen: number[];
  promptTokens: number;
}

let model: LlamaModel;
const contexts: LlamaContext[] = [];
beforeAll(() => {
  model = LlamaModel.load(TINY, "shimmy-tiny");
});
afterAll(() => {
  for (const context of contexts) context.free();
});

interface Shape {
  readonly slots: number;
  readonly contextTokens: number;
  readonly cells: number;
  readonly unified: boolean;
}

const ROOMY: Shape = { slots: 2, contextTokens: 512, cells: 1024, unified: false };

/** What each request is answered, in the order of the requests. */
async function answers(messages: ReadonlyArray<Partial<GenerateMessage>>, shape: Shape, speculation?: Speculation): Promise<Answer[]> {
  const { slots: sequences, contextTokens, cells, unified } = shape;
  const context = LlamaContext.create(model, "shimmy-tiny", {
    ...{ cells, sequences, unified, threads: 1, batchTokens: 128, kvType: "f16", flashAttention: "auto" },
  });
  contexts.push(context);
  const seen = messages.map((): Answer => ({ text: "", reason: "", stop: "", tokens: 0, chosen: [], promptTokens: 0 }));
  await new Promise<void>((resolve, reject) => {
    let left = messages.length;
    const take = (answer: Answer, event: GenerationEvent) => {
      if (event.type === "started") answer.promptTokens = event.promptTokens;
      else if (event.type === "text") {
        answer.text += event.text;
        answer.chosen.push(...(event.logprobs ?? []).map(({ token }) => token));
      } else if (event.type === "finished") {
        Object.assign(answer, { reason: event.reason, stop: event.stopSequence ?? "", tokens: event.completionTokens });
        if (--left === 0) resolve();
      }
    };
    const send = ({ events }: EngineOutput) => {
      for (const event of events) {
        if ("error" in event) reject(new Error(event.error.code));
        else take(seen[event.id]!, event.event);
      }
    };
    const loop = new EngineLoop(
      model,
      context,
      { contextTokens, storeTokens: 0, stepMs: 100, queueMs: 0, ...(speculation && { speculation }) },
      send,
    );
    messages.forEach((message, id) => {
      loop.generate({
        type: "generate",
        id,
        choices: 1,
        stop: [],
        sampling: GREEDY,
        prompt: COPY,
        maxTokens: 100,
        topLogprobs: 1,
        ...message,
      });
    });
  });
  return seen;
}

const GREEDY: SamplingParams = {
  ...{ temperature: 0, topK: 40, topP: 0.95, minP: 0.05, typicalP: 1, repeatPenalty: 1, repeatLastN: 64 },
  ...{ frequencyPenalty: 0, presencePenalty: 0, logitBias: [], mirostat: 0, mirostatTau: 5, mirostatEta: 0.1, seed: 1 },
};
const text = (text: string) => ({ segments: [{ text, parseSpecial: true }] });
const line = "the fox sees the red boat, the fox sees the blue boat, the fox sees the green boat, ";
const COPY = text(line.repeat(4));

describe.each([
  ["drafts that are right", 0],
  ["drafts that end wrongly", 3],
  ["drafts that are wrong", MOST],
])("%s", (_, wrong) => {
  async function same(messages: ReadonlyArray<Partial<GenerateMessage>>, shape = ROOMY) {
    const without = await answers(messages, shape);
    const speculation = new Oracle(without, wrong);
    expect(await answers(messages, shape, speculation)).toEqual(without);
    return { found: without, drafted: speculation.drafted, accepted: speculation.accepted };
  }

  test("change no greedy answer, and come true as often as they should", async () => {
    const { drafted, accepted } = await same([{ maxTokens: 120 }]);
    expect(drafted).toBeGreaterThan(90);
    expect(accepted / drafted).toBeCloseTo(1 - wrong / MOST, 1);
  });

  test("change no drawn answer: seeds, penalties, mirostat, log probabilities", async () => {
    const hot = { ...GREEDY, temperature: 0.8 };
    for (const sampling of [hot, { ...hot, seed: 2 }, { ...hot, frequencyPenalty: 0.3 }, { ...hot, mirostat: 2 as const }])
      await same([{ sampling }]);
  });

  test("end no answer whose end is banned, though the end is what they guess", async () => {
    const hello = { prompt: text("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"), maxTokens: 90 };
    const short = await answers([hello], ROOMY);
    const long = await answers([{ ...hello, ignoreEnd: true }], ROOMY);
    expect([short[0]!.reason, long[0]!.reason, long[0]!.tokens]).toEqual(["stop", "length", 90]);
    const speculation = new Oracle(short, wrong);
    expect(await answers([{ ...hello, ignoreEnd: true }], ROOMY, speculation)).toEqual(long);
    expect(speculation.drafted).toBeGreaterThan(0);
  });

  test("do not pass any token limit", async () => {
    for (let maxTokens = 1; maxTokens <= 12; maxTokens++) {
      const { found } = await same([{ maxTokens }]);
      expect(found[0]).toMatchObject({ tokens: maxTokens, reason: "length" });
    }
  });

  test("end with a stop string or the end of generation wherever it comes", async () => {
    for (const stop of ["fox", "barn. One", "a soft", "er"]) {
      const { found } = await same([{ stop: [stop], maxTokens: 300 }]);
      expect(found[0]).toMatchObject({ reason: "stop" });
    }
    const { found } = await same([{ maxTokens: 300 }]);
    expect(found[0]).toMatchObject({ reason: "stop", stop: "" });
  });

  test("end with the context", async () => {
    const { found } = await same([{ maxTokens: 1000 }], { ...ROOMY, contextTokens: 128, cells: 256 });
    expect(found[0]!.reason).toBe("length");
  });

  test("leave no trace in neighbours, nor when cells are few and some give way", async () => {
    const messages = [{}, { prompt: text(`${line}${line}`) }, { prompt: text("The fox and the hen"), maxTokens: 40 }];
    await same(messages, { slots: 3, contextTokens: 192, cells: 192, unified: true });
    await same(messages, { slots: 3, contextTokens: 512, cells: 1536, unified: false });
  });

  test("hold what a grammar demands", async () => {
    const gbnf = 'root ::= ("the fox sees the " ("red" | "blue" | "green") " boat, ")+';
    await same([{ constraint: { gbnf } }]);
  });

  test("hold in thoughts, what closes them, and behind triggers", async () => {
    const thought = { open: "<think>", close: "</think>", opened: true, budgetTokens: 20, closing: "</think>\n\n" };
    const constraint = { gbnf: 'root ::= " [" ("red" | "blue") " and nothing else but that]"', triggers: [{ text: "sees the" }] };
    await same([{ thought }, { thought, constraint }], { ...ROOMY, slots: 1 });
    await same([{ constraint }], ROOMY);
  });
});
