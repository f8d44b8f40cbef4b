/**
 * Whether the tensors of a model are of types that libllama's operations take. Called by `acceptance.ts` and, for the further parts of a
 * split model, by `model-file.ts`. libllama checks names and shapes itself, types only while it computes, and then aborts or reads past
 * the end. Found by the fuzz campaign (bench/fuzz). It must not know paths.
 */
import type { GgufHeader } from "./gguf/header.ts";
import type { GgufTensor } from "./gguf/tensors.ts";

/** ggml stores them, but no multiplication takes them: type_traits_cpu (ggml-cpu.c) has no vec_dot for them. */
const NO_WEIGHTS = new Set(["I8", "I16", "I64", "F64", "Q8_1", "Q8_K"]);
/** Routing tables of tokens to experts (DeepSeek V4) are the only integers in models. */
const INTEGER_TABLE = /tid2eid/;
/** They are added and multiplied element by element, which takes no other type beside F32 activations (binary-ops.cpp). */
const ELEMENTWISE = /\.bias$|norm\.weight$|^token_types\.weight$|(?:^|\.)ssm_(?:a|d|conv1d)(?:\.weight)?$/;

/** @returns why libllama could not compute with a tensor of this file, or undefined. */
export function reasonOfTensors(header: GgufHeader): string | undefined {
  for (const tensor of header.tensors) {
    const reason = typeReason(tensor);
    if (reason) return reason;
  }
  return undefined;
}

function typeReason({ name, dims, type }: GgufTensor): string | undefined {
  if (NO_WEIGHTS.has(type.name) || (type.name === "I32" && !INTEGER_TABLE.test(name)))
    return `tensor '${name}' has the type ${type.name}, which is not one of weights`;
  // Vectors are norms, biases and scales.
  if ((dims.length === 1 || ELEMENTWISE.test(name)) && type.name !== "F32" && type.name !== "I32")
    return `tensor '${name}' has the type ${type.name}, but is used as F32`;
  return undefined;
}
