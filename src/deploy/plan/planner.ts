/**
 * Replicas, slots, memory, cores and bandwidth for stated traffic, from what was measured. Called by cli/plan.ts. Pure; the formulas are
 * those of capacity.ts and the comments here. More traffic never needs less, nor does a stricter limit: planner.test.ts.
 */
import { latency95, serviceRate } from "./capacity.ts";
import type { Measurement } from "./measurement.ts";
import type { Traffic } from "./traffic.ts";

/** What is known of model and machine without measuring. */
export interface Given {
  readonly kvBytesPerToken: number;
  /** What conversations without a slot may take. */
  readonly storeBytes: number;
  /** The most that a step uses. */
  readonly threads: number;
  readonly availableBytes: number;
}

export interface Plan {
  /** Of one instance. */
  readonly slots: number;
  readonly contextTokens: number;
  /** False: prompt and answer do not fit the context together. */
  readonly contextFits: boolean;
  /** Requests a second at the utilisation limit. */
  readonly capacityPerSecond: number;
  /** One request with no other there, in seconds; and whether that is within the stated limit. */
  readonly aloneSeconds: number;
  readonly reachable: boolean;
  /** Absent: no traffic was stated. */
  readonly replicas?: number;
  /** Share of the capacity of the replicas, and the 95th percentile that is to be expected with them, in seconds. */
  readonly utilisation?: number;
  readonly p95Seconds?: number;
  /** Bytes of one instance. Absent: not measured on this system. */
  readonly memory?: { readonly bytes: number; readonly fits: boolean } & Readonly<Record<MemoryPart, number>>;
  /** Of one instance: the engine's threads, or what was busy if that was more; `measured` false: this system does not tell it. */
  readonly cores: { readonly count: number; readonly measured: boolean };
  /** Bits a second, of all instances. Absent: no traffic was stated. */
  readonly network?: { readonly inBits: number; readonly outBits: number };
}

export type MemoryPart = "baseBytes" | "modelBytes" | "contextBytes" | "storeBytes" | "marginBytes";

/** Of what an instance can answer at most: the rest is for bursts, and for what a short run did not see. */
export const UTILISATION_LIMIT = 0.75;
/** Slots beyond which less than this share of speed is won are not worth their memory. */
const KNEE = 0.98;
/** Of what was measured and counted. */
export const MEMORY_MARGIN = 0.2;
/** What a memory limit is a multiple of. */
const MEMORY_STEP = 64 * 1024 ** 2;
const MOST_REPLICAS = 2 ** 40;

export function planFor(measured: Measurement, given: Given, traffic: Traffic): Plan {
  const rate = serviceRate(measured.waves, traffic);
  // F of many clients has answers in it that are written beside: it must not speak against slots.
  const slowest = Math.min(...measured.waves.map(({ prefillPerSecond }) => prefillPerSecond));
  const decoding = serviceRate(
    measured.waves.map((wave) => ({ ...wave, prefillPerSecond: slowest })),
    traffic,
  );
  const slots = worthwhileSlots(decoding, Math.min(measured.slots, measured.waves.at(-1)!.clients));
  const capacityPerSecond = UTILISATION_LIMIT * rate(slots);
  const { requestsPerSecond, p95Seconds = Number.POSITIVE_INFINITY } = traffic;
  const aloneSeconds = 1 / rate(1);
  const reachable = aloneSeconds <= p95Seconds;
  const memory = memoryOf(measured, given, slots * (traffic.promptTokens + traffic.answerTokens));
  return {
    slots,
    contextTokens: measured.contextTokens,
    contextFits: traffic.promptTokens + traffic.answerTokens <= measured.contextTokens,
    capacityPerSecond,
    aloneSeconds,
    reachable,
    ...(requestsPerSecond !== undefined && {
      ...replicasFor(rate, slots, requestsPerSecond, reachable ? p95Seconds : Number.POSITIVE_INFINITY),
      network: {
        inBits: 8 * requestsPerSecond * traffic.promptTokens * measured.requestBytesPerPromptToken,
        outBits: 8 * requestsPerSecond * traffic.answerTokens * measured.responseBytesPerToken,
      },
    }),
    ...(memory && { memory }),
    cores: coresOf(measured, given),
  };
}

/** The least number of slots with nearly the speed of the most. */
function worthwhileSlots(rate: (atWork: number) => number, most: number): number {
  let slots = 1;
  while (slots < most && rate(slots) < KNEE * rate(most)) slots++;
  return slots;
}

/** The least number with which each stays below the utilisation limit and within the time. Both only get easier with more. */
function replicasFor(rate: (atWork: number) => number, slots: number, arrivals: number, limitSeconds: number) {
  const enough = (replicas: number) => {
    const each = arrivals / replicas;
    return each <= UTILISATION_LIMIT * rate(slots) && latency95(rate, slots, each) <= limitSeconds;
  };
  let high = 1;
  while (!enough(high) && high < MOST_REPLICAS) high *= 2;
  let low = Math.floor(high / 2);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (enough(middle)) high = middle;
    else low = middle;
  }
  const each = arrivals / high;
  return { replicas: high, utilisation: each / rate(slots), p95Seconds: latency95(rate, slots, each) };
}

/** base + model + cells of all slots + store, at least what the run itself took; and a margin, to whole steps. */
function memoryOf({ memory: { baseBytes, loadedBytes, peakBytes = 0 } }: Measurement, given: Given, tokens: number): Plan["memory"] {
  if (baseBytes === undefined || loadedBytes === undefined) return undefined;
  const contextBytes = tokens * given.kvBytesPerToken;
  const counted = loadedBytes + contextBytes + given.storeBytes;
  // What else the run made it use: compute buffers of full batches.
  const modelBytes = loadedBytes + Math.max(0, peakBytes - counted);
  const needed = baseBytes + modelBytes + contextBytes + given.storeBytes;
  const bytes = Math.ceil((needed * (1 + MEMORY_MARGIN)) / MEMORY_STEP) * MEMORY_STEP;
  const fits = bytes <= given.availableBytes;
  return { bytes, fits, baseBytes, modelBytes, contextBytes, storeBytes: given.storeBytes, marginBytes: bytes - needed };
}

/** The engine's threads wait for each other, so each wants a core; a run beside other programs may have seen fewer busy. */
function coresOf({ waves }: Measurement, { threads }: Given): Plan["cores"] {
  const busy = waves.map(({ busyCores }) => busyCores).filter((cores) => cores !== undefined);
  if (busy.length === 0) return { count: threads, measured: false };
  return { count: Math.max(threads, Math.ceil(10 * Math.max(...busy)) / 10), measured: true };
}
