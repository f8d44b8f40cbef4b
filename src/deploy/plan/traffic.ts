/** What an application asks of a server, as typed and as numbers. Called by cli/plan.ts and cli/init.ts. Pure. */
import { ShimmyError } from "../../contract/errors.ts";

export interface Traffic {
  readonly promptTokens: number;
  readonly answerTokens: number;
  /** Requests a second; absent: not stated. */
  readonly requestsPerSecond?: number;
  /** Within which 95 of 100 requests must be answered whole, in seconds; absent: not stated. */
  readonly p95Seconds?: number;
  /** Which token counts are the defaults, since nobody stated them. */
  readonly assumed: ReadonlyArray<"promptTokens" | "answerTokens">;
}

/** Flags as typed. */
export interface TrafficFlags {
  readonly rps?: string;
  readonly p95?: string;
  readonly promptTokens?: string;
  readonly answerTokens?: string;
}

/** A question and an answer of a few paragraphs. */
export const USUAL_TOKENS = { promptTokens: 256, answerTokens: 128 } as const;

const SECONDS: Readonly<Record<string, number>> = { s: 1, sec: 1, second: 1, m: 60, min: 60, minute: 60, h: 3600, hour: 3600 };
const MOST_TOKENS = 16_777_216;

/** @throws invalid_value, naming the flag */
export function trafficOf(flags: TrafficFlags): Traffic {
  const assumed = (["promptTokens", "answerTokens"] as const).filter((name) => flags[name] === undefined);
  return {
    promptTokens: tokens("--prompt-tokens", flags.promptTokens) ?? USUAL_TOKENS.promptTokens,
    answerTokens: tokens("--answer-tokens", flags.answerTokens) ?? USUAL_TOKENS.answerTokens,
    ...(flags.rps !== undefined && { requestsPerSecond: requestsPerSecond(flags.rps) }),
    ...(flags.p95 !== undefined && { p95Seconds: seconds(flags.p95) }),
    assumed,
  };
}

/** "5", "5/s", "300/min", "10000/hour". */
function requestsPerSecond(text: string): number {
  const [, digits, unit = "s"] = /^(\d+(?:\.\d+)?)\s*(?:\/\s*([a-z]+?)s?)?$/i.exec(text.trim().replace(/\/s$/i, "")) ?? [];
  const value = Number(digits) / (SECONDS[unit.toLowerCase()] ?? Number.NaN);
  if (!(value > 0 && value <= 1e6)) refuse("--rps", "it must be requests a second, such as 2, 0.5, 120/min or 5000/hour");
  return value;
}

/** "5s", "800ms", "1.5" (seconds). */
function seconds(text: string): number {
  const [, digits, unit = "s"] = /^(\d+(?:\.\d+)?)\s*(ms|s|m)?$/i.exec(text.trim()) ?? [];
  const value = Number(digits) * { ms: 0.001, s: 1, m: 60 }[unit.toLowerCase() as "ms" | "s" | "m"];
  if (!(value > 0 && value <= 86_400)) refuse("--p95", "it must be a time, such as 5s or 800ms");
  return value;
}

function tokens(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text.trim()) ? Number(text) : 0;
  if (!(value >= 1 && value <= MOST_TOKENS)) refuse(flag, `it must be a whole number from 1 to ${MOST_TOKENS}`);
  return value;
}

function refuse(param: string, reason: string): never {
  throw new ShimmyError("invalid_value", { param, reason });
}
