import fc from "fast-check";
import { expect, test } from "vitest";
import { FairQueue } from "./queue.ts";

const arrival = (key: number, tenant = "", { length = 100, priority = 0 } = {}) => ({
  key,
  prompt: Array.from({ length }, () => 1),
  maxTokens: 100,
  tenant,
  priority,
});

/** Admits all, one after the other. */
function drain(queue: FairQueue): number[] {
  const keys: number[] = [];
  for (let [next] = queue; next; [next] = queue) {
    queue.take(next);
    keys.push(next.key);
  }
  return keys;
}

test("one tenant is served in the order of arrival", () => {
  const queue = new FairQueue();
  for (const key of [0, 1, 2, 3]) queue.arrive(arrival(key, "a", { length: 10 + 90 * (key % 2) }));
  expect(drain(queue)).toEqual([0, 1, 2, 3]);
});

test("who sends little comes between the many of another", () => {
  const queue = new FairQueue();
  for (let key = 0; key < 6; key++) queue.arrive(arrival(key, "many"));
  queue.arrive(arrival(10, "few"));
  queue.arrive(arrival(11, "few"));
  expect(drain(queue)).toEqual([0, 10, 1, 11, 2, 3, 4, 5]);
});

test("having been idle gives no credit", () => {
  const queue = new FairQueue();
  for (let key = 0; key < 3; key++) queue.arrive(arrival(key, "busy"));
  drain(queue);
  for (let key = 3; key < 6; key++) queue.arrive(arrival(key, "busy"));
  for (let key = 20; key < 26; key++) queue.arrive(arrival(key, "idle"));
  expect(
    drain(queue)
      .slice(0, 6)
      .filter((key) => key < 10),
  ).toHaveLength(3);
});

test("lower priority waits, but not for ever", () => {
  const queue = new FairQueue();
  queue.arrive(arrival(99, "batch", { priority: 1 }));
  queue.arrive(arrival(0, "user"));
  expect([...queue].map(({ key }) => key)).toEqual([0, 99]);
  let served = 0;
  for (let key = 100; served < 2000; key++, served++) {
    queue.arrive(arrival(key, "user"));
    const [next] = queue;
    queue.take(next!);
    if (next!.key === 99) break;
  }
  expect(served).toBeLessThan(2000);
});

test("low priority that was admitted while nobody else was there gives none to its like that wait", () => {
  const queue = new FairQueue();
  for (const key of [50, 51, 52]) queue.arrive(arrival(key, "", { priority: 1 }));
  queue.take([...queue][0]!);
  for (const key of [0, 1, 2]) queue.arrive(arrival(key));
  expect(drain(queue)).toEqual([0, 1, 2, 51, 52]);
});

test("whoever was admitted before comes back first, and nobody is lost or doubled", () => {
  const event = fc.oneof(
    fc.record({ tenant: fc.constantFrom("a", "b", "c"), length: fc.integer({ min: 1, max: 500 }), priority: fc.nat(2) }),
    fc.constantFrom("take" as const, "back" as const),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const queue = new FairQueue();
      const waiting = new Set<number>();
      let last: ReturnType<typeof first> | undefined;
      const first = () => [...queue][0];
      events.forEach((event, key) => {
        if (event === "back") {
          if (last && !waiting.has(last.key)) {
            queue.putBack(last);
            waiting.add(last.key);
            expect(first()).toBe(last);
          }
        } else if (event === "take") {
          last = first();
          if (last) queue.take(last);
          if (last) expect(waiting.delete(last.key)).toBe(true);
        } else {
          queue.arrive(arrival(key, event.tenant, event));
          waiting.add(key);
        }
        expect(queue.length).toBe(waiting.size);
      });
      expect(new Set(drain(queue))).toEqual(waiting);
    }),
  );
});
