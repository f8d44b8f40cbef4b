/** Drives the real scheduler with the modelled GPU through all requests, in simulated time, and checks every promise on the way. */
import { StepBudget } from "../../src/engine/step-budget.ts";
import { type Plan, type Sampled, Scheduler } from "../../src/scheduler/scheduler.ts";
import { alone, type Costs, check, ModelledGpu } from "./gpu.ts";
import type { SimulatedRequest } from "./traffic.ts";

export interface SimulationOptions {
  readonly costs: Costs;
  readonly slots: number;
  readonly cellsPerSequence: number;
  readonly cells: number;
  readonly storeTokens: number;
  /** Most tokens of a step, and how long one should take. */
  readonly batchTokens: number;
  readonly targetStepMs: number;
}

/** What became of a request; times in simulated milliseconds from the start. */
export interface Life {
  readonly atMs: number;
  readonly promptTokens: number;
  /** First computed for. */
  firstStepMs: number;
  firstTokenMs: number;
  endMs: number;
  longestGapMs: number;
  lastTokenMs: number;
  readonly tokens: number[];
}

/** The state between two steps. */
export interface Sample {
  readonly ms: number;
  readonly running: number;
  readonly waiting: number;
  readonly stepMs: number;
  readonly tokens: number;
}

export interface Outcome {
  readonly lives: readonly Life[];
  readonly samples: readonly Sample[];
  readonly wallMs: number;
  /** Tokens computed as parts of prompts; those found in the cache are not in it. */
  readonly promptTokensComputed: number;
  /** Real milliseconds that `plan` and `apply` took, step by step. */
  readonly schedulerMs: readonly number[];
}

export function simulate(requests: readonly SimulatedRequest[], options: SimulationOptions): Outcome {
  return new Simulation(requests, options).run();
}

class Simulation {
  readonly #scheduler: Scheduler;
  readonly #gpu: ModelledGpu;
  readonly #budget: StepBudget;
  readonly #lives: Life[];
  readonly #samples: Sample[] = [];
  readonly #schedulerMs: number[] = [];
  #now = 0;
  #arrived = 0;
  #finished = 0;
  #promptTokensComputed = 0;

  constructor(
    private readonly requests: readonly SimulatedRequest[],
    options: SimulationOptions,
  ) {
    this.#scheduler = new Scheduler(options);
    this.#gpu = new ModelledGpu(options.costs, options);
    this.#budget = new StepBudget(options.batchTokens, options.targetStepMs);
    const never = { firstStepMs: Number.NaN, firstTokenMs: Number.NaN, endMs: Number.NaN, longestGapMs: 0, lastTokenMs: Number.NaN };
    this.#lives = requests.map(({ atMs, prompt }) => ({ atMs, promptTokens: prompt.length, ...never, tokens: [] }));
  }

  run(): Outcome {
    while (this.#finished < this.requests.length) {
      this.#arrive();
      this.#step();
    }
    check(this.#scheduler.idle, "everybody has ended, and it is not idle");
    for (const [key, { prompt, answer }] of this.requests.entries()) {
      const right = alone(prompt, answer);
      const given = this.#lives[key]!.tokens;
      const same = given.length === right.length && given.every((token, i) => token === right[i]);
      check(same, `request ${key} got ${given.length} tokens, not the ${right.length} it gets alone`);
    }
    return {
      lives: this.#lives,
      samples: this.#samples,
      wallMs: this.#now,
      promptTokensComputed: this.#promptTokensComputed,
      schedulerMs: this.#schedulerMs,
    };
  }

  #arrive(): void {
    if (this.#scheduler.idle) this.#now = Math.max(this.#now, this.requests[this.#arrived]?.atMs ?? this.#now);
    for (let next = this.requests[this.#arrived]; next && next.atMs <= this.#now; next = this.requests[++this.#arrived])
      this.#scheduler.arrive(next);
  }

  #step(): void {
    const { running, waiting, decoding } = this.#scheduler;
    const budget = this.#budget.tokens(decoding);
    let began = performance.now();
    const plan = this.#scheduler.plan(budget);
    let own = performance.now() - began;
    const tokens = plan.entries.reduce((sum, { from, to }) => sum + to - from, 0);
    const promptTokens = plan.entries.reduce((sum, { from, to }) => sum + (to - from > 1 ? to - from : 0), 0);
    check(tokens > 0 && tokens <= budget, `a plan of ${tokens} tokens with a budget of ${budget}`);
    const { ms, sampled } = this.#gpu.step(plan, (key) => this.#lives[key]!.tokens.length + 1 === this.requests[key]!.answer);
    this.#now += ms;
    this.#budget.observe(promptTokens, tokens, ms);
    this.#samples.push({ ms: this.#now, running, waiting, stepMs: ms, tokens });
    this.#note(plan, sampled, ms);
    began = performance.now();
    const full = this.#scheduler.apply(plan, sampled);
    own += performance.now() - began;
    this.#schedulerMs.push(own);
    for (const key of full) this.#end(key);
    for (const { key, ended } of sampled) if (ended && !full.includes(key)) this.#end(key);
  }

  #note({ entries }: Plan, sampled: readonly Sampled[], ms: number): void {
    for (const { sequence, from, to } of entries) {
      const life = this.#lives[sequence.key]!;
      if (Number.isNaN(life.firstStepMs)) life.firstStepMs = this.#now - ms;
      this.#promptTokensComputed += Math.max(0, Math.min(to, life.promptTokens) - from);
    }
    for (const { key, token } of sampled) {
      const life = this.#lives[key]!;
      check(Number.isNaN(life.endMs), `request ${key} got a token after its end`);
      if (life.tokens.length === 0) life.firstTokenMs = this.#now;
      else life.longestGapMs = Math.max(life.longestGapMs, this.#now - life.lastTokenMs);
      life.lastTokenMs = this.#now;
      life.tokens.push(token);
    }
  }

  #end(key: number): void {
    check(Number.isNaN(this.#lives[key]!.endMs), `request ${key} ended twice`);
    this.#lives[key]!.endMs = this.#now;
    this.#finished++;
  }
}
