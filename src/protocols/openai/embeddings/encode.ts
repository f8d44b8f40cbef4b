/** Vectors → the answer of POST /v1/embeddings. Called through the `VectorProtocol` in ../index.ts. */
import type { EmbeddingResult } from "../../../contract/embedding.ts";
import { nameOf, type ResolvedModel } from "../../../contract/generation.ts";
import { invalid } from "../validate.ts";
import { usageOf } from "../vectors.ts";
import type { EmbeddingCall } from "./decode.ts";

export function encodeEmbeddings({ format, dimensions }: EmbeddingCall, model: ResolvedModel, { vectors, tokens }: EmbeddingResult) {
  const width = vectors[0]?.length ?? 0;
  if (dimensions !== undefined && dimensions > width)
    throw invalid("dimensions", `must be at most ${width}, which is what this model's vectors have`);
  return {
    object: "list" as const,
    data: vectors.map((vector, index) => {
      const wanted = dimensions === undefined ? vector : shortened(vector, dimensions);
      return { object: "embedding" as const, index, embedding: format === "base64" ? base64Of(wanted) : Array.from(wanted) };
    }),
    model: nameOf(model),
    usage: usageOf(tokens),
  };
}

/** Of length 1 again. */
function shortened(vector: Float32Array, dimensions: number): Float32Array {
  const cut = vector.subarray(0, dimensions);
  const length = Math.sqrt(cut.reduce((sum, value) => sum + value * value, 0));
  return length > 0 ? cut.map((value) => value / length) : cut;
}

/** Little-endian 32-bit floats, as OpenAI sends them; every machine that Node runs libllama on is little-endian. */
function base64Of({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString("base64");
}
