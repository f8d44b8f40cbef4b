import fc from "fast-check";
import { expect, test } from "vitest";
import { EventQueue } from "./event-queue.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Everything a reader gets, and the error that ended it, if one did. */
async function drain<T>(queue: EventQueue<T>): Promise<{ items: T[]; error?: unknown }> {
  const items: T[] = [];
  try {
    for await (const item of queue) items.push(item);
    return { items };
  } catch (error) {
    return { items, error };
  }
}

test("what was pushed before anyone read is read in order, then the end", async () => {
  const queue = new EventQueue<number>();
  for (const item of [1, 2, 3]) queue.push(item);
  queue.end();
  expect(await drain(queue)).toEqual({ items: [1, 2, 3] });
});

test("a reader that waits is woken by the next item", async () => {
  const queue = new EventQueue<string>();
  const reading = drain(queue);
  for (const item of ["a", "b"]) {
    await turn();
    queue.push(item);
  }
  await turn();
  queue.end();
  expect(await reading).toEqual({ items: ["a", "b"] });
});

test("items that are pushed while the reader holds one are not lost", async () => {
  const queue = new EventQueue<number>();
  queue.push(0);
  const items: number[] = [];
  for await (const item of queue) {
    items.push(item);
    if (item < 3) queue.push(item + 1);
    else queue.end();
  }
  expect(items).toEqual([0, 1, 2, 3]);
});

test("a failure comes after what was queued before it", async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.fail(new Error("gone"));
  expect(await drain(queue)).toEqual({ items: [1], error: new Error("gone") });
});

test("a failure wakes a reader that waits", async () => {
  const queue = new EventQueue<number>();
  const reading = drain(queue);
  await turn();
  queue.fail("gone");
  expect(await reading).toEqual({ items: [], error: "gone" });
});

test("the first end counts: no failure follows an orderly end, and no end hides a failure", async () => {
  const ended = new EventQueue<number>();
  ended.end();
  ended.fail("late");
  expect(await drain(ended)).toEqual({ items: [] });
  const failed = new EventQueue<number>();
  failed.fail("first");
  failed.fail("second");
  failed.end();
  expect(await drain(failed)).toEqual({ items: [], error: "first" });
});

test("failing with undefined is a failure", async () => {
  const queue = new EventQueue<number>();
  queue.fail(undefined);
  await expect(queue[Symbol.asyncIterator]().next()).rejects.toBeUndefined();
});

test("a reader may leave in the middle", async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.push(2);
  for await (const item of queue) {
    expect(item).toBe(1);
    break;
  }
  queue.push(3);
  queue.end();
});

test("any timing of pushes and of the end: every item once, in order", async () => {
  const script = fc.array(fc.record({ burst: fc.nat(4), wait: fc.boolean() }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(script, fc.array(fc.boolean(), { maxLength: 40 }), fc.boolean(), async (script, slow, fails) => {
      const queue = new EventQueue<number>();
      let pushed = 0;
      const writing = (async () => {
        for (const { burst, wait } of script) {
          for (let i = 0; i < burst; i++) queue.push(pushed++);
          if (wait) await turn();
        }
        if (fails) queue.fail("gone");
        else queue.end();
      })();
      const items: number[] = [];
      let error: unknown;
      try {
        for await (const item of queue) {
          items.push(item);
          if (slow[item]) await turn();
        }
      } catch (thrown) {
        error = thrown;
      }
      await writing;
      expect(items).toEqual(Array.from({ length: pushed }, (_, i) => i));
      expect(error).toBe(fails ? "gone" : undefined);
    }),
    { numRuns: 200 },
  );
});
