import { expect, test } from "vitest";
import { authorDefaults, samplingOf } from "./author-sampling.ts";
import type { GgufHeader } from "./gguf/header.ts";
import type { GgufValue } from "./gguf/values.ts";

const header = (entries: Readonly<Record<string, GgufValue>>): GgufHeader =>
  ({ metadata: new Map(Object.entries(entries)) }) as unknown as GgufHeader;

test("T24 a file's values are read by llama.cpp's keys, whatever number they are stored as", () => {
  const entries = {
    "general.sampling.temp": 0.699999988079071,
    "general.sampling.top_k": 20,
    "general.sampling.top_p": 0.949999988079071,
    "general.sampling.min_p": 0,
    "general.sampling.penalty_last_n": -1,
    "general.sampling.penalty_repeat": 1.0499999523162842,
    "general.sampling.mirostat": 2,
    "general.sampling.mirostat_tau": 4,
    "general.sampling.mirostat_eta": 0.20000000298023224,
    "general.sampling.sequence": "top_k;top_p",
    "general.sampling.xtc_probability": 0.5,
  };
  expect(samplingOf(header(entries))).toEqual({
    sampling: {
      ...{ temperature: 0.7, topK: 20, topP: 0.95, minP: 0, repeatLastN: -1, repeatPenalty: 1.05 },
      ...{ mirostat: 2, mirostatTau: 4, mirostatEta: 0.2 },
    },
  });
  expect(samplingOf(header({}))).toEqual({});
});

test("what is out of range, or no number, does not count and is named", () => {
  const entries: Record<string, GgufValue> = {
    "general.sampling.temp": -1,
    "general.sampling.top_p": Number.NaN,
    "general.sampling.top_k": 1.5,
    "general.sampling.min_p": "0.1",
    "general.sampling.mirostat": 3,
    "general.sampling.penalty_repeat": Number.POSITIVE_INFINITY,
    "general.sampling.penalty_last_n": 64,
  };
  const { sampling, ignoredSampling } = samplingOf(header(entries));
  expect(sampling).toEqual({ repeatLastN: 64 });
  expect(ignoredSampling).toHaveLength(6);
  expect(authorDefaults({ ignoredSampling: ["general.sampling.temp"], defaults: { parameters: { top_p: 2 } } }).ignored).toEqual([
    "general.sampling.temp",
    "top_p",
  ]);
});

test("the store's parameters come before the file's values", () => {
  const parameters = { temperature: 0.5, top_k: -1, stop: ["</s>", ""], num_predict: 128, num_ctx: 2048, seed: -1, unknown: 3 };
  expect(authorDefaults({ sampling: { temperature: 0.7, topP: 0.8 }, defaults: { parameters } })).toEqual({
    sampling: { temperature: 0.5, topP: 0.8, topK: 0 },
    stop: ["</s>"],
    maxTokens: 128,
    ignored: [],
  });
});

test("an endless answer is Ollama's default and no limit; one stop string may be a text", () => {
  expect(authorDefaults({ defaults: { parameters: { num_predict: -1, stop: "User:" } } })).toEqual({
    sampling: {},
    stop: ["User:"],
    ignored: [],
  });
  expect(authorDefaults({})).toEqual({ sampling: {}, ignored: [] });
});
