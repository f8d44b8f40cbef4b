import { expect, test } from "vitest";
import * as z from "zod/mini";
import type { ModelProperties } from "../../contract/inspection.ts";
import type { ModelInfo } from "../../contract/model.ts";
import { encodeProperties, encodeSlots, propertiesAnswer, slotsAnswer } from "./properties.ts";

const PATH = "/home/somebody/models/tiny.gguf";
const info = { id: "tiny", path: PATH, quantization: "Q8_0", capabilities: ["completion", "chat", "tools"] } as unknown as ModelInfo;
const properties: ModelProperties = {
  status: { info, state: "unloaded", servedContext: 512 },
  slots: 4,
  sampling: {
    ...{ temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, typicalP: 1, repeatPenalty: 1, repeatLastN: 64 },
    ...{ frequencyPenalty: 0, presencePenalty: 0, logitBias: [], mirostat: 0, mirostatTau: 5, mirostatEta: 0.1 },
  },
  stop: ["###"],
};

test("a model is told by its id, never by its path", () => {
  const told = encodeProperties(properties, "1.2.3");
  expect(told).toMatchObject({ model_path: "tiny", model_alias: "tiny", is_sleeping: true, bos_token: null, build_info: "shimmy-1.2.3" });
  expect(JSON.stringify(told)).not.toContain("somebody");
});

test("its sampling is spelled as requests spell it, a seed and a limit that nobody set as llama.cpp does", () => {
  const { n_ctx, params } = encodeProperties(properties, "1").default_generation_settings;
  expect(n_ctx).toBe(512);
  expect(params).toMatchObject({ temperature: 0.8, min_p: 0.05, repeat_last_n: 64, n_predict: -1, seed: 4294967295, stop: ["###"] });
  expect(encodeProperties({ ...properties, maxTokens: 9 }, "1").default_generation_settings.params).toMatchObject({
    n_predict: 9,
    max_tokens: 9,
  });
});

test("what is told is what is documented", () => {
  const slots = encodeSlots([
    { model: "tiny", slots: [{ id: 0, contextTokens: 8 }] },
    {
      model: "big",
      slots: [{ id: 0, contextTokens: 8, work: { promptTokens: 5, cachedTokens: 1, computedTokens: 4, generatedTokens: 2 } }],
    },
  ]);
  expect(slots.map(({ model, is_processing }) => [model, is_processing])).toEqual([
    ["tiny", false],
    ["big", true],
  ]);
  expect(z.safeParse(slotsAnswer, slots).success).toBe(true);
  expect(z.safeParse(propertiesAnswer, encodeProperties(properties, "1")).success).toBe(true);
});
