/**
 * The LoRA adapters of the loaded model: each is read when it is first asked for, and is a group of the scheduler from then on (0 is the
 * model as it is), for libllama applies adapters to a whole context. Owned by loop.ts. It must not know requests.
 */
import { createHash } from "node:crypto";
import { ShimmyError } from "../contract/errors.ts";
import type { ServedAdapter } from "../contract/model.ts";
import { LlamaAdapter } from "../llama/adapter.ts";
import type { LlamaContext } from "../llama/context.ts";
import type { LlamaModel } from "../llama/model.ts";
import { fingerprint } from "./cell-files.ts";

export interface AdapterGroup {
  readonly group: number;
  /** Begins every salt of the group: cells that were computed with an adapter are of no use without it, in files too. */
  readonly salt: string;
}

const NONE: AdapterGroup = { group: 0, salt: "" };

export class Adapters {
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  /** By path, state of the file and scale: a file that was replaced is another adapter. */
  readonly #groups = new Map<string, AdapterGroup>();
  /** By group; the first place is the model as it is. */
  readonly #adapters: Array<{ readonly name: string; readonly adapter?: LlamaAdapter }> = [{ name: "" }];
  #applied = 0;

  constructor(model: LlamaModel, context: LlamaContext) {
    this.#model = model;
    this.#context = context;
  }

  /** @throws adapter_unusable */
  groupOf(wanted: ServedAdapter | undefined): AdapterGroup {
    if (!wanted) return NONE;
    const key = JSON.stringify([wanted.path, wanted.identity, wanted.scale]);
    const known = this.#groups.get(key) ?? this.#load(wanted);
    this.#groups.set(key, known);
    return known;
  }

  /** The next step is computed with the adapter of this group. @returns whether it was another one before: libllama then builds its graph anew. */
  apply(group: number): boolean {
    if (group === this.#applied) return false;
    this.#context.adapt(this.#adapters[group]!.adapter);
    this.#applied = group;
    return true;
  }

  /** What the answers of a group are told when its logits are no numbers: nothing sampled from them would be an answer. */
  broken(group: number): ShimmyError {
    return new ShimmyError("adapter_unusable", {
      adapter: this.#adapters[group]!.name,
      reason: "with its weights the model computes no numbers",
    });
  }

  #load({ name, path, scale }: ServedAdapter): AdapterGroup {
    const adapter = LlamaAdapter.load(this.#model, path, scale);
    if (!adapter) throw new ShimmyError("adapter_unusable", { adapter: name, reason: "libllama refused the file" });
    const content = createHash("sha256")
      .update(`${fingerprint(path)} ${scale}`)
      .digest("hex")
      .slice(0, 16);
    return { group: this.#adapters.push({ name, adapter }) - 1, salt: `lora ${content} ` };
  }
}
