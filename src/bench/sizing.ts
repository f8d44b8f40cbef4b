/** How much work fits the time, and how long a run will take, from the pace of the first requests. Pure; called by run.ts. */
import type { Pace } from "./probe.ts";
import { type Case, casesOf, type NamedWorkload } from "./workloads/list.ts";
import type { Sizing } from "./workloads/workload.ts";

export interface Plan {
  readonly cases: readonly Case[];
  readonly sizing: Sizing;
  /** Of all rounds and servers. */
  readonly seconds: number;
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
    // Half of the context stays for what a chat template adds, for the answer, and for words longer than those that were counted.
    const longestPrompt = contextTokens === undefined ? {} : { longestPrompt: Math.floor(contextTokens / 2 / tokensAWord) };
    const sizing: Sizing = { share, ...longestPrompt, ...(asked.tokens !== undefined && { tokens: asked.tokens }) };
    const round = paces.reduce((sum, pace) => sum + cases.reduce((all, each) => all + secondsOf(each, sizing, pace), 0), 0);
    return { cases, sizing, seconds: round * asked.rounds };
  };
  const plans = SHARES.map(sized);
  const fits = ({ seconds }: Plan) => seconds <= SECONDS_A_ROUND * asked.rounds * paces.length;
  return plans.find(fits) ?? plans.at(-1)!;
}

function secondsOf({ workload, clients }: Case, sizing: Sizing, pace: Pace): number {
  const { promptWords, tokens } = workload.work(sizing, clients);
  return OVERHEAD_SECONDS + promptWords / pace.promptWords + tokens / tokensPerSecond(pace, clients);
}

/** What four gain over one goes on to eight, in the same measure, and no further: slots and arithmetic units are finite. */
function tokensPerSecond({ alone, four }: Pace, clients: number): number {
  const doublings = Math.log2(Math.min(8, clients));
  return alone * (four / alone) ** (doublings / 2);
}
