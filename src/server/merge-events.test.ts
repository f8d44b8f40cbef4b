import fc from "fast-check";
import { expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, GenerationRequest } from "../contract/generation.ts";
import { mergeEvents } from "./merge-events.ts";

const request = (id: string, choices = 1): GenerationRequest => ({
  id,
  model: "m",
  prompt: { kind: "text", text: id },
  choices,
  stop: [],
  sampling: {},
});
const requests = (count: number, choices = 1) => Array.from({ length: count }, (_, i) => request(String(i), choices));

const text = (piece: string, choice = 0): GenerationEvent => ({ type: "text", choice, text: piece, tokens: 1 });

async function all(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const list: GenerationEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

const NEVER = new AbortController().signal;

test("one request is passed on as it is", () => {
  const events = all as unknown as AsyncIterable<GenerationEvent>;
  expect(mergeEvents(requests(1), () => events, NEVER)).toBe(events);
});

test("every event arrives once, in the order of its request, its choice numbered through", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 30 }), fc.integer({ min: 1, max: 5 }), async (scheduler, count, choices) => {
      async function* answer({ id }: GenerationRequest): AsyncGenerator<GenerationEvent> {
        yield { type: "started", promptTokens: 3 };
        for (let choice = 0; choice < choices; choice++) {
          await scheduler.schedule(Promise.resolve());
          yield text(`${id}a`, choice);
          yield text(`${id}b`, choice);
        }
      }
      const merged = await scheduler.waitFor(all(mergeEvents(requests(count, choices), answer, NEVER)));
      expect(merged.filter(({ type }) => type === "started")).toHaveLength(count);
      for (let choice = 0; choice < count * choices; choice++) {
        const own = merged.flatMap((event) => (event.type === "text" && event.choice === choice ? [event.text] : []));
        const index = Math.floor(choice / choices);
        expect(own).toEqual([`${index}a`, `${index}b`]);
      }
    }),
    { numRuns: 50 },
  );
});

/** Counts how many run at once; each takes a few turns. */
function counted(limit = Number.POSITIVE_INFINITY) {
  const seen = { running: 0, most: 0, refused: 0, aborted: 0 };
  async function* answer({ id }: GenerationRequest, signal: AbortSignal): AsyncGenerator<GenerationEvent> {
    if (seen.running >= limit) {
      seen.refused++;
      throw new ShimmyError("queue_full");
    }
    seen.most = Math.max(seen.most, ++seen.running);
    try {
      for (let i = 0; i < 3; i++) {
        await new Promise(setImmediate);
        if (signal.aborted) {
          seen.aborted++;
          throw new ShimmyError("client_closed");
        }
        yield text(id);
      }
    } finally {
      seen.running--;
    }
  }
  return { seen, answer };
}

test("sixteen choices are on their way at once and no more", async () => {
  const single = counted();
  expect(await all(mergeEvents(requests(100), single.answer, NEVER))).toHaveLength(300);
  expect(single.seen.most).toBe(16);
  const many = counted();
  await all(mergeEvents(requests(10, 5), many.answer, NEVER));
  expect(many.seen.most).toBe(3);
});

test("a queue that the call itself has filled refuses nothing: the rest waits for a place", async () => {
  const { seen, answer } = counted(3);
  expect(await all(mergeEvents(requests(40), answer, NEVER))).toHaveLength(120);
  expect(seen.most).toBe(3);
  expect(seen.refused).toBe(13); // of the sixteen that were tried first
});

test("a queue that others have filled refuses the call", async () => {
  await expect(all(mergeEvents(requests(4), counted(0).answer, NEVER))).rejects.toMatchObject({ code: "queue_full" });
});

test("the first failure is the call's, and ends the others", async () => {
  const { seen, answer } = counted();
  async function* sometimes(asked: GenerationRequest, signal: AbortSignal): AsyncGenerator<GenerationEvent> {
    if (asked.id === "5") throw new ShimmyError("context_length_exceeded", { n_ctx: 1 });
    yield* answer(asked, signal);
  }
  await expect(all(mergeEvents(requests(40), sometimes, NEVER))).rejects.toMatchObject({ code: "context_length_exceeded" });
  while (seen.running > 0) await new Promise(setImmediate);
  expect(seen.aborted).toBeGreaterThan(0);
});

test("a reader that leaves, or a signal, ends all of them", async () => {
  const left = counted();
  for await (const _ of mergeEvents(requests(40), left.answer, NEVER)) break;
  while (left.seen.running > 0) await new Promise(setImmediate);
  expect(left.seen.aborted).toBeGreaterThan(0);

  const stopped = counted();
  const controller = new AbortController();
  const reading = all(mergeEvents(requests(40), stopped.answer, controller.signal));
  await new Promise(setImmediate);
  controller.abort();
  await expect(reading).rejects.toMatchObject({ code: "client_closed" });
});
