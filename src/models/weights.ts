/**
 * How heavy the parts of a model are: its layers, their experts, what is before and behind them. Worked out from the headers of
 * its files just before it is spread over devices (placement.ts), by the pool. It must not know devices. Loaded when there is a GPU.
 */
import { type GgufHeader, readGgufHeader } from "./gguf/header.ts";
import { filesOf } from "./shards.ts";

export interface LayerWeights {
  /** Of all tensors of the layer. */
  readonly bytes: number;
  /** Those of them that belong to experts, of which a token uses a few. */
  readonly expertBytes: number;
}

export interface ModelWeights {
  readonly layers: readonly LayerWeights[];
  /** What finds the next token: the output matrix, or the embeddings once more where they are used for both. */
  readonly outputBytes: number;
  /** The embeddings and all else: never on a GPU. */
  readonly inputBytes: number;
  /** Tokens, and the width of what passes from layer to layer. */
  readonly vocabulary: number;
  readonly width: number;
}

/** @throws as `readGgufHeader` */
export async function readWeights(path: string): Promise<ModelWeights> {
  return weightsOf(await Promise.all(filesOf(path).map((file) => readGgufHeader(file, { checksVocabulary: false }))));
}

export function weightsOf(headers: ReadonlyArray<Pick<GgufHeader, "tensors">>): ModelWeights {
  const layers: Array<{ bytes: number; expertBytes: number }> = [];
  const other = { output: 0, embeddings: 0, rest: 0 };
  let [width, vocabulary] = [0, 0];
  for (const { name, bytes, dims } of headers.flatMap(({ tensors }) => tensors)) {
    const layer = /^blk\.(\d{1,5})\./.exec(name)?.[1];
    if (layer !== undefined) {
      layers[Number(layer)] ??= { bytes: 0, expertBytes: 0 };
      const weights = layers[Number(layer)]!;
      weights.bytes += bytes;
      if (/\.ffn_(up|down|gate|gate_up)_(ch|)exps\./.test(name)) weights.expertBytes += bytes;
    } else if (name === "token_embd.weight") {
      other.embeddings += bytes;
      width = dims[0] ?? 0;
      vocabulary = dims[1] ?? 0;
    } else if (name.startsWith("output")) other.output += bytes;
    else other.rest += bytes;
  }
  const tied = !headers.some(({ tensors }) => tensors.some(({ name }) => name === "output.weight"));
  return {
    layers: Array.from(layers, (layer) => layer ?? { bytes: 0, expertBytes: 0 }),
    outputBytes: other.output + (tied ? other.embeddings : 0),
    inputBytes: other.embeddings + other.rest,
    vocabulary,
    width,
  };
}
