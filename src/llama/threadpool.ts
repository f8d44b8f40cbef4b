/**
 * The threads that compute a step, kept from step to step. Without one, ggml starts and joins its threads at every step, and the
 * kernel likes to put a fresh thread on the core of the one that made it: measured, a third of the speed for one client on two
 * cores. Called by context.ts.
 */
import { ShimmyError } from "../contract/errors.ts";
import { library, type ThreadpoolPointer } from "./library.ts";

/** `ggml_threadpool_params` of ggml.h: bool cpumask[512], int n_threads, int prio, uint32 poll, bool strict_cpu, bool paused. */
const LAYOUT = { bytes: 528, threads: 512, priority: 516, poll: 520, strict: 524, paused: 525 } as const;
const DEFAULT_POLL = 50;

/** Contexts of one process compute one after the other, so they share their threads. */
const pools = new Map<number, ThreadpoolPointer>();

export function threadpoolOf(threads: number): ThreadpoolPointer {
  const pool = pools.get(threads) ?? createThreadpool(threads);
  pools.set(threads, pool);
  return pool;
}

function createThreadpool(threads: number): ThreadpoolPointer {
  const lib = library();
  const params = Buffer.alloc(LAYOUT.bytes);
  lib.threadpoolParamsInit(params, threads);
  const asExpected =
    params.readInt32LE(LAYOUT.threads) === threads &&
    params.readInt32LE(LAYOUT.priority) === 0 &&
    params.readUInt32LE(LAYOUT.poll) === DEFAULT_POLL &&
    params.readUInt16LE(LAYOUT.strict) === 0;
  if (!asExpected) throw new ShimmyError("engine_unavailable", { reason: "ggml_threadpool_params has another layout" });
  // No spinning between steps: the gateway wants the core just then, and waking the threads costs less than it loses.
  params.writeUInt32LE(0, LAYOUT.poll);
  const pool = lib.threadpoolNew(params);
  if (!pool) throw new ShimmyError("engine_unavailable", { reason: "ggml could not start its threads" });
  return pool;
}
