/**
 * The engine's loop: plan → decode → sample → apply, for as long as anyone waits for a token. Called by main.ts, which
 * feeds it messages; between two steps it looks for new ones, so an abort is honoured within a step.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent } from "../contract/generation.ts";
import type { DecodeResult, LlamaContext } from "../llama/context.ts";
import type { Grammar } from "../llama/grammar.ts";
import type { LlamaModel } from "../llama/model.ts";
import { Sampler } from "../llama/sampler.ts";
import { type Plan, type Sampled, Scheduler } from "../scheduler/scheduler.ts";
import type { CellFiles } from "./cell-files.ts";
import { CellStore } from "./cell-store.ts";
import { Choice } from "./choice.ts";
import { ConstrainedSampler, Constraints } from "./constraint.ts";
import { IdleCores } from "./idle-cores.ts";
import type { EngineEvent, GenerateMessage } from "./ipc.ts";
import { StepBudget } from "./step-budget.ts";
import { ThreadGovernor } from "./threads.ts";

/** How long nothing must have been computed before conversations are written to files. */
const QUIET_BEFORE_FILES_MS = 1000;

export interface LoopOptions {
  /** Most tokens of one sequence, prompt and answer together. */
  readonly contextTokens: number;
  /** Tokens whose KV cells may be put aside in memory. */
  readonly storeTokens: number;
  /** How long a step should take while somebody reads, in milliseconds. */
  readonly stepMs: number;
  /** Where cells outlive the process. */
  readonly files?: CellFiles;
}

export interface LoopOutput {
  readonly events: readonly EngineEvent[];
  readonly waiting: number;
  readonly running: number;
}

export class EngineLoop {
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  readonly #contextTokens: number;
  readonly #scheduler: Scheduler;
  readonly #cells: CellStore;
  readonly #governor: ThreadGovernor;
  /** Made for the first constrained answer. */
  #constraints: Constraints | undefined;
  readonly #budget: StepBudget;
  readonly #idleCores = new IdleCores(performance.now());
  readonly #send: (output: LoopOutput) => void;
  /** The answers in the making, by the key of their sequence. */
  readonly #choices = new Map<number, Choice>();
  #nextKey = 0;
  #events: EngineEvent[] = [];
  /** What the gateway knows of the queue. */
  #told = { waiting: 0, running: 0 };
  #running = false;
  #persistTimer: NodeJS.Timeout | undefined;

  constructor(
    model: LlamaModel,
    context: LlamaContext,
    { contextTokens, storeTokens, stepMs, files }: LoopOptions,
    send: (output: LoopOutput) => void,
  ) {
    this.#model = model;
    this.#context = context;
    this.#contextTokens = contextTokens;
    this.#governor = new ThreadGovernor(context.threadsAllowed);
    this.#send = send;
    const cells = context.unified ? context.cells : context.sequences * contextTokens;
    this.#scheduler = new Scheduler({
      slots: context.sequences,
      cellsPerSequence: contextTokens,
      cells,
      storeTokens,
      canCut: model.canCut,
    });
    this.#cells = new CellStore(context, files);
    this.#cells.introduce(this.#scheduler);
    this.#budget = new StepBudget(context.batchTokens, stepMs);
  }

  generate(message: GenerateMessage): void {
    try {
      this.#arrive(message);
    } catch (error) {
      const { code, details } = ShimmyError.from(error);
      this.#events.push({ id: message.id, error: { code, details } });
    }
    this.#flush();
    void this.#run();
  }

  abort(id: number): void {
    for (const [key, choice] of this.#choices) {
      if (choice.id !== id) continue;
      this.#scheduler.abort(key);
      this.#drop(key);
    }
    this.#flush();
  }

  #arrive(message: GenerateMessage): void {
    const prompt = "tokens" in message.prompt ? [...message.prompt.tokens] : this.#model.tokenize(message.prompt.segments);
    this.#check(prompt, message);
    const seed = message.sampling.seed ?? Math.floor(Math.random() * 2 ** 32);
    const grammar = message.constraint && this.#grammarOf(message.constraint.gbnf);
    for (let choice = 0; choice < message.choices; choice++) {
      const free = new Sampler(
        message.sampling,
        (seed + choice) >>> 0,
        { vocabSize: this.#model.vocabSize, contextTokens: this.#contextTokens },
        prompt,
      );
      const sampler = grammar ? new ConstrainedSampler(this.#constraints!, grammar.clone(), free) : free;
      const key = this.#nextKey++;
      const { id, stop, topLogprobs, maxTokens = Number.POSITIVE_INFINITY, tenant = "", salt = "", priority = 0 } = message;
      this.#choices.set(key, new Choice(this.#model, { id, choice, sampler, stop, topLogprobs }));
      this.#scheduler.arrive({ key, prompt, maxTokens, tenant, salt, priority });
    }
    grammar?.free();
    this.#events.push({ id: message.id, event: { type: "started", promptTokens: prompt.length } });
  }

  #grammarOf(gbnf: string): Grammar {
    this.#constraints ??= new Constraints(this.#model);
    return this.#constraints.compile(gbnf);
  }

  #check(prompt: readonly number[], { sampling }: GenerateMessage): void {
    if (prompt.length === 0) throw new ShimmyError("invalid_value", { param: "prompt", reason: "it holds no tokens" });
    const strange = prompt.find((token) => !this.#model.isToken(token));
    if (strange !== undefined)
      throw new ShimmyError("invalid_value", { param: "prompt", reason: `${strange} is not a token of this model` });
    const bias = sampling.logitBias.find(([token]) => !this.#model.isToken(token));
    if (bias) throw new ShimmyError("invalid_value", { param: "logit_bias", reason: `${bias[0]} is not a token of this model` });
    if (!this.#scheduler.fits(prompt.length))
      throw new ShimmyError("context_length_exceeded", { n_prompt_tokens: prompt.length, n_ctx: this.#contextTokens });
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#governor.resume(this.#idleCores.sample(performance.now()));
    while (!this.#scheduler.idle) {
      // One turn of the event loop: messages that arrived during the last step are handled here.
      await new Promise(setImmediate);
      this.#step(this.#scheduler.plan(this.#budget.tokens(this.#scheduler.decoding)));
      this.#flush();
    }
    this.#running = false;
    this.#persistSoon();
  }

  /** Writes conversations to files once nobody has asked for a while. */
  #persistSoon(): void {
    clearTimeout(this.#persistTimer);
    this.#persistTimer = setTimeout(() => void (this.#running || this.persist()), QUIET_BEFORE_FILES_MS);
    this.#persistTimer.unref();
  }

  persist(): Promise<void> {
    return this.#cells.persist(this.#scheduler);
  }

  /** One step: everything between two looks at the outside. */
  #step(plan: Plan): void {
    const lost = plan.actions.filter((action) => !this.#cells.do(action));
    for (const action of lost) this.#scheduler.lost(action);
    // What could not be brought must be computed: the next plan does that.
    if (lost.length > 0 || plan.entries.length === 0) return;
    const outputs = this.#fill(plan);
    if (this.#decode(tokensOf(plan)) === "full") {
      // The scheduler counts cells, so this is libllama seeing it differently (padding, sliding windows): make room and go on.
      if (!this.#scheduler.preempt()) throw new Error("the KV cache is full with one sequence in it");
      return;
    }
    const sampled: Sampled[] = [];
    for (const [key, index] of outputs) {
      const { token, ended, event } = this.#choices.get(key)!.step(this.#context, index);
      if (event) this.#emit(key, event);
      sampled.push({ key, token, ended });
    }
    const full = this.#scheduler.apply(plan, sampled);
    for (const { key, ended } of sampled) if (ended) this.#finish(key, "stop");
    for (const key of full) this.#finish(key, "length");
  }

  #decode(tokens: number): DecodeResult {
    const threads = this.#governor.threads;
    this.#context.threads = threads;
    const wallBefore = performance.now();
    const cpuBefore = process.cpuUsage();
    const result = this.#context.decode();
    const cpu = process.cpuUsage(cpuBefore);
    const nowMs = performance.now();
    const cpuMs = (cpu.user + cpu.system) / 1000;
    this.#budget.observe(tokens, nowMs - wallBefore);
    this.#governor.observe({ tokens, wallMs: nowMs - wallBefore, cpuMs, nowMs, idleCores: this.#idleCores.sample(nowMs) });
    return result;
  }

  /** @returns for each sequence that samples, the index of its logits. */
  #fill(plan: Plan): Array<[key: number, index: number]> {
    const outputs: Array<[number, number]> = [];
    for (const { sequence, slot, from, to, samples } of plan.entries) {
      this.#choices.get(sequence.key)!.start(sequence.cached ?? 0);
      for (let i = from; i < to; i++) {
        const last = samples && i === to - 1;
        const index = this.#context.add(sequence.tokens[i]!, i, slot, last);
        if (last) outputs.push([sequence.key, index]);
      }
    }
    return outputs;
  }

  #finish(key: number, reason: "stop" | "length"): void {
    for (const event of this.#choices.get(key)!.finish(reason)) this.#emit(key, event);
    this.#drop(key);
  }

  #drop(key: number): void {
    this.#choices.get(key)?.free();
    this.#choices.delete(key);
  }

  #emit(key: number, event: GenerationEvent): void {
    this.#events.push({ id: this.#choices.get(key)!.id, event });
  }

  /** Also without events, when a prompt is taken up or a request is aborted: else the gateway would count wrongly until the next. */
  #flush(): void {
    const { waiting, running } = this.#scheduler;
    if (this.#events.length === 0 && waiting === this.#told.waiting && running === this.#told.running) return;
    this.#send({ events: this.#events, waiting, running });
    this.#told = { waiting, running };
    this.#events = [];
  }
}

function tokensOf(plan: Plan): number {
  return plan.entries.reduce((n, { from, to }) => n + to - from, 0);
}
