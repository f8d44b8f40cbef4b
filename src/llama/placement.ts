/**
 * Where the parts of a model go, as members of `llama_model_params`: the devices, the layers on them, the experts that stay on the
 * processor. Called by model.ts. What goes where is decided by the gateway (models/placement.ts).
 */
import koffi from "koffi";
import { ShimmyError } from "../contract/errors.ts";
import type { Placement } from "../contract/hardware.ts";
import type { Library } from "./library.ts";
import type { ModelParams } from "./structs.ts";

const POINTER = 8;

export interface NativePlacement {
  readonly params: Pick<ModelParams, "devices" | "n_gpu_layers" | "tensor_buft_overrides">;
  /** When the load has returned, whichever way. */
  free(): void;
}

/** @throws engine_unavailable when a device is not there any more. */
export function nativePlacement(lib: Library, { devices, gpuLayers, cpuMoeLayers }: Placement): NativePlacement {
  const pointers = devices.map((name) => {
    const device = lib.devices.find(name);
    if (device === undefined) throw new ShimmyError("engine_unavailable", { reason: `the device ${name} is not there any more` });
    return device;
  });
  const blocks: bigint[] = [];
  const list = words(blocks, [...pointers, 0n]);
  const overrides = cpuMoeLayers > 0 ? expertOverrides(lib, cpuMoeLayers, blocks) : null;
  const free = () => {
    for (const block of blocks) koffi.free(block);
  };
  return { params: { devices: list, n_gpu_layers: gpuLayers, tensor_buft_overrides: overrides }, free };
}

/**
 * `llama_model_tensor_buft_override { const char * pattern; ggml_backend_buffer_type_t buft; }`, ended by one of zeros. The pattern is
 * that of `--n-cpu-moe` of llama.cpp (common/arg.cpp, llm_ffn_exps_block_regex), a line a layer.
 */
function expertOverrides(lib: Library, layers: number, blocks: bigint[]): bigint {
  const buffer = lib.cpuBufferType();
  const entries = Array.from({ length: layers }, (_, layer) => [
    text(blocks, `blk\\.${layer}\\.ffn_(up|down|gate|gate_up)_(ch|)exps`),
    buffer,
  ]);
  return words(blocks, [...entries.flat(), 0n, 0n]);
}

function words(blocks: bigint[], values: readonly bigint[]): bigint {
  const block = koffi.alloc("uint8_t", values.length * POINTER) as bigint;
  blocks.push(block);
  new BigUint64Array(koffi.view(block, values.length * POINTER)).set(values);
  return block;
}

function text(blocks: bigint[], value: string): bigint {
  const bytes = Buffer.from(`${value}\0`);
  const block = koffi.alloc("uint8_t", bytes.length) as bigint;
  blocks.push(block);
  new Uint8Array(koffi.view(block, bytes.length)).set(bytes);
  return block;
}
