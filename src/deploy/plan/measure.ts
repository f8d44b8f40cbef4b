/**
 * The short run that a plan stands on: a server of its own is started, the model loaded, and 1, 4 and 8 clients ask it. Called by
 * cli/plan.ts. Everything is seen from outside, over HTTP, as an application would; the clients use the same processors, so the figures
 * are rather too low than too high.
 *
 *     start → empty? → load → a short question → twice 1, 4, 8 clients: prompts all at once, then answers for a second → end
 */
import { encodedPath } from "../../contract/encoded-path.ts";
import { timeLimit } from "../../contract/time-limit.ts";
import { bareServerBytes, type CommandLine, startServer } from "../own-server.ts";
import { cpuSeconds, pythonsBelow, residentBytes } from "../processes.ts";
import { type Answered, askStreamed, notMeasured, type Server } from "./client.ts";
import type { Measurement, Wave } from "./measurement.ts";
import type { Traffic } from "./traffic.ts";

export interface MeasureOptions {
  readonly commandLine: CommandLine;
  /** Of `serve`. */
  readonly flags: readonly string[];
  readonly model: string;
  readonly key?: string | undefined;
  readonly traffic: Traffic;
  /** For people: what it does now. */
  readonly onStep: (what: string) => void;
}

export type Measured = Measurement & { readonly python?: boolean };

const CLIENTS = [1, 4, 8] as const;
/** Each number of clients is measured so often, all of them in turn: a machine that others share is half as fast a minute later. */
const TIMES = 2;
const FIRST = { words: 48, maxTokens: 16 };
/** The prompts of a number of clients should take no longer together. */
const PROMPTS_SECONDS = 3;
const LEAST_PROMPT_TOKENS = 16;
/** Answers are counted for so long, and until each client has a few tokens, but not longer than the last. */
const COUNTED_MS = 1000;
const LEAST_TOKENS_EACH = 8;
const COUNTED_AT_MOST_MS = 6000;
/** A model that has not answered by then is nothing to plan with. */
const WAVE_LIMIT_MS = 90_000;
/** Answers are asked for so long at least: the prompts of many short ones would be counted with their tokens. */
const LONG_ANSWER = 256;
/** What a wave's prompts took is at least this share of the time until all were read. */
const LEAST_SHARE = 0.2;

/** @throws not_measured, with what went wrong; no process is left then. */
export async function measure({ commandLine, flags, model, key, traffic, onStep }: MeasureOptions): Promise<Measured> {
  const began = performance.now();
  onStep("starting a server to measure");
  const failed = (error: Error) => Promise.reject(notMeasured(error.message));
  const bareBytes = await bareServerBytes(commandLine).catch(failed);
  const own = await startServer(commandLine, flags).catch(failed);
  try {
    const { idleBytes } = own;
    const baseBytes = residentBytes(own.pid);
    const server = { url: own.url, model, key };
    onStep(`loading ${model}`);
    await checkDoors(server);
    const loaded = await load(server);
    const loadedBytes = residentBytes(loaded.pid);
    const first = await askStreamed(server, { ...FIRST, counts: false, signal: AbortSignal.timeout(WAVE_LIMIT_MS) });
    if (first.completionTokens === 0) throw notMeasured("the model answered nothing");
    const waves = await measureWaves(server, [own.pid, loaded.pid], first, { traffic, onStep, context: loaded.context });
    const peakBytes = residentBytes(loaded.pid);
    const pythons = pythonsBelow(own.pid);
    return {
      startMs: own.startMs,
      loadMs: loaded.ms,
      memory: {
        ...(baseBytes !== undefined && { baseBytes }),
        ...(idleBytes !== undefined && bareBytes !== undefined && { aboveNodeBytes: Math.max(0, idleBytes - bareBytes) }),
        ...(loadedBytes !== undefined && { loadedBytes }),
        ...(peakBytes !== undefined && { peakBytes }),
      },
      waves,
      requestBytesPerPromptToken: first.requestBytes / first.promptTokens,
      responseBytesPerToken: first.responseBytes / first.completionTokens,
      slots: loaded.slots,
      contextTokens: loaded.context,
      ...(pythons && { python: pythons.length > 0 }),
      tookMs: performance.now() - began,
    };
  } finally {
    await own.stop();
  }
}

/** What the post-deployment list asks for: it answers as healthy, and tells of the model. */
async function checkDoors({ url, model, key }: Server): Promise<void> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const health = await fetch(`${url}/health`, { headers });
  // 503 while models of `preload` are still loaded.
  if (!health.ok && health.status !== 503) throw notMeasured(`/health answered ${health.status}`);
  const { data = [] } = (await (await fetch(`${url}/v1/models`, { headers })).json()) as { data?: ReadonlyArray<{ id?: string }> };
  if (!data.some(({ id }) => id === model)) throw notMeasured(`/v1/models does not list ${model}`);
}

async function load({ url, model, key }: Server): Promise<{ ms: number; pid: number; slots: number; context: number }> {
  const began = performance.now();
  const path = `${url}/api/models/${encodedPath(model)}/load`;
  const response = await fetch(path, { method: "POST", headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
  if (!response.ok) throw notMeasured(`status ${response.status} on loading: ${(await response.text()).slice(0, 300)}`);
  const status = (await response.json()) as { pid?: number; slots?: number; context_length?: number };
  const { pid, slots, context_length: context } = status;
  if (pid === undefined || slots === undefined || context === undefined) throw notMeasured("the loaded model is gone again");
  return { ms: performance.now() - began, pid, slots, context };
}

interface Around {
  readonly traffic: Traffic;
  readonly context: number;
  readonly onStep: (what: string) => void;
}

async function measureWaves(server: Server, pids: readonly number[], first: Answered, around: Around): Promise<Wave[]> {
  const { traffic, context, onStep } = around;
  // Tokens of the chat template count as words: short prompts come out a little longer than wanted.
  const tokensAWord = first.promptTokens / FIRST.words;
  const seenPerSecond = first.promptTokens / (first.ttftMs / 1000);
  const waves = new Map<number, Wave[]>();
  for (const clients of Array.from({ length: TIMES }, () => CLIENTS).flat()) {
    onStep(`${clients} ${clients === 1 ? "client asks" : "clients ask"}`);
    const affordable = Math.min(traffic.promptTokens, (PROMPTS_SECONDS * seenPerSecond) / clients, context / 2);
    const words = Math.ceil(Math.max(LEAST_PROMPT_TOKENS, affordable) / tokensAWord);
    const maxTokens = Math.min(Math.max(traffic.answerTokens, LONG_ANSWER), Math.floor(context / 2));
    waves.set(clients, [...(waves.get(clients) ?? []), await measureWave(server, pids, { clients, words, maxTokens })]);
  }
  return [...waves.values()].map(meanOf);
}

function meanOf(waves: readonly Wave[]): Wave {
  const mean = (of: (wave: Wave) => number) => waves.reduce((sum, wave) => sum + of(wave), 0) / waves.length;
  return {
    ...waves[0]!,
    ttftMs: mean(({ ttftMs }) => ttftMs),
    prefillPerSecond: mean(({ prefillPerSecond }) => prefillPerSecond),
    decodePerSecond: mean(({ decodePerSecond }) => decodePerSecond),
    ...(waves[0]!.busyCores !== undefined && { busyCores: Math.max(...waves.map(({ busyCores = 0 }) => busyCores)) }),
  };
}

interface WaveShape {
  readonly clients: number;
  readonly words: number;
  readonly maxTokens: number;
}

/** Each client asks again where its answer ended, shortly, until the counting is over. */
async function measureWave(server: Server, pids: readonly number[], { clients, words, maxTokens }: WaveShape): Promise<Wave> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, timeLimit(WAVE_LIMIT_MS)]);
  const counter = new Counter(clients, pids, over);
  const began = performance.now();
  const client = async (index: number): Promise<Answered> => {
    const firstAnswer = await askStreamed(server, { words, maxTokens, counts: true, signal, onTokens: counter.of(index) });
    // Short, so that prompts weigh little in what is counted.
    while (!signal.aborted) await askStreamed(server, { words: 4, maxTokens, counts: true, signal, onTokens: counter.of(index) });
    return firstAnswer;
  };
  let answers: Answered[];
  try {
    answers = await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  } finally {
    over.abort();
    counter.stop();
  }
  const { promptTokens } = answers[0]!;
  const ttfts = answers.map(({ ttftMs }) => ttftMs).sort((a, b) => a - b);
  if (!over.signal.aborted || counter.startedMs === undefined || ttfts[0] === 0)
    throw notMeasured(`${clients} clients had no answer in ${WAVE_LIMIT_MS / 1000} s`);
  const prompts = answers.reduce((sum, answer) => sum + answer.promptTokens, 0);
  const rates = counter.rates();
  // Those that were read first were answered meanwhile; the first token of each comes with its prompt.
  const seconds = (counter.startedMs - began) / 1000;
  const answered = Math.max(0, counter.early - clients) / rates.decodePerSecond;
  return {
    clients,
    promptTokens,
    ttftMs: ttfts[Math.floor(ttfts.length / 2)]!,
    prefillPerSecond: prompts / Math.max(seconds - answered, LEAST_SHARE * seconds),
    ...rates,
  };
}

/** Counts tokens from the moment when every client has one. */
class Counter {
  startedMs: number | undefined;
  /** Tokens that came before every client had one, with those. */
  early = 0;
  readonly #tokens: number[];
  readonly #pids: readonly number[];
  readonly #over: AbortController;
  #busyBefore: number | undefined;
  #ended: { readonly ms: number; readonly busy: number | undefined } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(clients: number, pids: readonly number[], over: AbortController) {
    this.#tokens = Array.from({ length: clients }, () => -1);
    this.#pids = pids;
    this.#over = over;
  }

  /** For one answer of a client. */
  of(client: number): (completionTokens: number) => void {
    let before = 0;
    return (completionTokens) => {
      const gained = completionTokens - before;
      before = completionTokens;
      if (this.startedMs !== undefined) this.#tokens[client]! += gained;
      else {
        this.early += gained;
        this.#first(client);
      }
    };
  }

  #first(client: number): void {
    this.#tokens[client] = 0;
    if (this.#tokens.includes(-1)) return;
    this.startedMs = performance.now();
    this.#busyBefore = cpuSeconds(this.#pids);
    this.#timer = setInterval(() => this.#look(), 50);
  }

  #look(): void {
    const ms = performance.now() - this.startedMs!;
    if (ms < COUNTED_MS || (ms < COUNTED_AT_MOST_MS && Math.min(...this.#tokens) < LEAST_TOKENS_EACH)) return;
    this.#ended = { ms, busy: cpuSeconds(this.#pids) };
    this.stop();
    this.#over.abort();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** @throws not_measured where nothing was answered meanwhile */
  rates(): Pick<Wave, "decodePerSecond" | "busyCores"> {
    const tokens = this.#tokens.reduce((sum, count) => sum + count, 0);
    if (!this.#ended || tokens <= 0) throw notMeasured("no token came while they were counted");
    const seconds = this.#ended.ms / 1000;
    const { busy } = this.#ended;
    const before = this.#busyBefore;
    return {
      decodePerSecond: tokens / seconds,
      ...(busy !== undefined && before !== undefined && { busyCores: (busy - before) / seconds }),
    };
  }
}
