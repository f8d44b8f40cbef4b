/**
 * Spares the clearing of a new KV cache. libllama sets it to zero after allocating it, which touches every page: for SmolLM2 with
 * 8 × 2048 tokens 377 MB are resident and a quarter of a second is gone before the first request, for a model with a long context
 * several gigabytes and seconds. But large allocations come from mmap(2), whose pages are zero already and take no memory until
 * they are written. So while the context is made, buffers of fresh pages get a `clear` that does nothing.
 *
 * This reaches into two structs of ggml-backend-impl.h (llama.cpp v0.4.0) that are no public interface:
 *   ggml_backend_buffer_type { get_name, alloc_buffer, … }
 *   ggml_backend_buffer { free, base, init, memset, set, get, set_2d, get_2d, cpy, clear, reset; buft; context; size; usage }
 * Each buffer is compared with what it must hold before it is touched; when anything differs, ggml clears as always.
 * Called by context.ts. Linux with glibc only, where it was verified.
 */
import koffi from "koffi";
import { library } from "./library.ts";

const POINTER = 8;
const ALLOC_BUFFER = 1;
const BUFFER = { clear: 9, bufferType: 11, size: 13, words: 14 } as const;

/** From here on glibc's malloc always maps new pages (the largest M_MMAP_THRESHOLD, mallopt(3)). */
const LEAST_FRESH_BYTES = 64 << 20;

/** Runs `create` with the clearing of fresh pages turned off, and puts everything back. */
export function withoutClearing<T>(create: () => T): T {
  if (process.platform !== "linux") return create();
  const lib = library();
  const type = lib.cpuBufferType();
  const typeWords = new BigUint64Array(koffi.view(type, 2 * POINTER));
  const original = typeWords[ALLOC_BUFFER]!;
  // Without a name: a name may be defined once in a process only.
  const prototype = koffi.proto("void*", ["void*", "size_t"]);
  const allocate = koffi.decode(original, prototype) as (type: bigint, size: bigint) => bigint | null;
  const patched: Array<{ words: BigUint64Array; clear: bigint }> = [];

  const callback = koffi.register((type: bigint, size: number | bigint) => {
    const buffer = allocate(type, BigInt(size));
    if (buffer === null || size < LEAST_FRESH_BYTES) return buffer;
    const words = new BigUint64Array(koffi.view(buffer, BUFFER.words * POINTER));
    if (words[BUFFER.bufferType] !== type || words[BUFFER.size] !== BigInt(size)) return buffer;
    patched.push({ words, clear: words[BUFFER.clear]! });
    words[BUFFER.clear] = lib.harmlessFunction;
    return buffer;
  }, koffi.pointer(prototype));

  typeWords[ALLOC_BUFFER] = callback;
  try {
    return create();
  } finally {
    typeWords[ALLOC_BUFFER] = original;
    for (const { words, clear } of patched) words[BUFFER.clear] = clear;
    koffi.unregister(callback);
  }
}
