/**
 * The engine's loop: plan → decode → sample → apply, for as long as anyone waits for a token. Called by main.ts, which
 * feeds it messages; between two steps it looks for new ones, so an abort is honoured within a step.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent } from "../contract/generation.ts";
import type { SlotStatus } from "../contract/inspection.ts";
import type { DecodeResult, LlamaContext } from "../llama/context.ts";
import type { Grammar } from "../llama/grammar.ts";
import type { LlamaModel } from "../llama/model.ts";
import { Sampler } from "../llama/sampler.ts";
import type { Propose } from "../scheduler/draft.ts";
import { type Plan, type Sampled, Scheduler } from "../scheduler/scheduler.ts";
import { Adapters } from "./adapters.ts";
import { AnswerSources } from "./answer-source.ts";
import type { CellFiles } from "./cell-files.ts";
import { CellStore } from "./cell-store.ts";
import { Choice } from "./choice.ts";
import { samplingOf } from "./endless.ts";
import { GrammarPreparation } from "./grammar-preparation.ts";
import { IdleCores } from "./idle-cores.ts";
import { infillEnds } from "./infill.ts";
import type { EngineEvent, EngineOutput, EngineState, GenerateMessage } from "./ipc.ts";
import { promptTokens } from "./prompt.ts";
import { mostRows, PromptLogprobs } from "./prompt-logprobs.ts";
import { PromptProgress } from "./prompt-progress.ts";
import { slotReport } from "./slot-report.ts";
import type { Speculation } from "./speculation.ts";
import { StateReport } from "./state-report.ts";
import { StepBudget } from "./step-budget.ts";
import { StepMeter } from "./step-meter.ts";
import { ThreadGovernor } from "./threads.ts";
import { WaitLimit } from "./wait-limit.ts";

/** How long nothing must have been computed before conversations are written to files. */
const QUIET_BEFORE_FILES_MS = 1000;

export interface LoopOptions {
  /** Most tokens of one sequence, prompt and answer together. */
  readonly contextTokens: number;
  /** Tokens whose KV cells may be put aside in memory. */
  readonly storeTokens: number;
  /** How long a step should take while somebody reads, in milliseconds. */
  readonly stepMs: number;
  /** How long a request may wait for its turn, in milliseconds; 0 is without limit. */
  readonly queueMs: number;
  /** Threads do not follow what the processor does: it waits for a GPU, which says nothing about other programs. */
  readonly fixedThreads?: boolean;
  /** Decides which guessed tokens are computed beside the next one; absent: none. */
  readonly speculation?: Speculation;
  /** Where cells outlive the process. */
  readonly files?: CellFiles;
}

export class EngineLoop {
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  readonly #contextTokens: number;
  readonly #scheduler: Scheduler;
  readonly #cells: CellStore;
  readonly #adapters: Adapters;
  readonly #governor: ThreadGovernor;
  readonly #governs: boolean;
  readonly #grammars: GrammarPreparation;
  readonly #budget: StepBudget;
  /** Absent: turned off. */
  readonly #speculation: Speculation | undefined;
  readonly #propose: Propose | undefined;
  readonly #idleCores = new IdleCores(performance.now());
  readonly #meter = new StepMeter();
  readonly #waits: WaitLimit;
  readonly #progress = new PromptProgress();
  readonly #promptLogprobs: PromptLogprobs;
  readonly #report: StateReport;
  readonly #send: (output: EngineOutput) => void;
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
    { contextTokens, storeTokens, stepMs, queueMs, fixedThreads = false, speculation, files }: LoopOptions,
    send: (output: EngineOutput) => void,
  ) {
    this.#model = model;
    this.#context = context;
    this.#contextTokens = contextTokens;
    this.#promptLogprobs = new PromptLogprobs((token) => model.spelling(token));
    this.#adapters = new Adapters(model, context);
    this.#grammars = new GrammarPreparation(model);
    this.#governor = new ThreadGovernor(context.threadsAllowed);
    this.#governs = !fixedThreads;
    this.#send = send;
    const cells = context.unified ? context.cells : context.sequences * contextTokens;
    this.#scheduler = new Scheduler({
      slots: context.sequences,
      cellsPerSequence: contextTokens,
      cells,
      storeTokens,
      canCut: model.canCut,
      gather: !context.unified,
      rows: mostRows(model.vocabSize),
    });
    this.#cells = new CellStore(context, files);
    this.#cells.introduce(this.#scheduler);
    this.#budget = new StepBudget(context.batchTokens, stepMs);
    this.#waits = new WaitLimit(queueMs);
    this.#speculation = speculation;
    this.#propose =
      speculation && ((sequence, most, step) => speculation.propose(sequence, most, step, () => this.#choices.get(sequence.key)!.demanded));
    this.#report = new StateReport(() => this.state);
  }

  get state(): EngineState {
    const { cells, stored } = this.#scheduler.held;
    const { threads } = this.#governor;
    const { drafted = 0, accepted = 0 } = this.#speculation ?? {};
    return {
      cellsUsed: cells,
      storedTokens: stored,
      storedBytes: this.#cells.bytes,
      threads,
      stepTokens: this.#budget.latest,
      draftedTokens: drafted,
      acceptedTokens: accepted,
      steps: this.#meter.counts,
    };
  }

  slots(): SlotStatus[] {
    return slotReport(this.#scheduler.owners, this.#contextTokens);
  }

  generate(message: GenerateMessage): void {
    const { id, constraint } = message;
    const take = (compiled?: Grammar) => this.#take(message, compiled);
    if (constraint && !this.#grammars.readyFor(constraint.gbnf)) void this.#grammars.wait(id, constraint.gbnf, take);
    else take();
  }

  /** So that the first answer with a grammar need not wait for the vocabulary to be sorted. */
  prepareWhileIdle(): void {
    this.#grammars.continueWhile(() => !this.#running);
  }

  #take(message: GenerateMessage, compiled: Grammar | undefined): void {
    try {
      const sources = new AnswerSources(this.#model, message, this.#grammars.constraints, compiled);
      try {
        this.#arrive(message, sources);
      } finally {
        sources.free();
      }
    } catch (error) {
      this.#fail(message.id, error);
    }
    this.#flush();
    void this.#run();
  }

  abort(id: number): void {
    this.#grammars.forget(id);
    this.#remove(id);
    this.#flush();
  }

  /** The end of one request, and of no other. */
  #fail(id: number, error: unknown): void {
    this.#remove(id);
    const { code, details } = ShimmyError.from(error);
    this.#events.push({ id, error: { code, details } });
  }

  /** Takes a request out, wherever it is. */
  #remove(id: number): void {
    this.#waits.left(id);
    for (const [key, choice] of this.#choices) {
      if (choice.id !== id) continue;
      this.#scheduler.abort(key);
      this.#drop(key);
    }
  }

  /** Tells those who have waited too long that their turn did not come. */
  #expire(): void {
    for (const { id, waitedMs } of this.#waits.overdue(performance.now())) {
      this.#remove(id);
      this.#events.push({ id, error: { code: "queue_timeout", details: { seconds: Math.round(waitedMs / 100) / 10 } } });
    }
  }

  #arrive(message: GenerateMessage, sources: AnswerSources): void {
    const prompt = promptTokens(this.#model, message, this.#contextTokens);
    const { group, salt: adapterSalt } = this.#adapters.groupOf(message.adapter);
    const { id, stop, topLogprobs, maxTokens = Number.POSITIVE_INFINITY, maxDraft, tenant = "", salt = "", priority = 0 } = message;
    const ends = "infill" in message.prompt ? infillEnds(this.#model) : undefined;
    const sampling = samplingOf(this.#model, message, ends);
    const seed = sampling.seed ?? Math.floor(Math.random() * 2 ** 32);
    const { vocabulary } = sources;
    const allLogits = message.promptLogprobs === true && topLogprobs !== undefined;
    const size = { vocabSize: this.#model.vocabSize, contextTokens: this.#contextTokens };
    for (let choice = 0; choice < message.choices; choice++) {
      const key = this.#nextKey++;
      const source = sources.next(new Sampler(sampling, (seed + choice) >>> 0, size, prompt));
      this.#choices.set(key, new Choice(this.#model, { id, choice, source, vocabulary, stop, topLogprobs, ends, tellsEnd: allLogits }));
      const limits = { maxTokens, allLogits, ...(maxDraft !== undefined && { maxDraft }) };
      this.#scheduler.arrive({ key, prompt, ...limits, tenant, salt: adapterSalt + salt, priority, group });
      if (message.progress) this.#progress.watch(key, choice);
      if (allLogits) this.#promptLogprobs.watch(key, choice, prompt, topLogprobs);
    }
    this.#waits.arrived(message.id, performance.now());
    this.#events.push({ id: message.id, event: { type: "started", promptTokens: prompt.length } });
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    if (this.#governs) this.#governor.resume(this.#idleCores.sample(performance.now()));
    while (!this.#scheduler.idle) {
      // One turn of the event loop: messages that arrived during the last step are handled here.
      await new Promise(setImmediate);
      this.#expire();
      this.#step(this.#scheduler.plan(this.#budget.tokens(this.#scheduler.decoding), this.#propose));
      this.#flush({ last: this.#scheduler.idle });
    }
    this.#running = false;
    this.#persistSoon();
    this.prepareWhileIdle();
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
    const begun = this.#progress.begin(plan.entries, performance.now());
    for (const [key, event] of begun) this.#emit(key, event);
    if (begun.length > 0) this.#flush(); // at once: the step may take long
    const { threads } = this.#governor;
    const decodesAt = performance.now();
    const changed = this.#adapters.apply(plan.group);
    if (this.#decode(plan, changed) === "full") {
      // The scheduler counts cells, so this is libllama seeing it differently (padding, sliding windows): make room and go on.
      this.#promptLogprobs.cancel();
      if (!this.#scheduler.preempt()) throw new Error("the KV cache is full with one sequence in it");
      return;
    }
    for (const [key, event] of this.#progress.computed(plan.entries, performance.now())) this.#emit(key, event);
    for (const [key, event] of this.#promptLogprobs.computed(plan.entries, (index) => this.#context.logits(index))) this.#emit(key, event);
    const failed = new Map<number, unknown>();
    if (plan.group !== 0) for (const { key } of this.#broken(outputs)) failed.set(key, this.#adapters.broken(plan.group));
    const sampled = this.#sample(failed.size === 0 ? outputs : outputs.filter(({ key }) => !failed.has(key)), failed);
    const ms = performance.now() - decodesAt;
    if (!changed) this.#speculation?.observe(plan, sampled.length, { ms, threads });
    const full = this.#scheduler.apply(plan, sampled, ms);
    for (const { key, ended } of sampled) if (ended) this.#finish(key, "stop");
    for (const key of full) this.#finish(key, "length");
    // Now that the step was applied, for its cells are computed.
    for (const [key, error] of failed) {
      const id = this.#choices.get(key)?.id;
      if (id !== undefined) this.#fail(id, error); // unless another choice of the same request has failed
    }
  }

  /** Those whose logits an adapter has broken: a NaN anywhere before the last product makes all of them NaN. */
  #broken(outputs: readonly Output[]): readonly Output[] {
    return outputs.filter(({ index }) => Number.isNaN(this.#context.logits(index)[0]));
  }

  /** `failed` gets those whose tokens cannot be drawn, by key: what is wrong with one answer must not end the others. */
  #sample(outputs: readonly Output[], failed: Map<number, unknown>): Sampled[] {
    const sampled: Sampled[] = [];
    for (const output of outputs) {
      try {
        this.#sampleOne(output, sampled);
      } catch (error) {
        failed.set(output.key, error);
      }
    }
    return sampled;
  }

  /** Each token is drawn from the logits of the one before, so after a draft only where that one was what was drawn. */
  #sampleOne({ key, index, draft }: Output, sampled: Sampled[]): void {
    const choice = this.#choices.get(key)!;
    for (let i = 0; i <= draft.length; i++) {
      const { token, ended, event } = choice.step(this.#context, index + i);
      if (event) this.#emit(key, event);
      sampled.push({ key, token, ended });
      this.#speculation?.follow(key, token);
      if (ended || token !== draft[i]) break;
    }
  }

  /** `changed`: the adapter did, and what that costs says nothing about steps. */
  #decode(plan: Plan, changed: boolean): DecodeResult {
    const { tokens, promptTokens } = sizeOf(plan);
    this.#context.threads = this.#governor.threads;
    const wallBefore = performance.now();
    const cpuBefore = process.cpuUsage();
    const result = this.#context.decode();
    if (changed) return result;
    const cpu = process.cpuUsage(cpuBefore);
    const nowMs = performance.now();
    const cpuMs = (cpu.user + cpu.system) / 1000;
    const wallMs = nowMs - wallBefore;
    this.#budget.observe(promptTokens, tokens, wallMs);
    this.#meter.observe(wallMs, plan.entries.length, tokens);
    if (this.#governs) this.#governor.observe({ tokens, wallMs, cpuMs, nowMs, idleCores: this.#idleCores.sample(nowMs) });
    return result;
  }

  #fill(plan: Plan): Output[] {
    const outputs: Output[] = [];
    for (const { sequence, slot, from, to, samples, draft } of plan.entries) {
      const choice = this.#choices.get(sequence.key)!;
      choice.start(sequence.cached ?? 0);
      this.#waits.left(choice.id);
      for (let i = from; i < to; i++) {
        const last = samples && i === to - 1;
        const scored = this.#promptLogprobs.wants(sequence.key, i);
        const index = this.#context.add(sequence.tokens[i]!, i, slot, last || scored);
        if (last) outputs.push({ key: sequence.key, index, draft });
        if (scored) this.#promptLogprobs.expect(sequence.key, i, index);
      }
      for (const [i, token] of draft.entries()) this.#context.add(token, to + i, slot, true);
    }
    return outputs;
  }

  #finish(key: number, reason: "stop" | "length"): void {
    for (const event of this.#choices.get(key)!.finish(reason)) this.#emit(key, event);
    this.#drop(key);
  }

  #drop(key: number): void {
    this.#progress.forget(key);
    this.#promptLogprobs.forget(key);
    this.#speculation?.forget(key);
    this.#choices.get(key)?.free();
    this.#choices.delete(key);
  }

  #emit(key: number, event: GenerationEvent): void {
    this.#events.push({ id: this.#choices.get(key)!.id, event });
  }

  /** Also without events, when a prompt is taken up or a request is aborted: else the gateway would count wrongly until the next. */
  #flush({ last = false } = {}): void {
    const { waiting, running } = this.#scheduler;
    const state = this.#report.due(performance.now(), last);
    const counts = waiting !== this.#told.waiting || running !== this.#told.running;
    if (this.#events.length === 0 && !counts && !state) return;
    this.#send({ events: this.#events, waiting, running, ...(state && { state }) });
    this.#told = { waiting, running };
    this.#events = [];
  }
}

/** Where the logits of a sequence that samples are: at `index`, and those of its draft behind them. */
interface Output {
  readonly key: number;
  readonly index: number;
  readonly draft: readonly number[];
}

/** What a step computes, and how much of it are prompts. */
function sizeOf({ entries }: Plan): { tokens: number; promptTokens: number } {
  let tokens = 0;
  let promptTokens = 0;
  for (const { from, to, draft } of entries) {
    tokens += to - from + draft.length;
    if (to - from > 1) promptTokens += to - from;
  }
  return { tokens, promptTokens };
}
