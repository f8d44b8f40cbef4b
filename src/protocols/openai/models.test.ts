import { expect, test } from "vitest";
import type { ModelStatus } from "../../contract/model.ts";
import { encodeModel, encodeModels } from "./models.ts";
import { INFO } from "./test-support.ts";

const STATUS: ModelStatus = { info: INFO, state: "loaded", servedContext: 2048 };

test("a model tells the context it is served with under every name clients look for", () => {
  expect(encodeModel(STATUS)).toEqual({
    id: 'tiny "q8"',
    object: "model",
    created: 1_600_000_000,
    owned_by: "shimmy",
    context_length: 2048,
    max_model_len: 2048,
    max_context_length: 2048,
    meta: { n_ctx: 2048, n_ctx_train: 4096, n_params: 2_500_000, size: 3_000_000 },
    size: 3_000_000,
    quantization: "Q8_0",
    family: "llama",
    architecture: "llama",
    loaded: true,
    status: { value: "loaded" },
    capabilities: [],
    aliases: [],
    type: "llm",
    chat_template: null,
  });
});

test("a model that is not loaded, or cannot generate, says so", () => {
  expect(encodeModel({ ...STATUS, state: "loading" })).toMatchObject({ loaded: false, status: { value: "loading" } });
  expect(encodeModel({ ...STATUS, info: { ...INFO, generative: false, capabilities: ["embedding"] } })).toMatchObject({
    capabilities: ["embedding"],
    type: "embeddings",
  });
});

test("what is known of a file is told: other names, licence, digest, the format of its template", () => {
  const info = { ...INFO, aliases: ["fast"], license: "mit", digest: "sha256:00", chatTemplate: "{{ x }}", templateFormat: "chatml" };
  expect(encodeModel({ ...STATUS, info })).toMatchObject({
    aliases: ["fast"],
    license: "mit",
    digest: "sha256:00",
    chat_template: "chatml",
  });
});

test("a loaded model tells how it is served, beside what llama.cpp tells", () => {
  const serving = {
    slots: 16,
    kvCells: 16_384,
    kvUnified: true,
    kvType: "q8_0",
    flashAttention: "on",
    threads: 2,
    batchTokens: 512,
    stepMs: 100,
    storeTokens: 5000,
  } as const;
  expect(encodeModel({ ...STATUS, serving }).meta).toEqual({
    n_ctx: 2048,
    n_ctx_train: 4096,
    n_params: 2_500_000,
    size: 3_000_000,
    n_slots: 16,
    n_threads: 2,
    n_batch: 512,
    step_ms: 100,
    kv_type: "q8_0",
    kv_unified: true,
    kv_cells: 16_384,
    kv_store_tokens: 5000,
    flash_attention: "on",
  });
});

test("the list keeps the order and tells no path", () => {
  const other = { ...STATUS, info: { ...INFO, id: "other" } };
  const list = encodeModels([STATUS, other]);
  expect([list.object, ...list.data.map(({ id }) => id)]).toEqual(["list", 'tiny "q8"', "other"]);
  expect(JSON.stringify(list)).not.toContain("secret");
});
