/**
 * Answers of upstreams: who is asked, and who is asked next when that one fails. Called by combined.ts.
 *
 *   choose ─▶ ask ─▶ read ─▶ events        a failure before the first piece of the answer was told: the next upstream, with the same request
 *                                          after it: the caller is told, for nobody can take back what was read
 *
 * Of an answer that is not streamed no piece is told before the last.
 */
import type { IncomingMessage } from "node:http";
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, GenerationRequest, Generator, ResolvedModel } from "../contract/generation.ts";
import type { Logger } from "../telemetry/log.ts";
import { UpstreamAnswer } from "./answer.ts";
import { upstreamCall } from "./body.ts";
import { choose, prefixKey } from "./choice.ts";
import { connectionFailure } from "./client.ts";
import { UpstreamFailure } from "./failure.ts";
import { eventData } from "./sse.ts";
import type { RemoteGroup, RemoteTable } from "./table.ts";
import type { Upstream } from "./upstream.ts";

type Group = RemoteGroup<Upstream>;

/** Nobody could be asked, or all failed before anything was told: whoever else has the model may answer. */
export class NoneAnswered extends Error {
  constructor(readonly told: ShimmyError) {
    super(told.message, { cause: told });
  }
}

export class RemoteGenerator implements Pick<Generator, "generate"> {
  readonly #table: () => RemoteTable<Upstream>;
  readonly #log: Logger;

  constructor(table: () => RemoteTable<Upstream>, log: Logger) {
    this.#table = table;
    this.#log = log;
  }

  /**
   * `started` comes once, also when another upstream begins anew.
   * @throws NoneAnswered; what the request is refused with; upstream_failed in mid-stream; client_closed
   */
  async *generate(
    { info }: ResolvedModel,
    request: GenerationRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const group = this.#table().get(info.id);
    const tried = new Set<Upstream>();
    const key = prefixKey(request);
    let last = new UpstreamFailure("unreachable", "none of them can be reached");
    for (let started = false, told = false; group; ) {
      const member = next(group, tried, key);
      if (!member) break;
      tried.add(member.upstream);
      try {
        const events = answer(member, request, signal);
        for await (const event of request.whole ? whole(events) : events) {
          if (event.type === "started") {
            if (!started) yield event;
            started = true;
            continue;
          }
          told ||= event.type !== "progress";
          yield event;
        }
        return;
      } catch (error) {
        if (!(error instanceof UpstreamFailure)) throw error;
        const { name } = member.upstream;
        this.#log.info("an upstream failed", { id: request.id, upstream: name, model: info.id, reason: error.reason, told });
        if (told) throw error.toldOf(info.id);
        // Of several failures a full queue says most: the others may be gone for good.
        last = last.kind === "busy" ? last : error;
      }
    }
    throw new NoneAnswered(last.toldOf(info.id));
  }
}

/** Nothing of it, but that it has begun, before all of it is there. */
async function* whole(events: AsyncIterable<GenerationEvent>): AsyncGenerator<GenerationEvent, void, undefined> {
  const kept: GenerationEvent[] = [];
  for await (const event of events) {
    if (event.type === "started") yield event;
    else kept.push(event);
  }
  yield* kept;
}

function next({ members }: Group, tried: ReadonlySet<Upstream>, key: string): Group["members"][number] | undefined {
  const free = members.filter(({ upstream }) => !tried.has(upstream) && upstream.breaker.admits(upstream.inFlight));
  const upstreams = free.map(({ upstream }) => upstream);
  // Those that are about to end are the last resort.
  const staying = upstreams.filter(({ leaving }) => !leaving);
  const chosen = choose(staying.length > 0 ? staying : upstreams, key);
  return free.find(({ upstream }) => upstream === chosen);
}

/** The whole way of one request to one upstream, and what its breaker learns of it. */
async function* answer(
  { upstream, id }: Group["members"][number],
  request: GenerationRequest,
  signal: AbortSignal,
): AsyncGenerator<GenerationEvent, void, undefined> {
  const { path, body } = upstreamCall(request, id, upstream.listing?.dialect ?? "other");
  const headers = { "x-request-id": request.id, ...(request.traceparent !== undefined && { traceparent: request.traceparent }) };
  let end: "answered" | "failed" | "refused" | "left" = "left";
  let response: IncomingMessage | undefined;
  upstream.inFlight++;
  try {
    response = await upstream.ask(path, body, headers, signal);
    const reader = new UpstreamAnswer(request);
    for await (const data of eventData(response as AsyncIterable<string>)) yield* reader.read(data);
    yield* reader.end();
    end = "answered";
    upstream.answered();
  } catch (thrown) {
    const error = connectionFailure(thrown, signal);
    if (error instanceof UpstreamFailure) {
      end = "failed";
      upstream.failed(error);
    } else if (error instanceof ShimmyError && error.code !== "client_closed") end = "refused";
    throw error;
  } finally {
    upstream.inFlight--;
    if (end === "refused" || end === "left") upstream.counts[end]++;
    // Half-open: a refusal is an answer too, and one whose caller left must not keep it from being tried.
    if (end === "refused") upstream.breaker.succeeded();
    if (end !== "answered") response?.destroy();
  }
}
