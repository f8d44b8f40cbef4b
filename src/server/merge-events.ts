/**
 * Several requests of one call as one sequence of events. Called by generate.ts; it must not know models, protocols or HTTP.
 *
 *   request 0 ─┐                      choice c of request k becomes choice k × choices + c;
 *   request 1 ─┼─▶ one sequence       each request has its own `started`;
 *   request 2 ─┘                      the first failure ends all of them
 */
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, GenerationRequest } from "../contract/generation.ts";

/** Choices of one call that are worked on or queued at once: enough for the slots of an engine, and it leaves the queue to others too. */
const CHOICES_AT_ONCE = 16;

type Generate = (request: GenerationRequest, signal: AbortSignal) => AsyncIterable<GenerationEvent>;

/** What came of waiting for the next event of a request. */
type Turn =
  | { readonly index: number; readonly result: IteratorResult<GenerationEvent> }
  | { readonly index: number; readonly error: unknown };

/**
 * `requests`: at least one, alike but for id and prompt.
 * @throws the first error of any of them; queue_full only where none of the call's own is in the queue's way.
 */
export function mergeEvents(
  requests: readonly GenerationRequest[],
  generate: Generate,
  signal: AbortSignal,
): AsyncIterable<GenerationEvent> {
  return requests.length === 1 ? generate(requests[0]!, signal) : merged(requests, generate, signal);
}

async function* merged(
  requests: readonly GenerationRequest[],
  generate: Generate,
  signal: AbortSignal,
): AsyncGenerator<GenerationEvent, void, undefined> {
  const leave = new AbortController();
  const both = AbortSignal.any([signal, leave.signal]);
  const { choices } = requests[0]!;
  const waiting = requests.map((_, index) => index);
  const running = new Map<number, { readonly events: AsyncIterator<GenerationEvent>; next: Promise<Turn> }>();
  let atOnce = Math.max(1, Math.floor(CHOICES_AT_ONCE / choices));
  try {
    while (waiting.length > 0 || running.size > 0) {
      while (waiting.length > 0 && running.size < atOnce) {
        const index = waiting.shift()!;
        const events = generate(requests[index]!, both)[Symbol.asyncIterator]();
        running.set(index, { events, next: turn(index, events) });
      }
      const came = await Promise.race([...running.values()].map(({ next }) => next));
      const { events } = running.get(came.index)!;
      if ("error" in came) {
        running.delete(came.index);
        if (running.size === 0 || !isQueueFull(came.error)) throw came.error;
        // Others of this call are in the way: it comes when one of them has ended, and no more are tried at once.
        waiting.unshift(came.index);
        waiting.sort((a, b) => a - b);
        atOnce = running.size;
      } else if (came.result.done) {
        running.delete(came.index);
      } else {
        running.set(came.index, { events, next: turn(came.index, events) });
        const event = came.result.value;
        yield { ...event, choice: came.index * choices + (event.choice ?? 0) };
      }
    }
  } finally {
    leave.abort();
  }
}

/** Never rejects, so that nobody needs to listen to those that end after the first failure. */
function turn(index: number, events: AsyncIterator<GenerationEvent>): Promise<Turn> {
  return events.next().then(
    (result) => ({ index, result }),
    (error: unknown) => ({ index, error }),
  );
}

function isQueueFull(error: unknown): boolean {
  return error instanceof ShimmyError && error.code === "queue_full";
}
