import { expect, test } from "vitest";
import { SAMPLING_DEFAULTS, withDefaults } from "./sampling-defaults.ts";

const bare = { sampling: {}, stop: [] };

test("T24 the request comes before the store, the store before the file, the file before the server", () => {
  const info = { sampling: { temperature: 0.1, topK: 1, topP: 0.1 }, defaults: { parameters: { temperature: 0.2, top_k: 2 } } };
  const { sampling } = withDefaults(info, { ...bare, sampling: { temperature: 0.3 } });
  expect(sampling).toEqual({ ...SAMPLING_DEFAULTS, temperature: 0.3, topK: 2, topP: 0.1 });
});

test("stop strings and the limit of a store hold where the request has none", () => {
  const info = { defaults: { parameters: { stop: ["a"], num_predict: 5 } } };
  expect(withDefaults(info, bare)).toMatchObject({ stop: ["a"], maxTokens: 5 });
  expect(withDefaults(info, { ...bare, stop: ["b"], maxTokens: 0 })).toMatchObject({ stop: ["b"], maxTokens: 0 });
  expect(withDefaults({}, bare)).toEqual({ sampling: SAMPLING_DEFAULTS, stop: [] });
});
