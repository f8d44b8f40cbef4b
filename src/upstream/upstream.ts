/**
 * One upstream: its connections, its list of models, its breaker, and the probe that ends a rest. Made by combined.ts, one for each entry
 * of the setting. No timer runs while it is well.
 */
import type { IncomingMessage } from "node:http";
import type { UpstreamSetting } from "../config/upstream-list.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { TraceCall, TraceLink, Tracing } from "../contract/tracing.ts";
import { comeVia, gatewaysIn, hops, viaOf } from "../telemetry/hops.ts";
import type { Logger } from "../telemetry/log.ts";
import type { UpstreamGauges } from "../telemetry/upstream-metrics.ts";
import { Breaker } from "./breaker.ts";
import { type Agent, agentFor, send, whole } from "./client.ts";
import { failureOf, UpstreamFailure } from "./failure.ts";
import { type Listing, listingOf } from "./listing.ts";

const PROBE_MS = 5000;
const LONGEST_FAILURE_MS = 5000;
/** How long a list is taken for true. */
const LIST_AGE_MS = 10_000;
/** One that ends or begins is looked at so often, and must be back or still say so within this time: else it is one that cannot be reached. */
const LEAVING_PROBE_MS = 500;
const LONGEST_LEAVE_MS = 60_000;
const ITSELF = "it is this server itself";
const NEVER = Number.NEGATIVE_INFINITY;

export interface UpstreamParts {
  readonly silenceMs: number;
  /** The name of this gateway. */
  readonly hop: string;
  readonly log: Logger;
  readonly tracing?: () => Pick<Tracing, "call"> | undefined;
}

export class Upstream {
  readonly name: string;
  readonly weight: number;
  inFlight = 0;
  readonly breaker = new Breaker();
  /** It has said that it ends or begins: others are asked first, until it is back. That is no failure. */
  leaving = false;
  /** The gateway that it is, if it is one and has told. */
  gateway: string | undefined;
  readonly counts = { answered: 0, failed: 0, refused: 0, left: 0 };
  /** As it was told last; undefined: never. */
  listing: Listing | undefined;
  readonly #setting: UpstreamSetting;
  readonly #hop: string;
  readonly #agent: Agent;
  readonly #silenceMs: number;
  readonly #tracing: () => Pick<Tracing, "call"> | undefined;
  readonly #log: Logger;
  #listedAt = NEVER;
  /** For the sake of a request that had come through these: what is behind them was not told. */
  #listedFor: readonly string[] = [];
  #listing: Promise<void> | undefined;
  #probe: NodeJS.Timeout | undefined;
  #leftAt = NEVER;
  #busyUntil = NEVER;
  #closed = false;

  constructor(setting: UpstreamSetting, { silenceMs, hop, log, tracing = () => undefined }: UpstreamParts) {
    this.#setting = setting;
    this.#hop = hop;
    this.name = setting.name;
    this.weight = setting.weight;
    this.#agent = agentFor(setting.url);
    this.#silenceMs = silenceMs;
    this.#tracing = tracing;
    this.#log = log;
  }

  /** A question to it, in the trace that it belongs to. */
  traced(link: TraceLink): TraceCall {
    const { name, url } = this.#setting;
    return this.#tracing()?.call(link, { name, url }) ?? { headers: link.headers, end: () => undefined };
  }

  /** Others are asked first: it is about to end or to begin, or its queue was full and its Retry-After is not over. */
  get isLast(): boolean {
    return this.leaving || performance.now() < this.#busyUntil;
  }

  /** What it said, without our key, should it have repeated that. */
  cleaned(text: string): string {
    const { key } = this.#setting;
    return key === undefined ? text : text.replaceAll(key, "…");
  }

  /** The answer of status 200, unread. @throws UpstreamFailure; upstream_refused and its like; client_closed */
  async ask(
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    accept = "text/event-stream",
  ): Promise<IncomingMessage> {
    const sent = { ...headers, "content-type": "application/json", accept };
    const text = JSON.stringify(body);
    const response = await this.#send("POST", path, signal, this.#silenceMs, sent, text);
    if (response.headers["x-shimmy-draining"] !== undefined) this.#leave();
    if (response.statusCode === 200) return response;
    throw await this.#failureIn(response, signal);
  }

  /** The same of a GET, which nobody waits long for. */
  async look(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await this.#send("GET", path, signal, PROBE_MS, { ...headers, accept: "application/json" });
    if (response.statusCode === 200) return response;
    throw await this.#failureIn(response, signal);
  }

  /** Looks at its list again if that is old. Waits only for the first; what goes wrong is the breaker's. */
  async refresh(maxAgeMs = LIST_AGE_MS): Promise<void> {
    if (this.breaker.state === "open" || this.leaving) return;
    const isWhole = () => this.#listedFor.every((gateway) => hops().includes(gateway));
    // Twice: one that is under way may be another request's, which is told less.
    for (let looks = 0; looks < 2; looks++) {
      if (performance.now() - this.#listedAt <= maxAgeMs && isWhole()) return;
      this.#listing ??= this.#list().finally(() => {
        this.#listing = undefined;
      });
      if (this.listing !== undefined && maxAgeMs >= LIST_AGE_MS) return;
      await this.#listing;
      if (isWhole()) return;
    }
  }

  failed(error: UpstreamFailure): void {
    if (error.kind === "leaving" || error.kind === "loading") {
      this.counts.refused++;
      this.#leave(error.kind === "loading" ? "an upstream is loading its model" : undefined);
      return;
    }
    this.counts.failed++;
    // It has said so before.
    if (error.kind === "unreachable" && this.leaving) return;
    if (error.kind === "stranger") this.#listedAt = NEVER;
    if (error.kind === "busy") this.#busyUntil = performance.now() + 1000 * (error.options.retryAfter ?? 0);
    if (error.kind === "busy" || error.kind === "stranger" || error.kind === "loop") return;
    if (!this.breaker.failed(error.reason, error.kind === "unreachable")) return;
    this.#log.warn("an upstream is not asked for a while", { upstream: this.name, reason: error.reason, ms: this.breaker.restMs });
    this.#probeLater();
  }

  answered(): void {
    this.counts.answered++;
    if (this.breaker.state === "half-open") this.#log.info("an upstream answers again", { upstream: this.name });
    this.breaker.succeeded();
  }

  /** A request to it is over, `answered` and `failed` told before. */
  left(end: "answered" | "failed" | "refused" | "left"): void {
    this.inFlight--;
    if (end === "refused" || end === "left") this.counts[end]++;
    // Half-open: a refusal is an answer too, and one whose caller left must not keep it from being tried.
    if (end === "refused") this.breaker.succeeded();
  }

  gauges(): UpstreamGauges {
    return { upstream: this.name, state: this.breaker.state, inFlight: this.inFlight, opened: this.breaker.opened, ...this.counts };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#probe);
    this.#agent.destroy();
  }

  async #list(): Promise<void> {
    let through: readonly string[] = [];
    try {
      const { text, via } = await this.#get("/v1/models");
      [this.gateway] = gatewaysIn(via);
      // Others tell everybody the same.
      if (this.gateway !== undefined) through = hops();
      if (this.gateway === this.#hop) this.#isItself();
      else this.listing = listingOf(text);
    } catch (error) {
      if (!(error instanceof UpstreamFailure || error instanceof ShimmyError)) throw error;
      this.failed(
        error instanceof UpstreamFailure ? error : new UpstreamFailure("unwell", "it does not tell its models", { cause: error }),
      );
    }
    this.#listedAt = performance.now();
    this.#listedFor = through;
  }

  /** Its breaker opens, for that is told; a name that leads elsewhere later is found by its probe. */
  #isItself(): void {
    this.listing = undefined;
    if (this.breaker.failed(ITSELF, true)) this.#log.warn("an upstream is this server itself, which is not asked", { upstream: this.name });
    this.#probeLater();
  }

  #leave(why = "an upstream is about to end"): void {
    if (this.leaving || this.breaker.state === "open") return;
    this.leaving = true;
    this.#leftAt = performance.now();
    this.#log.info(why, { upstream: this.name });
    this.#probeLater();
  }

  /** Its timer keeps no process alive. */
  #probeLater(): void {
    clearTimeout(this.#probe);
    if (this.#closed) return;
    const probe = () =>
      this.#isWell().then(
        (failure) => this.#probed(failure),
        (error: unknown) => this.#log.error("an upstream cannot be probed", { upstream: this.name, err: ShimmyError.from(error) }),
      );
    // Whatever request it was that found it so, a probe is nobody's.
    const alone = () => comeVia(undefined, probe);
    this.#probe = setTimeout(alone, this.leaving ? LEAVING_PROBE_MS : this.breaker.restMs).unref();
  }

  #probed(failure: UpstreamFailure | undefined): void {
    const reason = failure?.reason;
    if (failure?.kind === "loading") this.#leftAt = performance.now();
    if (!this.leaving) this.breaker.probed(reason);
    else if (reason === undefined) this.#log.info("an upstream is back", { upstream: this.name });
    else if (performance.now() - this.#leftAt > LONGEST_LEAVE_MS) this.breaker.failed(reason, true);
    if (reason === undefined || this.breaker.state === "open") this.leaving = false;
    if (reason !== undefined) this.#probeLater();
    else this.#listedAt = NEVER;
  }

  /** Undefined: it is. GET /health, or its list where it has no such route. */
  async #isWell(): Promise<UpstreamFailure | undefined> {
    // A health check does not tell who answers it.
    for (const path of this.breaker.reason === ITSELF ? ["/v1/models"] : ["/health", "/v1/models"]) {
      try {
        const { via } = await this.#get(path);
        return gatewaysIn(via)[0] === this.#hop ? new UpstreamFailure("loop", ITSELF) : undefined;
      } catch (error) {
        if (error instanceof UpstreamFailure && error.kind === "stranger" && path === "/health") continue;
        if (error instanceof UpstreamFailure) return error;
        if (error instanceof ShimmyError) return new UpstreamFailure("unwell", "it refuses a probe", { cause: error });
        throw error;
      }
    }
    return new UpstreamFailure("unwell", "it has no route for a probe");
  }

  async #get(path: string): Promise<{ readonly text: string; readonly via: string | undefined }> {
    const signal = AbortSignal.timeout(PROBE_MS);
    try {
      const response = await this.#send("GET", path, signal, PROBE_MS);
      if (response.statusCode !== 200) throw await this.#failureIn(response, signal);
      return { text: await whole(response, signal), via: response.headers.via };
    } catch (error) {
      if (signal.aborted) throw new UpstreamFailure("unreachable", "it does not answer in time", { cause: error });
      throw error;
    }
  }

  #send(
    method: "GET" | "POST",
    path: string,
    signal: AbortSignal,
    silenceMs: number,
    given: Readonly<Record<string, string>> = {},
    body?: string,
  ): Promise<IncomingMessage> {
    const { url, key } = this.#setting;
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const headers = { ...given, ...length, via: viaOf(this.#hop), ...(key !== undefined && { authorization: `Bearer ${key}` }) };
    return send({ url: url + path, method, headers, silenceMs, signal, ...(body !== undefined && { body }) }, this.#agent);
  }

  /** The body is read for its message, but not for ever. */
  async #failureIn(response: IncomingMessage, signal: AbortSignal): Promise<unknown> {
    const { statusCode = 0, headers } = response;
    const late = setTimeout(() => response.destroy(), LONGEST_FAILURE_MS);
    const text = await whole(response, signal)
      .catch((error: unknown) => (error instanceof UpstreamFailure ? "" : Promise.reject(error)))
      .finally(() => clearTimeout(late));
    return failureOf(statusCode, this.cleaned(text), headers["retry-after"]);
  }
}
