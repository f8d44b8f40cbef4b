/**
 * The whole of `shimmy bench`: the servers are looked at, the work is made to fit, every case is run on them in turn, round after round,
 * and what was found is gathered. Called by cli/bench.ts, which starts and ends the server and prints.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { timeLimit } from "../contract/time-limit.ts";
import { counted } from "../deploy/figures.ts";
import { type Outcome, runCase } from "./case.ts";
import { number } from "./format.ts";
import { streamChat } from "./measure/client.ts";
import { machineInfo } from "./measure/machine.ts";
import { othersOf } from "./measure/watch.ts";
import { type Probed, probe } from "./probe.ts";
import { type BenchResult, FORMAT, type ServerReport, summarise } from "./result.ts";
import { type BenchServer, openServer, type ServerAddress } from "./server.ts";
import { type Asked, type Plan, planFor, secondsOf } from "./sizing.ts";
import { shareWords } from "./text.ts";
import { answerTokens } from "./workloads/workload.ts";

export interface BenchOptions extends Asked {
  readonly here: ServerAddress & { readonly model?: string | undefined; readonly started: boolean };
  readonly against?: (ServerAddress & { readonly model?: string | undefined }) | undefined;
  /** 0..9999 */
  readonly seed: number;
  /** Version of this program. */
  readonly shimmy: string;
  /** Ends the run; what was measured by then is told. */
  readonly signal: AbortSignal;
  /** For people. */
  readonly say: (line: string) => void;
}

/** A case that takes longer hangs, unless its server is so slow that this is no wonder. */
const CASE_LIMIT_MS = 300_000;
const TIMES_EXPECTED = 4;
/** Between two servers; longer than our engine needs to see that cores are free. */
const QUIET_MS = 300;
const SETTLING_TOKENS = 2;
/** Ctrl-C reaches the server first now and then: what failed a moment before it did not fail. */
const SIGNAL_LAG_MS = 100;

/** @throws target_unreachable, not_openai, model_not_found …: nothing was measured then */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const { here, against, signal, say } = options;
  const measured = new Date();
  const first = await openServer(here, { name: "this", model: here.model }, signal);
  const opened = against
    ? [first, await openServer(against, { name: "against", model: against.model, like: first.target.modelId }, signal)]
    : [first];
  const probed: Probed[] = [];
  for (const server of opened) {
    say(`${nameOf(server)}: loading ${server.target.modelId}, and finding out how fast it is …`);
    probed.push(await probe(server, options));
  }
  const contexts = probed.flatMap(({ server }) => server.contextTokens ?? []);
  const plan = planFor(
    options,
    probed.map(({ pace }) => pace),
    contexts.length > 0 ? Math.min(...contexts) : undefined,
  );
  say(announcement(plan, options, probed.length));
  const run = new Run(options, plan, probed);
  await run.all();
  return resultOf(options, plan, run, measured);
}

function nameOf({ name, target, version }: BenchServer): string {
  return `${name} (${target.url}${version === undefined ? "" : `, ${version}`})`;
}

function announcement({ cases, seconds, sizing, fits, work }: Plan, { rounds, tokens }: BenchOptions, servers: number): string {
  const time = seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} minutes`;
  const { share = 1, longestAnswer = Number.POSITIVE_INFINITY } = sizing;
  const size = `a round is ${work.tokens} tokens of answers after ${work.promptWords} words of prompts${share === 1 ? "" : ` (${shareWords(share, tokens)})`}`;
  return [
    `${counted(cases.length, "case")}, ${counted(rounds, "round")}, ${counted(servers, "server")}: about ${time}; ${size}. Ctrl-C ends it with what there is.`,
    ...(tokens !== undefined && tokens > longestAnswer
      ? [`Answers have ${longestAnswer} tokens at most: longer ones have no room in the context.`]
      : []),
    ...(fits
      ? []
      : [
          "It is slow, and the work cannot be made smaller by itself: --tokens 4, --workloads decode, --clients 1 or --rounds 1 make it shorter.",
        ]),
  ].join("\n");
}

/** Every case on every server, in turn; every other round in reversed order. */
class Run {
  readonly outcomes: Outcome[] = [];
  readonly failures: string[] = [];
  readonly #gone = new Set<string>();
  readonly watches: string | true;

  constructor(
    private readonly options: BenchOptions,
    private readonly plan: Plan,
    readonly probed: readonly Probed[],
  ) {
    this.watches = watchable(this.servers);
  }

  get servers(): readonly BenchServer[] {
    return this.probed.map(({ server }) => server);
  }

  async all(): Promise<void> {
    for (let round = 0; round < this.options.rounds; round++) {
      const order = round % 2 === 0 ? this.probed : [...this.probed].reverse();
      for (let index = 0; index < this.plan.cases.length; index++)
        for (const probed of order) {
          if (this.options.signal.aborted) return;
          await this.#one(round, index, probed);
        }
    }
  }

  async #one(round: number, index: number, { server, pace }: Probed): Promise<void> {
    const { workload, clients } = this.plan.cases[index]!;
    const same = (outcome: Outcome) => outcome.server === server.name && outcome.workload === workload.name && outcome.clients === clients;
    if (this.#gone.has(server.name) || this.outcomes.some((outcome) => same(outcome) && outcome.notServed !== undefined)) return;
    const seed = this.options.seed * 100 + round;
    const { sizing } = this.plan;
    const expectedMs = 1000 * secondsOf({ workload, clients }, sizing, pace);
    const signal = AbortSignal.any([this.options.signal, timeLimit(Math.max(CASE_LIMIT_MS, TIMES_EXPECTED * expectedMs))]);
    if (this.probed.length > 1) await settle(server, this.options.signal);
    const outcome = await runCase({ workload, clients, server, round, seed, sizing, watches: this.watches === true, signal });
    if (outcome.failed > 0) await sleep(SIGNAL_LAG_MS);
    if (this.options.signal.aborted) return;
    this.outcomes.push(outcome);
    this.options.say(progress(outcome, this.options.rounds));
    if (outcome.failed > 0) await this.#failed(outcome, server);
  }

  async #failed({ round, workload, clients, failed, requests, failure = "" }: Outcome, server: BenchServer): Promise<void> {
    const where = `${workload}, ${counted(clients, "client")}, round ${round + 1}`;
    this.failures.push(`${server.name}: ${where}: ${failed} of ${counted(requests, "request")} failed, the first: ${failure}`);
    if (failed < requests || (await answers(server))) return;
    this.#gone.add(server.name);
    const line = `${server.name}: the server at ${server.target.url} does not answer any more; what was left to do there was not measured`;
    this.failures.push(line);
    this.options.say(line);
  }
}

/**
 * The other server has just used every core, and a server that looks at what is free would begin with one thread for that. So each is
 * asked once, unmeasured, between two quiet moments, as the developers' bench does.
 */
async function settle({ target }: BenchServer, signal: AbortSignal): Promise<void> {
  const messages = [{ role: "user" as const, content: "Good day." }];
  const within = AbortSignal.any([signal, timeLimit(CASE_LIMIT_MS)]);
  await sleep(QUIET_MS);
  await streamChat(target, { messages, tokens: SETTLING_TOKENS, client: 0, signal: within });
  await sleep(QUIET_MS);
}

/** True, or why not. */
function watchable(servers: readonly BenchServer[]): string | true {
  if (process.platform !== "linux") return "only Linux tells it";
  const hidden = servers.find(({ elsewhere, pid }) => !elsewhere && pid === undefined);
  return hidden ? `the process of the server at ${hidden.target.url} cannot be seen` : true;
}

async function answers({ target: { url, key } }: BenchServer): Promise<boolean> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  try {
    const response = await fetch(`${url}/v1/models`, { headers, signal: AbortSignal.timeout(5000) });
    await response.text();
    return true;
  } catch {
    return false; // that is the answer
  }
}

function progress({ round, workload, clients, server, figures, failed, requests, notServed }: Outcome, rounds: number): string {
  const where = `round ${round + 1}/${rounds}  ${workload} ${clients}  ${server}`;
  if (notServed !== undefined) return `${where}: not served, ${notServed}`;
  const told = figures.slice(0, 2).map(({ name, value, unit }) => `${name} ${number(value)} ${unit}`.trimEnd());
  return `${where}: ${[...told, ...(failed > 0 ? [`${failed} of ${requests} failed`] : [])].join(", ")}`;
}

function resultOf(options: BenchOptions, { sizing, work }: Plan, run: Run, measured: Date): BenchResult {
  const { outcomes } = run;
  const others = run.watches === true ? othersOf(outcomes.flatMap(({ watched }) => watched ?? [])) : undefined;
  const unwatched = run.watches === true ? (others ? null : "nothing was measured") : run.watches;
  return {
    format: FORMAT,
    measured: measured.toISOString(),
    took_seconds: Math.round((Date.now() - measured.getTime()) / 100) / 10,
    interrupted: options.signal.aborted,
    shimmy: options.shimmy,
    node: process.version,
    machine: machineInfo(),
    settings: {
      workloads: options.workloads.map(({ name }) => name),
      rounds: options.rounds,
      seed: options.seed,
      share: sizing.share ?? 1,
      tokens: sizing.tokens === undefined ? null : answerTokens(sizing, sizing.tokens),
      round_tokens: work.tokens,
      round_prompt_words: work.promptWords,
    },
    servers: run.servers.map((server) => serverReport(server, options, outcomes)),
    others: others ?? null,
    not_watched: unwatched,
    summary: summarise(outcomes),
    runs: outcomes,
    failures: run.failures,
    notes: notesOf(run, others),
  };
}

function serverReport(
  { name, target, version, elsewhere }: BenchServer,
  { here }: BenchOptions,
  outcomes: readonly Outcome[],
): ServerReport {
  const own = outcomes.filter(({ server }) => server === name);
  return {
    name,
    url: target.url,
    started: name === "this" && here.started,
    version: version ?? null,
    model: target.modelId,
    answered: [...new Set(own.flatMap(({ answered }) => answered))],
    counted: own.some(({ countedPieces }) => countedPieces) ? "pieces of text" : "tokens",
    keeps_length: target.noEnd !== undefined,
    this_machine: !elsewhere,
  };
}

function notesOf({ servers, outcomes }: Run, others: BenchResult["others"] | undefined): string[] {
  // Rounds differ in numbers only: the first that has something to say is told.
  const cases = new Map(
    outcomes
      .filter(({ notes }) => notes.length > 0)
      .reverse()
      .map((each) => [`${each.server} ${each.workload} ${each.clients}`, each] as const),
  );
  const lines = [...cases.values()]
    .reverse()
    .flatMap(({ server, workload, clients, notes }) =>
      notes.map((note) => `${server}: ${workload}, ${counted(clients, "client")}: ${note}`),
    );
  const pieces = servers.filter(({ name }) => outcomes.some((each) => each.server === name && each.countedPieces));
  return [
    ...(others?.quiet === false
      ? [
          `this machine was not quiet: other programs used ${others.cores.toFixed(1)} cores while it was measured, so the figures are too low`,
        ]
      : []),
    ...pieces.map(({ name }) => `${name}: the server tells no usage, so pieces of text are counted instead of tokens`),
    ...servers
      .filter(({ elsewhere }) => elsewhere)
      .map(({ name }) => `${name}: it runs on another machine, and the network is in its times`),
    ...lines,
  ];
}
