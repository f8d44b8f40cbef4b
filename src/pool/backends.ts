/**
 * Which engines a model is tried with, in order, and which ones are let rest because they failed: a driver that crashes must not do so
 * at every request. Asked by open-engine.ts and residents.ts. It must not know what a failure was about, only that the engine is to blame.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { Degraded, Device, Engine } from "../contract/hardware.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** A way to open a model. */
export interface Candidate {
  /** Absent: not even the package of the processor was found, which the engine process will say. */
  readonly engine?: Engine;
  /** Whether its GPU is to be used. */
  readonly usesGpu: boolean;
  /** There is nothing to fall back on: its failure is the model's. */
  readonly last: boolean;
}

export interface BackendsOptions {
  /** As set: auto, off, a backend, names of devices. */
  readonly gpu: string;
  readonly log: Pick<Logger, "warn">;
  readonly metrics: Pick<Metrics, "backendFailed">;
  readonly find: () => Promise<readonly Engine[]>;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

const FIRST_REST_MS = 60_000;
const LONGEST_REST_MS = 3_600_000;

interface Failure {
  readonly candidate: Candidate;
  readonly reason: string;
  readonly count: number;
  readonly retryAt: number;
}

export class Backends {
  readonly #failures = new Map<string, Failure>();
  readonly #now: () => number;

  constructor(private readonly options: BackendsOptions) {
    this.#now = options.now ?? (() => performance.now());
  }

  /** In order; the last one is always there. @throws device_not_found when a backend was set that is not installed */
  async candidates(): Promise<Candidate[]> {
    return waysOf(await this.options.find(), this.options.gpu).filter((way) => way.last || !this.rests(way));
  }

  /** Whether it failed and is not tried for a while. */
  rests(candidate: Candidate): boolean {
    return this.#now() < (this.#failures.get(keyOf(candidate))?.retryAt ?? 0);
  }

  /** The devices that a model goes to, of those an engine has. @throws device_not_found */
  choose(devices: readonly Device[]): Device[] {
    return chooseDevices(devices, this.options.gpu);
  }

  /** It rests: a minute, then twice as long each time, at most an hour. */
  failed(candidate: Candidate, reason: string): void {
    const key = keyOf(candidate);
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const rest = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(count - 1, 10));
    this.#failures.set(key, { candidate, reason, count, retryAt: this.#now() + rest });
    const { backend = "cpu", name: engine } = candidate.engine ?? {};
    this.options.metrics.backendFailed(backend);
    this.options.log.warn("a backend failed: the next one takes over", { backend, engine, reason, retryAfterSeconds: rest / 1000 });
  }

  /** It answered. */
  succeeded(candidate: Candidate): void {
    if (this.#failures.size > 0) this.#failures.delete(keyOf(candidate));
  }

  degraded(): Degraded[] {
    return [...this.#failures.values()].map(({ candidate: { engine }, reason, retryAt }) => ({
      backend: engine?.backend ?? "cpu",
      engine: engine?.name ?? "none",
      reason,
      retryAfterSeconds: Math.max(0, Math.ceil((retryAt - this.#now()) / 1000)),
    }));
  }
}

function keyOf({ engine, usesGpu }: Candidate): string {
  return `${engine?.folder} ${usesGpu}`;
}

const OFF = ["off", "cpu", "none"];
const AUTO = "auto";
const BACKEND_NAMES = ["cuda", "vulkan", "metal"];
/** How ggml begins the names of a backend's devices. */
const DEVICE_NAMES = [
  [/^cuda\d*$/, "cuda"],
  [/^vulkan\d*$/, "vulkan"],
  [/^(metal|mtl)\d*$/, "metal"],
] as const;

function waysOf(engines: readonly Engine[], gpu: string): Candidate[] {
  const wanted = gpu.toLowerCase();
  const onGpu = OFF.includes(wanted) ? [] : engines.filter(({ backend }) => backend !== "cpu" && mayHold(backend, wanted));
  const named = wanted !== AUTO && !OFF.includes(wanted);
  if (named && onGpu.length === 0) throw new ShimmyError("device_not_found", { name: gpu, available: "none but the processor" });
  // Without a package of the processor's own (macOS) its work is done by the one for the GPU.
  const own = engines.filter(({ backend }) => backend === "cpu");
  const onProcessor: ReadonlyArray<Engine | undefined> = own.length > 0 ? own : [engines.at(-1)];
  const ways = [
    ...onGpu.map((engine) => ({ engine, usesGpu: true })),
    ...onProcessor.map((engine) => ({ ...(engine && { engine }), usesGpu: false })),
  ];
  return ways.map((way, index) => ({ ...way, last: index === ways.length - 1 }));
}

function mayHold(backend: Engine["backend"], wanted: string): boolean {
  const first = wanted.split(",")[0]!.trim();
  const known = DEVICE_NAMES.find(([pattern]) => pattern.test(first));
  return wanted === AUTO || known === undefined || known[1] === backend;
}

/** auto: every real GPU, else one that shares the processor's memory. */
export function chooseDevices(devices: readonly Device[], gpu: string): Device[] {
  const gpus = devices.filter(({ kind }) => kind === "gpu");
  const integrated = devices.filter(({ kind }) => kind === "integrated");
  const wanted = gpu.toLowerCase();
  if (wanted === AUTO || BACKEND_NAMES.includes(wanted)) return gpus.length > 0 ? gpus : integrated.slice(0, 1);
  const names = wanted.split(",").map((name) => name.trim());
  const all = [...gpus, ...integrated];
  const chosen = all.filter(({ name, description }) =>
    names.some(
      (each) => name.toLowerCase() === each || (!DEVICE_NAMES.some(([p]) => p.test(each)) && description.toLowerCase().includes(each)),
    ),
  );
  if (chosen.length > 0 || all.length === 0) return chosen;
  throw new ShimmyError("device_not_found", { name: gpu, available: all.map(({ name, description }) => `${name} (${description})`) });
}
