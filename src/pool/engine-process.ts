/**
 * One engine child from fork to exit, as an object: what it is told and what it answers is engine/ipc.ts.
 * Owned by pool.ts. When the child ends, for whatever reason, every request in it fails with the reason and nothing else does.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent } from "../contract/generation.ts";
import type { Engine } from "../contract/hardware.ts";
import {
  type Answer,
  type AnswerMessage,
  BUILD,
  type EngineDevices,
  type EngineLoading,
  type EngineOptions,
  type EngineReady,
  type EngineState,
  type FromEngine,
  type GenerateMessage,
  type Question,
  type SlotsQuestion,
  type ToEngine,
} from "../engine/ipc.ts";
import { EventQueue } from "./event-queue.ts";
import { lastWords, withoutFolders } from "./last-words.ts";
import { isPackageReplaced } from "./package.ts";

/** The bundle of engine/main.ts, which the build puts beside this code's bundle. */
export const ENGINE_ENTRY = fileURLToPath(new URL("./engine.js", import.meta.url));

/** How long a driver may take to show its devices; the first start after an installation compiles for some of them. */
const DEVICES_LIMIT_MS = 30_000;

/** How much of what the child wrote to stderr is kept to explain its end. */
const STDERR_KEPT = 4096;

interface Request {
  readonly queue: EventQueue<GenerationEvent>;
  readonly priority: number;
  unfinished: number;
  /** The engine has nothing to do for it any more, though its events may not have been read. */
  readonly onDone: () => void;
}

interface Asked {
  /** False: a look at the engine, which counts for nothing. */
  readonly isWork: boolean;
  readonly priority: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ShimmyError) => void;
  readonly onDone: () => void;
}

export class EngineProcess {
  readonly #model: string;
  readonly #ready: Promise<EngineReady>;
  /** Resolves when the process is gone and its memory given back. */
  readonly exited: Promise<void>;
  waiting = 0;
  running = 0;
  /** What the engine told last; absent before it is ready. */
  state: EngineState | undefined;
  /** When it told that, on the clock of `performance`. */
  stateAt = 0;
  readonly #child: ChildProcess;
  /** Whether it has given anybody a token. */
  answered = false;
  /** How it ended; absent while it lives. */
  ended: string | undefined;
  /** What it holds for vectors, in bytes. */
  embeddingBytes = 0;
  readonly #requests = new Map<number, Request>();
  readonly #asked = new Map<number, Asked>();
  #nextId = 0;
  /** It has said which build it is of, and that is ours. */
  #known = false;
  #stderr = "";
  /** It ended, and nobody had told it to. */
  crashed = false;
  #toldToEnd = false;
  #gone: ShimmyError | undefined;
  #path = "";
  #endedBy: string | undefined;
  #onDevices: ((devices: EngineDevices) => void) | undefined;
  #onLoading: ((loading: EngineLoading) => void) | undefined;
  #settleReady!: { resolve: (ready: EngineReady) => void; reject: (error: ShimmyError) => void };

  /**
   * Starts the process; it opens its library while the caller still finds out what to load. `model`: its id, for messages.
   * `engine`: whose library it opens; absent: that of the platform package.
   */
  constructor(model: string, entry = ENGINE_ENTRY, engine?: Engine) {
    this.#model = model;
    this.#child = fork(entry, [String(process.pid), ...(engine ? foldersOf(engine) : [])], {
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // Without it an assert in ggml starts a debugger to print a stack, which takes seconds.
      env: { ...process.env, GGML_NO_BACKTRACE: "1" },
    });
    this.#ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.#ready.catch(() => undefined); // whoever waits hears of it; nobody may be waiting
    this.exited = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        this.#end(signal ? `killed by ${signal}` : `exit code ${code}`);
        resolve();
      });
      this.#child.once("error", (error: NodeJS.ErrnoException) => {
        this.#end(error.syscall?.startsWith("spawn") ? `its process could not be started (${error.code})` : error.message);
        if (this.#child.pid === undefined) resolve(); // what never ran has no "close"
      });
    });
    this.#child.on("message", (message: FromEngine) => this.#receive(message));
    // Absent where the process could not even have pipes: too many open files.
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
  }

  /** Once. @throws what the engine says, or model_load_failed when the process ends instead. */
  load(options: EngineOptions, onLoading?: (loading: EngineLoading) => void): Promise<EngineReady> {
    this.#path = options.path;
    this.#onLoading = onLoading;
    this.#send({ type: "load", options });
    return this.#ready;
  }

  /** What it can compute on. Before `load`. @throws engine_unavailable when it fails, ends or does not answer in time. */
  async devices(limitMs = DEVICES_LIMIT_MS): Promise<EngineDevices> {
    const told = new Promise<EngineDevices>((resolve) => {
      this.#onDevices = resolve;
    });
    this.#send({ type: "devices" });
    const late = new ShimmyError("engine_unavailable", { reason: `it told no devices within ${limitMs / 1000} s` });
    const timer = setTimeout(() => this.#settleReady.reject(late), limitMs);
    try {
      // Not ready before it was told to load: that promise can only fail.
      return await Promise.race([told, this.#ready.then(() => told)]);
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it can no longer take requests. */
  get gone(): boolean {
    return this.#gone !== undefined;
  }

  /** Choices of this priority and of more urgent ones that are not finished, those that wait in the engine included. */
  unfinished(priority = Number.POSITIVE_INFINITY): number {
    let n = 0;
    for (const request of this.#requests.values()) if (request.priority <= priority) n += request.unfinished;
    return n;
  }

  /**
   * The events of one request, in order. Call after `load`. `onDone`: the engine has finished with it, which may be long before the
   * last event is read.
   * @throws engine_gone when the process ends; client_closed when the signal is aborted.
   */
  async *generate(
    message: Omit<GenerateMessage, "type" | "id">,
    signal: AbortSignal,
    onDone: () => void = () => undefined,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    if (this.#gone) throw this.#gone;
    if (signal.aborted) throw new ShimmyError("client_closed");
    const id = this.#nextId++;
    const queue = new EventQueue<GenerationEvent>();
    // At once, not when the reader asks for more: a reader that has stopped reading never does.
    const abandon = () => {
      queue.fail(new ShimmyError("client_closed"));
      this.#abort(id);
    };
    signal.addEventListener("abort", abandon, { once: true });
    this.#requests.set(id, { queue, priority: message.priority ?? 0, unfinished: message.choices, onDone });
    this.#send({ type: "generate", id, ...message });
    try {
      yield* queue;
    } finally {
      signal.removeEventListener("abort", abandon);
      this.#abort(id);
    }
  }

  /** Questions of this priority and of more urgent ones that are not answered. */
  asked(priority = Number.POSITIVE_INFINITY): number {
    let n = 0;
    for (const asked of this.#asked.values()) if (asked.isWork && asked.priority <= priority) n++;
    return n;
  }

  /**
   * Something beside generation. Call after `load`. `onDone`: the engine has finished with it.
   * @throws engine_gone when the process ends; client_closed when the signal is aborted; what the engine says.
   */
  async ask(question: Question | SlotsQuestion, signal: AbortSignal, onDone: () => void = () => undefined): Promise<Answer> {
    if (this.#gone) throw this.#gone;
    if (signal.aborted) throw new ShimmyError("client_closed");
    const id = this.#nextId++;
    const priority = "priority" in question ? (question.priority ?? 0) : 0;
    const answered = new Promise<Answer>((resolve, reject) =>
      this.#asked.set(id, { isWork: question.kind !== "slots", priority, resolve, reject, onDone }),
    );
    const abandon = () => {
      this.#takeAsked(id)?.reject(new ShimmyError("client_closed"));
      this.#send({ type: "abort", id });
    };
    signal.addEventListener("abort", abandon, { once: true });
    this.#send({ type: "ask", id, question });
    try {
      return await answered;
    } finally {
      signal.removeEventListener("abort", abandon);
    }
  }

  /** Ends the process: at once, or after it had `graceMs` to write what should outlive it. `why` is told to its requests. */
  async stop(graceMs = 0, why?: string): Promise<void> {
    this.#toldToEnd = true;
    this.#endedBy ??= why;
    if (graceMs > 0) this.#send({ type: "end" });
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  /** Unlisted: it has ended already. */
  #abort(id: number): void {
    if (this.#take(id)) this.#send({ type: "abort", id });
  }

  #take(id: number): Request | undefined {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    request?.onDone();
    return request;
  }

  #takeAsked(id: number): Asked | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    asked?.onDone();
    return asked;
  }

  #send(message: ToEngine): void {
    if (this.#child.connected) this.#child.send(message, () => undefined); // a failure to send shows as the child's end
  }

  #receive(message: FromEngine): void {
    if (this.#gone) return;
    if (!this.#known && !isOurs(message)) {
      this.#refuse();
      return;
    }
    this.#known = true;
    if (message.type === "hello") return;
    if (message.type === "ready") {
      this.#heard(message.state);
      this.#settleReady.resolve(message);
    } else if (message.type === "failed") this.#settleReady.reject(new ShimmyError(message.code, this.#told(message.details)));
    else if (message.type === "devices") this.#onDevices?.(this.#told(message));
    else if (message.type === "answer") this.#settle(message);
    else if (message.type === "embedding") this.embeddingBytes = message.bytes;
    else if (message.type === "loading") this.#onLoading?.({ phase: message.phase, fraction: message.fraction });
    else {
      this.waiting = message.waiting;
      this.running = message.running;
      if (message.state) this.#heard(message.state);
      for (const item of message.events) {
        if ("error" in item) this.#fail(item.id, new ShimmyError(item.error.code, item.error.details));
        else this.#deliver(item.id, item.event);
      }
    }
  }

  /** Of another build than this code: nothing it says can be trusted to mean what it meant here. */
  #refuse(): void {
    this.#gone = new ShimmyError("package_replaced");
    this.#settleReady.reject(this.#gone);
    this.#child.kill("SIGKILL");
  }

  #heard(state: EngineState): void {
    this.state = state;
    this.stateAt = performance.now();
  }

  #settle(message: AnswerMessage): void {
    const asked = this.#takeAsked(message.id);
    if ("error" in message) asked?.reject(new ShimmyError(message.error.code, message.error.details));
    else asked?.resolve(message.answer);
    if (asked?.isWork !== false) this.answered = true;
  }

  #deliver(id: number, event: GenerationEvent): void {
    const request = this.#requests.get(id);
    if (!request) return; // aborted; the engine had not heard of it yet
    request.queue.push(event);
    this.answered ||= event.type === "text" || event.type === "finished";
    if (event.type !== "finished" || --request.unfinished > 0) return;
    request.queue.end();
    this.#take(id);
  }

  #fail(id: number, error: ShimmyError): void {
    this.#requests.get(id)?.queue.fail(error);
    this.#take(id);
  }

  /** What a loader says goes over HTTP: `reason` and `missing` without folders of this machine. */
  #told<T extends object>(said: T): T {
    const texts = Object.entries(said).filter(([key, value]) => ["reason", "missing"].includes(key) && typeof value === "string");
    return { ...said, ...Object.fromEntries(texts.map(([key, value]) => [key, withoutFolders(value as string, this.#path)])) };
  }

  #end(how: string): void {
    if (this.#gone) return;
    this.crashed = !this.#toldToEnd;
    const model = this.#model;
    const said = lastWords(this.#stderr, this.#path);
    const reason = this.#endedBy ?? (said ? `${how}: ${said}` : how);
    this.ended = said ? `${how}: ${said}` : how;
    this.#gone = new ShimmyError("engine_gone", { model, reason });
    const isOther = !this.#known && isPackageReplaced();
    this.#settleReady.reject(isOther ? new ShimmyError("package_replaced") : new ShimmyError("model_load_failed", { model, reason }));
    for (const id of this.#requests.keys()) this.#fail(id, this.#gone);
    for (const id of this.#asked.keys()) this.#takeAsked(id)?.reject(this.#gone);
    this.embeddingBytes = 0;
    this.waiting = 0;
    this.running = 0;
  }
}

/** Code that runs from its sources has no build to compare. */
function isOurs(message: FromEngine): boolean {
  return BUILD === undefined || (message.type === "hello" && message.build === BUILD);
}

/** Arguments of engine/main.ts behind the first. */
function foldersOf({ folder, fallbackFolder }: Engine): string[] {
  return fallbackFolder === undefined ? [folder] : [folder, fallbackFolder];
}
