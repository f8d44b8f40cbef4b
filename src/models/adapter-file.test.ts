/** Which LoRA files are accepted, and for which models; libllama aborts on many of those that are refused here. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { buildGguf, type FixtureTensor, type FixtureValue, writeModel } from "../../test/fixtures/gguf.ts";
import { LORA_METADATA } from "../../test/fixtures/lora.ts";
import { mismatch, readAdapterFile } from "./adapter-file.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-adapter-"));
afterAll(() => rmSync(folder, { recursive: true }));

const Q = "blk.0.attn_q.weight";
const pair = (name: string, a: number[], b: number[], type = 0): FixtureTensor[] => [
  { name: `${name}.lora_a`, dims: a, type },
  { name: `${name}.lora_b`, dims: b, type },
];
const GOOD = pair(Q, [32, 4], [4, 48]);

async function read(tensors: readonly FixtureTensor[] = GOOD, metadata: Readonly<Record<string, FixtureValue | undefined>> = {}) {
  const merged = Object.entries<FixtureValue | undefined>({ ...LORA_METADATA, ...metadata });
  const present = Object.fromEntries(merged.filter((entry): entry is [string, FixtureValue] => entry[1] !== undefined));
  return readAdapterFile(await writeModel(join(folder, "lora.gguf"), buildGguf({ metadata: present, tensors })));
}
const reason = async (...content: Parameters<typeof read>) =>
  read(...content).then(
    () => undefined,
    ({ code, details }) => `${code}: ${details.reason}`,
  );

test("a file of pairs is accepted, with norms that libllama passes over", async () => {
  const { architecture, changes } = await read([...GOOD, { name: "blk.0.attn_norm.weight", dims: [32] }]);
  expect([architecture, [...changes]]).toEqual(["llama", [[Q, { a: [32, 4], b: [4, 48] }]]]);
});

describe("refused for any model", () => {
  test.each<[string, Readonly<Record<string, FixtureValue | undefined>>, RegExp]>([
    ["a model", { "general.type": "model" }, /a model, not a LoRA adapter/],
    ["of no type", { "general.type": undefined }, /a model, not a LoRA adapter/],
    ["a number as its type", { "general.type": 4 }, /a model, not a LoRA adapter/],
    ["a control vector", { "adapter.type": "control" }, /adapter\.type/],
    ["without architecture", { "general.architecture": undefined }, /general\.architecture is missing/],
    ["alpha as an integer", { "adapter.lora.alpha": 4 }, /adapter\.lora\.alpha is not an f32/],
    ["alpha as text", { "adapter.lora.alpha": "4" }, /adapter\.lora\.alpha is not an f32/],
    ["alpha without end", { "adapter.lora.alpha": { type: "f32", value: Number.POSITIVE_INFINITY } }, /alpha is not finite/],
    ["an activated LoRA", { "adapter.alora.invocation_tokens": [1, 2] }, /aLoRA/],
  ])("%s", async (_, metadata, why) => expect(await reason(GOOD, metadata)).toMatch(why));

  test.each<[string, FixtureTensor[], RegExp]>([
    ["without tensors", [], /changes nothing/],
    ["half a pair", GOOD.slice(0, 1), /only one of/],
    ["another tensor", [...GOOD, { name: "blk.0.attn_q.weight", dims: [32] }], /neither \.lora_a nor \.lora_b/],
    ["integers", pair(Q, [32, 4], [4, 48], 26), /is I32, not one of F32, F16/],
    ["doubles", pair(Q, [32, 4], [4, 48], 28), /is F64/],
  ])("%s", async (_, tensors, why) => expect(await reason(tensors)).toMatch(why));

  test("whatever is cut or overwritten: read, or refused as a file, never more", async () => {
    const whole = buildGguf({ metadata: LORA_METADATA, tensors: GOOD });
    const damage = fc.record({
      length: fc.nat(whole.length),
      at: fc.nat(600),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
      cut: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ length, at, bytes, cut }) => {
        const content = Buffer.from(cut ? whole.subarray(0, length) : whole);
        content.set(bytes.subarray(0, Math.max(0, content.length - at)), Math.min(at, content.length));
        const path = await writeModel(join(folder, "damaged.gguf"), content);
        const result = await readAdapterFile(path).then(
          ({ changes }) => changes.size,
          ({ code }) => code,
        );
        expect(typeof result === "number" ? result > 0 : result === "model_file_invalid").toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("whether it fits a model", () => {
  const base = (dims: Record<string, number[]>) => ({ architecture: "llama", dims: new Map(Object.entries(dims)) });
  const fits = async (tensors: FixtureTensor[], dims: Record<string, number[]>) => mismatch(await read(tensors), base(dims));

  test("the same shape does", async () => {
    expect(await fits(GOOD, { [Q]: [32, 48] })).toBeUndefined();
    expect(
      await fits(pair("blk.0.ffn_up_exps.weight", [32, 4, 8], [4, 48, 8]), { "blk.0.ffn_up_exps.weight": [32, 48, 8] }),
    ).toBeUndefined();
    expect(
      await fits(pair("token_embd.weight", [4, 100], [4, 32]), { "token_embd.weight": [32, 100], "output.weight": [32, 100] }),
    ).toBeUndefined();
  });

  test.each<[string, FixtureTensor[], Record<string, number[]>, RegExp]>([
    ["a weight that is not there", GOOD, {}, /does not have/],
    ["other inputs", GOOD, { [Q]: [64, 48] }, /\(64 × 48\) as if it were 32 × 48/],
    ["other outputs", GOOD, { [Q]: [32, 32] }, /\(32 × 32\) as if it were 32 × 48/],
    ["two ranks", pair(Q, [32, 4], [8, 48]), { [Q]: [32, 48] }, /ranks 4 and 8/],
    ["experts where there are none", pair(Q, [32, 4, 3], [4, 48, 3]), { [Q]: [32, 48] }, /3 and 3 matrices/],
    ["too few experts", pair(Q, [32, 4, 3], [4, 48, 8]), { [Q]: [32, 48, 8] }, /3 and 8 matrices/],
    [
      "embeddings the other way round",
      pair("token_embd.weight", [32, 4], [4, 100]),
      { "token_embd.weight": [32, 100], "output.weight": [32, 100] },
      /as if/,
    ],
    [
      "embeddings of two ranks",
      pair("token_embd.weight", [4, 100], [8, 32]),
      { "token_embd.weight": [32, 100], "output.weight": [32, 100] },
      /ranks/,
    ],
    ["embeddings that are the output too", pair("token_embd.weight", [4, 100], [4, 32]), { "token_embd.weight": [32, 100] }, /output/],
  ])("not with %s", async (_, tensors, dims, why) => expect(await fits(tensors, dims)).toMatch(why));

  test("nor with another architecture", async () => {
    expect(mismatch(await read(), { architecture: "qwen3", dims: new Map([[Q, [32, 48]]]) })).toMatch(
      /architecture 'llama', the model is 'qwen3'/,
    );
  });
});
