/**
 * The pulls of one process: pulls of the same model are one, each caller reads its events at its own pace. Made by assemble.ts when the
 * first pull is asked for; used by `POST /api/pull` and `shimmy pull`.
 */
import type { Config } from "../config/table.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { PullEvent, Puller } from "../contract/pull.ts";
import { availableMemory } from "../models/machine.ts";
import { HttpClient } from "./http.ts";
import type { Environment } from "./proxy.ts";
import { type PullOptions, pullModel } from "./pull.ts";
import { canonical, type HubReference, parseReference } from "./reference.ts";
import { endpointOf, tokenOf } from "./settings.ts";

export interface HubPullerOptions {
  readonly config: Pick<Config, "offline" | "hubEndpoint" | "hubToken" | "pullConnections">;
  /** The pull folder. */
  readonly root: string;
  readonly userAgent: string;
  readonly env?: Environment;
  /** A model lies there now. @returns its id, if the catalogue lists it. */
  readonly onPulled?: (firstFile: string) => Promise<string | undefined>;
  /** For tests. */
  readonly tuning?: Partial<Pick<PullOptions, "segmentBytes" | "availableMemory" | "freeDisk" | "retryPauseMs">>;
}

export class HubPuller implements Puller {
  readonly online: boolean;
  readonly #running = new Map<string, Run>();

  constructor(private readonly options: HubPullerOptions) {
    this.online = !options.config.offline;
  }

  async *pull(model: string, signal: AbortSignal): AsyncGenerator<PullEvent, void, undefined> {
    if (!this.online) throw new ShimmyError("offline");
    const reference = parseReference(model, [endpointOf(this.options.config).host]);
    const key = canonical(reference);
    let run = this.#running.get(key);
    if (!run) {
      const started = new Run((stop, tell) => this.#run(reference, stop, tell));
      run = started;
      this.#running.set(key, started);
      // A run that was given up is not joined: the next caller starts anew and waits for the lock of this one.
      const forget = () => this.#running.get(key) === started && this.#running.delete(key);
      started.stopped.addEventListener("abort", forget, { once: true });
      started.over.then(forget, forget);
    }
    yield* run.read(signal);
  }

  async close(): Promise<void> {
    const runs = [...this.#running.values()];
    for (const run of runs) run.stop(new ShimmyError("shutting_down"));
    await Promise.allSettled(runs.map(({ over }) => over));
  }

  async #run(reference: HubReference, signal: AbortSignal, tell: (event: PullEvent) => void): Promise<void> {
    const { config, root, userAgent, env = process.env, onPulled, tuning } = this.options;
    const endpoint = endpointOf(config);
    const token = await tokenOf(config, env);
    const http = new HttpClient({ endpoint, userAgent, env, ...(token !== undefined && { token }) });
    try {
      const common = { http, endpoint, hasToken: token !== undefined, root, connections: config.pullConnections, availableMemory };
      const path = await pullModel(reference, { ...common, ...tuning, signal, onEvent: tell });
      const id = await onPulled?.(path);
      tell({ status: "success", ...(id !== undefined && { model: id }) });
    } catch (error) {
      throw ofTheDisk(error);
    } finally {
      http.close();
    }
  }
}

/** Beyond this a reader who does not read loses the oldest. */
const MAX_UNREAD = 100;

/** One pull and those who watch it. */
class Run {
  readonly over: Promise<void>;
  readonly #stop = new AbortController();
  readonly #readers = new Set<Reader>();
  /** The last event that is not progress, and the last that is: what a late reader begins with. */
  #said: PullEvent | undefined;
  #progress: PullEvent | undefined;
  #reason: ShimmyError | undefined;
  #ended: { readonly error?: unknown } | undefined;

  constructor(work: (stop: AbortSignal, tell: (event: PullEvent) => void) => Promise<void>) {
    this.over = work(this.#stop.signal, (event) => this.#tell(event));
    this.over.then(
      () => this.#end(),
      (error) => this.#end(this.#reason ?? error),
    );
  }

  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /** @param reason what its readers are told; absent: nobody is there to be told. */
  stop(reason?: ShimmyError): void {
    this.#reason ??= reason;
    this.#stop.abort();
  }

  async *read(signal: AbortSignal): AsyncGenerator<PullEvent, void, undefined> {
    const reader = new Reader([this.#said, this.#progress].filter((event) => event !== undefined));
    const leave = () => reader.end(new ShimmyError("client_closed"));
    this.#readers.add(reader);
    signal.addEventListener("abort", leave, { once: true });
    try {
      if (signal.aborted) leave();
      if (this.#ended) reader.end(this.#ended.error);
      yield* reader.events();
    } finally {
      signal.removeEventListener("abort", leave);
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.stop();
      // Whoever ends a pull may end the process next: what was fetched must be on the disk by then.
      if (this.#readers.size === 0) await this.over.catch(() => undefined);
    }
  }

  #tell(event: PullEvent): void {
    if (isProgress(event)) this.#progress = event;
    else {
      this.#said = event;
      this.#progress = undefined;
    }
    for (const reader of this.#readers) reader.push(event);
  }

  #end(error?: unknown): void {
    this.#ended = { error };
    for (const reader of this.#readers) reader.end(error);
  }
}

class Reader {
  #error: unknown;
  #over = false;
  #wake: (() => void) | undefined;

  constructor(private readonly unread: PullEvent[]) {}

  push(event: PullEvent): void {
    const last = this.unread.at(-1);
    // Who reads slowly is told where it is now, not where it was.
    if (last && isProgress(last) && isProgress(event) && last.status === event.status) this.unread.pop();
    this.unread.push(event);
    if (this.unread.length > MAX_UNREAD) this.unread.shift();
    this.#wake?.();
  }

  end(error?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#wake?.();
  }

  async *events(): AsyncGenerator<PullEvent, void, undefined> {
    for (;;) {
      for (let event = this.unread.shift(); event; event = this.unread.shift()) yield event;
      if (this.#over) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#error !== undefined) throw this.#error;
  }
}

/** What the system says of the pull folder, as an error of the catalogue that names no path. */
function ofTheDisk(error: unknown): unknown {
  if (error instanceof ShimmyError || !(error instanceof Error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return new ShimmyError("disk_full", { needed: "more", free: "nothing" }, { cause: error });
  if (code === undefined || syscall === undefined) return error;
  return new ShimmyError("pull_folder_unusable", { reason: `${code} (${syscall})` }, { cause: error });
}

function isProgress({ completed }: PullEvent): boolean {
  return completed !== undefined;
}
