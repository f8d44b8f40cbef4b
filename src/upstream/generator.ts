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
import { Attempt } from "./attempt.ts";
import { upstreamCall } from "./body.ts";
import { next, prefixKey, slackOf } from "./choice.ts";
import { whole as readWhole, textOf } from "./client.ts";
import { UpstreamFailure } from "./failure.ts";
import { begun } from "./loop.ts";
import { EventParser } from "./sse.ts";
import type { RemoteGroup, RemoteTable } from "./table.ts";
import type { Upstream } from "./upstream.ts";

type Group = RemoteGroup<Upstream>;

export class RemoteGenerator implements Pick<Generator, "generate"> {
  readonly #table: () => RemoteTable<Upstream>;
  readonly #log: Logger;

  constructor(table: () => RemoteTable<Upstream>, log: Logger) {
    this.#table = table;
    this.#log = log;
  }

  /**
   * `started` comes once, also when another one begins anew.
   * @param local who answers when nobody could be asked, or all failed before anything was told; absent: nobody else has the model
   * @throws what the request is refused with; upstream_failed, queue_full; client_closed
   */
  async *generate(
    { info }: ResolvedModel,
    request: GenerationRequest,
    signal: AbortSignal,
    local?: () => AsyncIterable<GenerationEvent>,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const group = this.#table().get(info.id);
    const { tried, ...begin } = begun(group?.members ?? []);
    const key = prefixKey(request);
    const slack = slackOf(request);
    let { last } = begin;
    let refused: ShimmyError | undefined;
    let started = false;
    for (let told = false; group; ) {
      const member = next(group.members, tried, key, slack);
      if (!member) break;
      tried.add(member.upstream);
      this.#log.debug("asked of an upstream", { id: request.id, upstream: member.upstream.name, model: info.id });
      try {
        const lists = answer(member, request, signal);
        for await (const events of request.whole ? whole(lists) : lists) {
          for (const event of events) {
            if (event.type === "started") {
              if (!started) yield event;
              started = true;
              continue;
            }
            told ||= event.type !== "progress";
            yield event;
          }
        }
        return;
      } catch (error) {
        if (error instanceof ShimmyError && error.code === "upstream_unsupported") {
          // Nothing was sent. A server of another kind may do it, and this machine does.
          refused ??= error;
          continue;
        }
        if (!(error instanceof UpstreamFailure)) throw error;
        const { name } = member.upstream;
        this.#log.info("an upstream failed", { id: request.id, upstream: name, model: info.id, reason: error.reason, told });
        if (told) throw error.toldOf(info.id);
        // Of several failures a full queue says most: the others may be gone for good.
        last = last.kind === "busy" ? last : error;
      }
    }
    if (!local) throw refused ?? last.toldOf(info.id);
    const reason = refused?.code ?? last.reason;
    this.#log.warn("no upstream answers, so this machine does", { id: request.id, model: info.id, reason });
    for await (const event of local()) if (event.type !== "started" || !started) yield event;
  }
}

/** Nothing of it, but that it has begun, before all of it is there. */
async function* whole(lists: AsyncIterable<readonly GenerationEvent[]>): AsyncGenerator<readonly GenerationEvent[], void, undefined> {
  const kept: GenerationEvent[] = [];
  for await (const events of lists) {
    const [first] = events;
    if (first?.type === "started") yield [first];
    kept.push(...(first?.type === "started" ? events.slice(1) : events));
  }
  yield kept;
}

/** Characters of a stream that is kept until its end: some hundred thousand tokens. */
const LONGEST_KEPT = 128 * 1024 * 1024;

/** The whole way of one request to one upstream, and what its breaker learns of it. Events that came together are one list. */
async function* answer(
  { upstream, id }: Group["members"][number],
  request: GenerationRequest,
  signal: AbortSignal,
): AsyncGenerator<readonly GenerationEvent[], void, undefined> {
  const { path, body } = upstreamCall(request, id, upstream.listing?.dialect ?? "other");
  const { id: requestId, trace, priority = 0 } = request;
  const attempt = new Attempt(upstream, signal, trace);
  const headers = {
    ...attempt.traceHeaders,
    "x-request-id": requestId,
    ...(priority > 0 && { "x-shimmy-priority": String(priority) }),
  };
  try {
    attempt.response = await upstream.ask(path, body, headers, signal);
    const reader = new UpstreamAnswer({ ...request, isNative: path === "/infill" }, (text) => upstream.cleaned(text));
    if (isJson(attempt.response)) return yield await inOnePiece(reader, attempt, signal);
    const parser = new EventParser();
    let length = 0;
    for await (const text of textOf(attempt.response)) {
      length += text.length;
      if (request.whole && length > LONGEST_KEPT) throw new UpstreamFailure("unwell", "its answer has no end");
      const events: GenerationEvent[] = [];
      try {
        for (const data of parser.push(text)) reader.read(data, events);
      } finally {
        // What came before a failure was said.
        if (events.length > 0) yield events;
      }
    }
    yield reader.end(parser.end());
    attempt.answered();
  } catch (thrown) {
    throw attempt.failed(thrown);
  } finally {
    attempt.close();
  }
}

/** Who does not stream answers so, and who has an error to tell and no status for it. */
function isJson({ headers }: IncomingMessage): boolean {
  return /^application\/json\b/i.test(headers["content-type"] ?? "");
}

async function inOnePiece(reader: UpstreamAnswer, attempt: Attempt, signal: AbortSignal): Promise<readonly GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  reader.read(await readWhole(attempt.response!, signal), events);
  events.push(...reader.end());
  attempt.answered();
  return events;
}
