/**
 * A LoRA adapter of a loaded model. Called by the engine; context.ts applies it. libllama applies adapters to a whole context, never
 * to one sequence. It must not know requests; that a file may be given to libllama is checked in models/adapter-file.ts.
 */
import { type AdapterPointer, library } from "./library.ts";
import type { LlamaModel } from "./model.ts";

export class LlamaAdapter {
  private constructor(
    readonly pointer: AdapterPointer,
    /** What its change to the weights is multiplied by; 0 is none. */
    readonly scale: number,
  ) {}

  /** Its memory is freed with the model. @returns undefined when libllama refuses the file: it asserts on some, so they are checked before. */
  static load(model: LlamaModel, path: string, scale: number): LlamaAdapter | undefined {
    const pointer = library().adapterInit(model.pointer, path);
    return pointer ? new LlamaAdapter(pointer, scale) : undefined;
  }
}
