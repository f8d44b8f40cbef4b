/**
 * Child process: the same decode work straight on libllama, without HTTP, scheduler or text: the limit that a server on this engine can reach.
 * Called by contestants/bare.ts as `bare-loop.js '{"model":…}'`; prints one JSON line.
 * Like an ideal server it keeps the prefix that a sequence's next prompt shares with its last one.
 */
import { availableParallelism } from "node:os";
import { cpuTimes } from "../src/bench/measure/machine.ts";
import { type Batch, int8View, int32View, type Llama, openLlama, type Pointer, pointerView } from "./native/libllama.ts";

export interface BareTask {
  readonly model: string;
  readonly unified: boolean;
  /** Cells of one sequence. */
  readonly context: number;
  /** Sequences the context is made for. */
  readonly slots: number;
  readonly tokens: number;
  /** Rendered prompts: one wave after the other, in each one prompt a sequence. */
  readonly waves: ReadonlyArray<readonly string[]>;
}

export interface BareResult {
  /** Whole, prefill counted in. */
  readonly wallMs: number;
  readonly tokens: number;
  /** CPU seconds meanwhile: of this process, of everybody else, and taken by the hypervisor. */
  readonly cpu: { readonly own: number; readonly others: number; readonly stolen: number };
  /** Until the first token of each wave, and each step after it. */
  readonly waves: ReadonlyArray<{ readonly prefillMs: number; readonly stepMs: readonly number[] }>;
}

const BATCH = 2048;

/** llama_batch with typed windows on its arrays, made once. */
class BatchWriter {
  readonly raw: Batch;
  private readonly token: Int32Array;
  private readonly pos: Int32Array;
  private readonly logits: Int8Array;
  private readonly sequence: Int32Array[];

  constructor(llama: Llama) {
    this.raw = llama.newBatch(BATCH, 0, 1);
    this.token = int32View(this.raw.token, BATCH);
    this.pos = int32View(this.raw.pos, BATCH);
    this.logits = int8View(this.raw.logits, BATCH);
    int32View(this.raw.n_seq_id, BATCH).fill(1);
    this.sequence = Array.from(pointerView(this.raw.seq_id, BATCH), (pointer) => int32View(pointer, 1));
  }

  /** Gives the index in the batch. */
  add(token: number, pos: number, sequence: number, output: boolean): number {
    const index = this.raw.n_tokens++;
    this.token[index] = token;
    this.pos[index] = pos;
    this.sequence[index]![0] = sequence;
    this.logits[index] = output ? 1 : 0;
    return index;
  }
}

function tokenizer(llama: Llama, vocab: Pointer): (text: string) => number[] {
  return (text) => {
    const bytes = Buffer.from(text);
    const out = new Int32Array(bytes.length + 8);
    return Array.from(out.subarray(0, llama.tokenize(vocab, bytes, bytes.length, out, out.length, true, true)));
  };
}

function run(task: BareTask): BareResult {
  const llama = openLlama(process.cwd());
  const model = llama.loadModel(task.model, { ...llama.modelDefaults(), n_gpu_layers: 0 });
  const threads = availableParallelism();
  const context = llama.newContext(model, {
    ...llama.contextDefaults(),
    n_ctx: task.context * task.slots,
    n_seq_max: task.slots,
    n_batch: BATCH,
    n_threads: threads,
    n_threads_batch: threads,
    kv_unified: task.unified,
  });
  if (!model || !context) throw new Error(`cannot load ${task.model}`);
  const tokenize = tokenizer(llama, llama.vocab(model));
  const chain = llama.newChain({ no_perf: true });
  llama.addToChain(chain, llama.greedy());
  const loop = new Loop(llama, context, chain, new BatchWriter(llama));
  const prompts = task.waves.map((wave) => wave.map(tokenize));
  loop.warmUp(prompts[0]![0]!);
  const [times, used, start] = [cpuTimes(), process.cpuUsage(), performance.now()];
  const waves = prompts.map((wave) => loop.wave(wave, task.tokens));
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(used);
  const own = (user + system) / 1e6;
  const { busy, stolen } = cpuTimes();
  const others = Math.max(0, busy - times.busy - own);
  llama.freeSampler(chain);
  llama.freeContext(context);
  llama.freeModel(model);
  return {
    wallMs,
    waves,
    cpu: { own, others, stolen: stolen - times.stolen },
    tokens: task.tokens * prompts.reduce((sum, wave) => sum + wave.length, 0),
  };
}

class Loop {
  /** What the KV cache holds of each sequence. */
  private readonly cached = new Map<number, readonly number[]>();

  constructor(
    private readonly llama: Llama,
    private readonly context: Pointer,
    private readonly chain: Pointer,
    private readonly batch: BatchWriter,
  ) {}

  /** The first decode allocates and faults pages in; servers do it before they are healthy. */
  warmUp(prompt: readonly number[]): void {
    this.prefill([prompt]);
    this.llama.removeCells(this.llama.memory(this.context), 0, -1, -1);
    this.cached.clear();
  }

  wave(prompts: ReadonlyArray<readonly number[]>, tokens: number): BareResult["waves"][number] {
    const start = performance.now();
    let last = this.prefill(prompts);
    const prefillMs = performance.now() - start;
    const stepMs: number[] = [];
    for (let step = 1; step < tokens; step++) {
      const began = performance.now();
      this.batch.raw.n_tokens = 0;
      const index = last.map((token, sequence) => this.batch.add(token, prompts[sequence]!.length + step - 1, sequence, true));
      this.decode();
      last = index.map((at) => this.llama.sample(this.chain, this.context, at));
      stepMs.push(performance.now() - began);
    }
    return { prefillMs, stepMs };
  }

  /** Computes what is not cached of all prompts in one call and samples their first tokens. */
  private prefill(prompts: ReadonlyArray<readonly number[]>): number[] {
    this.batch.raw.n_tokens = 0;
    const outputs = prompts.map((prompt, sequence) => {
      const shared = this.keepShared(prompt, sequence);
      if (this.batch.raw.n_tokens + prompt.length - shared > BATCH) throw new Error(`the prompts of a wave exceed ${BATCH} tokens`);
      let index = -1;
      for (let pos = shared; pos < prompt.length; pos++) index = this.batch.add(prompt[pos]!, pos, sequence, pos === prompt.length - 1);
      return index;
    });
    this.decode();
    return outputs.map((index) => this.llama.sample(this.chain, this.context, index));
  }

  /** Drops from the cache what the new prompt does not begin with, and gives how many tokens stay; the last is always computed. */
  private keepShared(prompt: readonly number[], sequence: number): number {
    const known = this.cached.get(sequence) ?? [];
    let shared = 0;
    while (shared < prompt.length - 1 && known[shared] === prompt[shared]) shared++;
    this.llama.removeCells(this.llama.memory(this.context), sequence, shared, -1);
    this.cached.set(sequence, prompt);
    return shared;
  }

  private decode(): void {
    const code = this.llama.decode(this.context, this.batch.raw);
    if (code !== 0) throw new Error(`llama_decode gave ${code}`);
  }
}

process.stdout.write(`${JSON.stringify(run(JSON.parse(process.argv[2]!) as BareTask))}\n`);
