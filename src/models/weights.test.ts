import { expect, test } from "vitest";
import type { GgufTensor } from "./gguf/tensors.ts";
import { weightsOf } from "./weights.ts";

const tensor = (name: string, bytes: number, dims: readonly number[] = [1]) => ({ name, bytes, dims }) as GgufTensor;

test("each tensor belongs to its layer, to the output or to the input", () => {
  const tensors = [
    tensor("token_embd.weight", 100, [64, 1000]),
    tensor("blk.0.attn_q.weight", 5),
    tensor("blk.1.attn_q.weight", 5),
    tensor("blk.1.ffn_up_exps.weight", 40),
    tensor("blk.1.ffn_gate_inp.weight", 1),
    tensor("output_norm.weight", 2),
    tensor("output.weight", 30),
    tensor("rope_freqs.weight", 3),
  ];
  expect(weightsOf([{ tensors }])).toEqual({
    layers: [
      { bytes: 5, expertBytes: 0 },
      { bytes: 46, expertBytes: 40 },
    ],
    outputBytes: 32,
    inputBytes: 103,
    vocabulary: 1000,
    width: 64,
  });
});

test("embeddings that are the output too are there twice, and parts of a split model are one", () => {
  const first = { tensors: [tensor("token_embd.weight", 100), tensor("blk.0.attn_q.weight", 5)] };
  const second = { tensors: [tensor("blk.0.attn_k.weight", 6), tensor("output_norm.weight", 2)] };
  expect(weightsOf([first, second])).toMatchObject({ layers: [{ bytes: 11 }], outputBytes: 102, inputBytes: 100 });
});
