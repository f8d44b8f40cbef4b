/**
 * Questions to upstreams that are answered at once: who is asked, and who is asked next when that one fails; choice, breaker and counts are
 * those of generation. Called by combined.ts.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { TraceLink } from "../contract/tracing.ts";
import type { Logger } from "../telemetry/log.ts";
import { Attempt } from "./attempt.ts";
import { next } from "./choice.ts";
import { whole } from "./client.ts";
import { isFields, UpstreamFailure } from "./failure.ts";
import { begun } from "./loop.ts";
import type { RemoteQuestion } from "./questions.ts";
import type { RemoteGroup } from "./table.ts";
import type { Upstream } from "./upstream.ts";

type Group = RemoteGroup<Upstream>;

export interface Asked {
  /** What it is called here, in errors. */
  readonly model: string;
  /** Absent where nobody counts on one. */
  readonly requestId?: string;
  readonly trace?: TraceLink;
  /** As in `GenerationRequest`. */
  readonly priority?: number;
  readonly signal: AbortSignal;
}

/**
 * @param local who answers when no upstream does; absent: nobody else has the model
 * @throws upstream_unsupported, upstream_refused, upstream_failed, queue_full; client_closed
 */
export async function askUpstreams<Answer>(
  { members }: Group,
  question: RemoteQuestion<Answer>,
  asked: Asked,
  log: Logger,
  local?: () => Promise<Answer>,
): Promise<Answer> {
  const { model, requestId } = asked;
  const { tried, ...begin } = begun(members);
  // No prefix is worth anything here: the least busy one, and of equals any.
  const key = requestId ?? String(Math.random());
  let { last } = begin;
  let refused: ShimmyError | undefined;
  for (let member = next(members, tried, key); member; member = next(members, tried, key)) {
    tried.add(member.upstream);
    try {
      return await askOne(member, question, asked);
    } catch (error) {
      if (error instanceof ShimmyError && error.code === "upstream_unsupported") {
        // A server of another kind may do it.
        refused ??= error;
        continue;
      }
      if (!(error instanceof UpstreamFailure)) throw error;
      const { name } = member.upstream;
      log.info("an upstream failed", { ...(requestId !== undefined && { id: requestId }), upstream: name, model, reason: error.reason });
      last = last.kind === "busy" ? last : error;
    }
  }
  if (local) return local();
  if (refused) throw refused;
  // The model is on its list, so what it does not have is the route.
  if (last.kind === "stranger") throw new ShimmyError("upstream_unsupported", { model, what: question.what }, { cause: last });
  throw last.toldOf(model);
}

async function askOne<Answer>(
  { upstream, id }: Group["members"][number],
  question: RemoteQuestion<Answer>,
  { model, requestId, trace, priority = 0, signal }: Asked,
): Promise<Answer> {
  const dialect = upstream.listing?.dialect ?? "other";
  const { path, fields, isRead } = question.call(dialect, (what) => new ShimmyError("upstream_unsupported", { model, what }));
  const attempt = new Attempt(upstream, signal, trace);
  const headers = {
    ...attempt.traceHeaders,
    ...(requestId !== undefined && { "x-request-id": requestId }),
    ...(priority > 0 && { "x-shimmy-priority": String(priority) }),
  };
  try {
    const asked = { model: id, ...fields };
    attempt.response = isRead
      ? await upstream.look(`${path}?${new URLSearchParams({ model: id })}`, headers, signal)
      : await upstream.ask(path, asked, headers, signal, "application/json");
    const answer = question.read(parsed(await whole(attempt.response, signal, question.longest)), dialect);
    attempt.answered();
    return answer;
  } catch (thrown) {
    throw attempt.failed(thrown);
  } finally {
    attempt.close();
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (isFields(value)) return value;
  } catch (cause) {
    throw new UpstreamFailure("unwell", "its answer is no JSON", { cause });
  }
  throw new UpstreamFailure("unwell", "its answer cannot be read");
}
