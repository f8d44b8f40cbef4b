/** How much work fits the time, and how long a run will take, from the pace of the first requests. Pure; called by run.ts. */
import type { Pace } from "./probe.ts";
import { type Case, casesOf, type NamedWorkload } from "./workloads/list.ts";
import type { Sizing, Work } from "./workloads/workload.ts";

export interface Plan {
  readonly cases: readonly Case[];
  readonly sizing: Sizing;
  /** Of all rounds and servers. */
  readonly seconds: number;
  /** False: the smallest share takes longer than a run should. */
  readonly fits: boolean;
  /** A round of one server. */
  readonly work: Work;
}

export interface Asked {
  readonly workloads: readonly NamedWorkload[];
  readonly clients?: readonly number[] | undefined;
  readonly tokens?: number | undefined;
  readonly rounds: number;
}

/** A run of three rounds of one server should take a minute. */
const SECONDS_A_ROUND = 20;
const SHARES = [1, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08] as const;
/** Of a request: the connection, the first step, the end. */
const OVERHEAD_SECONDS = 0.05;

/** The largest share of the workloads' own size that fits; the smallest one where none does. @param contextTokens smallest of the servers */
export function planFor(asked: Asked, paces: readonly Pace[], contextTokens: number | undefined): Plan {
  const tokensAWord = Math.max(...paces.map((pace) => pace.tokensAWord));
  const sized = (share: number): Plan => {
    const cases = casesOf(asked.workloads, asked.clients, share);
    const sizing: Sizing = {
      share,
      ...(contextTokens !== undefined && roomIn(contextTokens, tokensAWord)),
      ...(asked.tokens !== undefined && { tokens: asked.tokens }),
    };
    const round = paces.reduce((sum, pace) => sum + cases.reduce((all, each) => all + secondsOf(each, sizing, pace), 0), 0);
    const seconds = round * asked.rounds;
    return { cases, sizing, seconds, fits: seconds <= SECONDS_A_ROUND * asked.rounds * paces.length, work: workOf(cases, sizing) };
  };
  const plans = SHARES.map(sized);
  return plans.find(({ fits }) => fits) ?? plans.at(-1)!;
}

/** Half for prompts, a quarter for answers; the rest for what a chat template adds and for words longer than those that were counted. */
function roomIn(contextTokens: number, tokensAWord: number): Sizing {
  return { longestPrompt: Math.floor(contextTokens / 2 / tokensAWord), longestAnswer: Math.floor(contextTokens / 4) };
}

function workOf(cases: readonly Case[], sizing: Sizing): Work {
  const all = cases.map(({ workload, clients }) => workload.work(sizing, clients));
  const sum = (key: keyof Work) => all.reduce((total, work) => total + work[key], 0);
  return { promptWords: sum("promptWords"), tokens: sum("tokens") };
}

/** Of one case on one server. */
export function secondsOf({ workload, clients }: Case, sizing: Sizing, pace: Pace): number {
  const { promptWords, tokens } = workload.work(sizing, clients);
  return OVERHEAD_SECONDS + promptWords / pace.promptWords + tokens / tokensPerSecond(pace, clients);
}

/** What four gain over one goes on to eight, in the same measure, and no further: slots and arithmetic units are finite. */
function tokensPerSecond({ alone, four }: Pace, clients: number): number {
  const doublings = Math.log2(Math.min(8, clients));
  return alone * (four / alone) ** (doublings / 2);
}
