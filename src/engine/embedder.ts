/**
 * Makes vectors of tokens, a batch at a time, giving way to everything else in between. Called by questions.ts. It must not know texts.
 *
 *   jobs (of a request each) ─▶ wave: inputs that fit the context, of all jobs in turn ─▶ batches ─▶ vectors ─▶ next wave
 *
 * A model that reads a text at once (an encoder) computes a wave in one batch, and libllama makes one vector of each text. A causal model
 * computes it in small batches, since libllama makes the logits of every token beside its vector; what comes of the tokens' vectors is
 * added up here. So its texts may be as long as a prompt. The context is as large as the longest text so far needs, and goes when nobody
 * has asked for a while.
 */
import { ShimmyError } from "../contract/errors.ts";
import { EmbeddingContext, type NativePooling } from "../llama/embedding-context.ts";
import type { LlamaModel } from "../llama/model.ts";
import { type Wave, waveOf } from "./embedding-wave.ts";
import { IdleCores } from "./idle-cores.ts";
import type { Answer, EmbeddingOptions } from "./ipc.ts";
import { ThreadGovernor } from "./threads.ts";

export interface EmbedderOptions extends EmbeddingOptions {
  readonly generates: boolean;
  readonly threads: number;
  /** Threads do not follow what the processor does. */
  readonly fixedThreads: boolean;
  /** How long a job may wait for its turn, in milliseconds; 0 is without limit. */
  readonly queueMs: number;
  /** How long a batch of a causal model should take while somebody waits for text, in milliseconds. */
  readonly stepMs: number;
  readonly generating: () => boolean;
}

export type EmbedPooling = Exclude<NativePooling, "none">;

export interface EmbedJob {
  readonly id: number;
  readonly inputs: ReadonlyArray<readonly number[]>;
  readonly pooling: EmbedPooling;
  /** Larger is later. */
  readonly priority: number;
  readonly since: number;
  /** Inputs that are in a wave or done. */
  begun: number;
  /** Vectors by input. */
  readonly vectors: Float32Array[];
  done: number;
  /** Once. */
  readonly settle: (result: Answer | ShimmyError) => void;
}

/** `LLAMA_POOLING_TYPE_*` as a file's `pooling_type` has them. */
const POOLINGS: readonly NativePooling[] = ["none", "mean", "cls", "last", "rank"];
const LEAST_CELLS = 512;
/** Tokens of the shortest batch. */
const LEAST_BATCH = 16;
const SEQUENCES = 64;
/** Of models with recurrent layers, where each sequence has a state of megabytes. */
const RECURRENT_SEQUENCES = 4;
/** Logits of the tokens of a batch, of causal models, in bytes: once in the graph and once in the buffer of outputs. */
const LOGITS_BYTES = 128 * 1024 * 1024;
const IDLE_MS = 60_000;
/** For longer texts flash attention spares memory; by the model, so that a text's vector does not depend on what was asked before. */
const WITHOUT_FLASH = { whole: 2048, causal: 8192 };
/** Values of activations, about: queries, keys, values, feed-forward. Twice what was measured for BERT of 384 and 1024. */
const ACTIVATIONS = 64;
/** Bytes of the mask between two tokens: F32 and F16. */
const MASK_BYTES = 6;

export class Embedder {
  /** Most tokens of one input. */
  readonly limit: number;
  /** Of the file, or what is usual for such a model where it says nothing. */
  readonly pooling: EmbedPooling;
  readonly #model: LlamaModel;
  readonly #options: EmbedderOptions;
  readonly #tell: (bytes: number) => void;
  /** It reads a text at once. */
  readonly #whole: boolean;
  readonly #governor: ThreadGovernor;
  readonly #idleCores = new IdleCores(performance.now());
  #context: { readonly context: EmbeddingContext; readonly pooling: NativePooling } | undefined;
  #heldBytes = 0;
  /** Of the last batch, for each of its tokens. */
  #tokenMs = 0;
  #jobs: EmbedJob[] = [];
  #running = false;
  #idleTimer: NodeJS.Timeout | undefined;

  /** `tell`: what is held for vectors, in bytes, when it has changed. */
  constructor(model: LlamaModel, options: EmbedderOptions, tell: (bytes: number) => void) {
    this.#model = model;
    this.#options = options;
    this.#tell = tell;
    const architecture = model.metadata("general.architecture") ?? "";
    this.#whole = options.encoder || model.metadata(`${architecture}.attention.causal`) === "false";
    const own = POOLINGS[Number(model.metadata(`${architecture}.pooling_type`) ?? 0)] ?? "none";
    // Causal: only the last token has seen the whole text. Encoders that say nothing are of the kind of sentence-transformers.
    this.pooling = own !== "none" ? own : this.#whole ? "mean" : "last";
    this.limit = this.#longestFor(options);
    this.#governor = new ThreadGovernor(options.threads);
  }

  /** Makes sure that there can be a context. @throws when the memory cannot be had. */
  prepare(): void {
    this.#contextFor(LEAST_CELLS, this.pooling);
  }

  add(job: EmbedJob): void {
    // Sorting is stable: of equal priority, first come.
    this.#jobs = [...this.#jobs, job].sort((a, b) => a.priority - b.priority);
    void this.#run();
  }

  abort(id: number): void {
    this.#jobs = this.#jobs.filter((job) => job.id !== id);
  }

  /** Before the model is freed. */
  free(): void {
    this.#jobs = [];
    clearTimeout(this.#idleTimer);
    this.#release();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    clearTimeout(this.#idleTimer);
    if (!this.#options.fixedThreads) this.#governor.resume(this.#idleCores.sample(performance.now()));
    while (this.#jobs.length > 0) {
      await giveWay();
      this.#expire();
      const first = this.#jobs[0];
      if (first) await this.#wave(first);
    }
    this.#running = false;
    this.#idleTimer = setTimeout(() => this.#release(), IDLE_MS);
    this.#idleTimer.unref();
  }

  async #wave({ pooling }: EmbedJob): Promise<void> {
    const jobs = this.#jobs.filter((job) => job.pooling === pooling && job.begun < job.inputs.length);
    try {
      const context = this.#contextFor(Math.max(...jobs.map(longestWaiting)), pooling);
      const wave = waveOf(jobs, context, this.#whole || pooling === "rank" ? undefined : pooling);
      do this.#step(context, wave);
      while (wave.unfinished && (await this.#wanted(wave)));
      context.clear();
    } catch (error) {
      // libllama may be in the middle of anything.
      this.#release();
      for (const job of jobs) this.#settle(job, ShimmyError.from(error));
    }
    for (const job of jobs) if (job.done === job.inputs.length) this.#settle(job, answerOf(job));
  }

  #step(context: EmbeddingContext, wave: Wave): void {
    const { threads } = this.#governor;
    context.threads = threads;
    const startedAt = performance.now();
    const cpuBefore = process.cpuUsage();
    const tokens = wave.step(this.#batchTokens(context));
    this.#tokenMs = (performance.now() - startedAt) / tokens;
    if (this.#options.fixedThreads) return;
    const cpu = process.cpuUsage(cpuBefore);
    const nowMs = performance.now();
    const times = { wallMs: nowMs - startedAt, cpuMs: (cpu.user + cpu.system) / 1000 };
    this.#governor.observe({ tokens, ...times, nowMs, idleCores: this.#idleCores.sample(nowMs) });
  }

  /** Those who read wait for a batch: it is as short as a step of theirs. */
  #batchTokens({ batchTokens }: EmbeddingContext): number {
    if (this.#whole || !this.#options.generating()) return batchTokens;
    const fitting = this.#tokenMs === 0 ? LEAST_BATCH : Math.floor(this.#options.stepMs / this.#tokenMs);
    return Math.min(batchTokens, Math.max(LEAST_BATCH, fitting));
  }

  /** Between two batches of a wave. Whether anybody still waits for it. */
  async #wanted(wave: Wave): Promise<boolean> {
    await giveWay();
    return this.#jobs.some((job) => wave.jobs.has(job));
  }

  #settle(job: EmbedJob, result: Answer | ShimmyError): void {
    if (!this.#jobs.includes(job)) return; // aborted, or settled before
    this.abort(job.id);
    job.settle(result);
  }

  #expire(): void {
    const { queueMs } = this.#options;
    if (queueMs === 0) return;
    const now = performance.now();
    for (const job of this.#jobs) {
      const waitedMs = now - job.since;
      if (job.begun > 0 || waitedMs < queueMs) continue;
      this.#settle(job, new ShimmyError("queue_timeout", { seconds: Math.round(waitedMs / 100) / 10 }));
    }
  }

  #contextFor(tokens: number, pooling: EmbedPooling): EmbeddingContext {
    const native = this.#whole || pooling === "rank" ? pooling : "none";
    const held = this.#context;
    if (held && held.pooling === native && held.context.cells >= tokens) return held.context;
    this.#release();
    // In powers of two, so that a text that is longer by a token does not make a new one.
    const cells = Math.max(LEAST_CELLS, Math.min(2 ** Math.ceil(Math.log2(tokens)), Math.ceil(this.limit / 256) * 256));
    const context = EmbeddingContext.create(this.#model, {
      cells,
      batchTokens: this.#whole ? cells : this.#causalBatch(),
      sequences: this.#model.canCut ? SEQUENCES : RECURRENT_SEQUENCES,
      pooling: native,
      flashAttention: this.#flashAttention(this.limit),
      threads: this.#options.threads,
    });
    this.#context = { context, pooling: native };
    this.#heldBytes = this.#bytesFor(cells);
    this.#tell(this.#heldBytes);
    return context;
  }

  #release(): void {
    this.#context?.context.free();
    this.#context = undefined;
    if (this.#heldBytes > 0) this.#tell(0);
    this.#heldBytes = 0;
  }

  #flashAttention(longest: number): boolean {
    return longest > (this.#whole ? WITHOUT_FLASH.whole : WITHOUT_FLASH.causal);
  }

  #causalBatch(): number {
    return Math.max(32, Math.min(LEAST_CELLS, Math.floor(LOGITS_BYTES / (8 * this.#model.vocabSize))));
  }

  /** What a context takes with all its buffers, about. */
  #bytesFor(cells: number): number {
    const { vocabSize, vectorWidth, heads } = this.#model;
    const activations = ACTIVATIONS * vectorWidth;
    const cache = cells * this.#options.kvBytesPerToken;
    const scores = this.#flashAttention(cells) ? 0 : 4 * heads * cells;
    if (!this.#whole) return cache + this.#causalBatch() * (8 * vocabSize + activations + scores);
    // The logits that nobody writes take memory where pages are not given on first use (llama/fresh-memory.ts).
    const logits = process.platform === "linux" ? 0 : 4 * vocabSize;
    return cache + cells * (logits + activations + scores + MASK_BYTES * cells);
  }

  #longestFor({ contextTokens, bytes }: EmbeddingOptions): number {
    let limit = contextTokens;
    while (limit > LEAST_CELLS && this.#bytesFor(limit) > bytes) limit = Math.max(LEAST_CELLS, Math.floor(limit * 0.9));
    return limit;
  }
}

/** Messages, and steps of generation. */
function giveWay(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function longestWaiting({ inputs, begun }: EmbedJob): number {
  let longest = 0;
  for (let index = begun; index < inputs.length; index++) longest = Math.max(longest, inputs[index]!.length);
  return longest;
}

function answerOf({ inputs, vectors }: EmbedJob): Answer {
  const width = vectors[0]?.length ?? 0;
  const values = new Float32Array(width * vectors.length);
  for (const [index, vector] of vectors.entries()) values.set(vector, index * width);
  return { kind: "vectors", width, values, tokens: inputs.map(({ length }) => length) };
}
