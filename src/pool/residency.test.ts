import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Held, type Limits, makeRoom, overgrown } from "./residency.ts";

const held = (id: string, bytes: number, usedAt: number, more: Partial<Held> = {}): Held => ({
  id,
  bytes,
  usedAt,
  busy: false,
  pinned: false,
  leaving: false,
  ...more,
});
const limits = (budgetBytes: number, more: Partial<Limits> = {}): Limits => ({
  budgetBytes,
  aloneBytes: 0,
  maxModels: Number.POSITIVE_INFINITY,
  ...more,
});
const ask = (need: number, all: readonly Held[], l: Limits, drain = false) => makeRoom(need, all, l, { drain });

const idsOf = (verdict: ReturnType<typeof makeRoom>) => new Set(verdict.kind === "retire" ? verdict.ids : []);

describe("a newcomer", () => {
  test("enters where there is room", () => {
    expect(ask(40, [held("a", 60, 1)], limits(100))).toEqual({ kind: "enter" });
  });

  test("takes the room of the idle one that was used longest ago, and of no more than needed", () => {
    const all = [held("new", 30, 9), held("old", 30, 1), held("middle", 30, 5)];
    expect(ask(30, all, limits(100))).toEqual({ kind: "retire", ids: ["old"] });
    expect(idsOf(ask(60, all, limits(100)))).toEqual(new Set(["old", "middle"]));
  });

  test("spares a small one whose room does not help", () => {
    expect(ask(60, [held("small", 5, 1), held("large", 60, 2)], limits(70))).toEqual({ kind: "retire", ids: ["large"] });
  });

  test("waits for busy ones and lets idle ones be while their room is not enough", () => {
    const all = [held("idle", 10, 1), held("busy", 80, 2, { busy: true })];
    expect(ask(50, all, limits(100))).toEqual({ kind: "wait" });
    expect(ask(50, all, limits(100), true)).toEqual({ kind: "retire", ids: ["busy"] });
    expect(idsOf(ask(95, all, limits(100), true))).toEqual(new Set(["idle", "busy"]));
  });

  test("waits for those who leave, and sends nobody else away for it", () => {
    expect(ask(50, [held("gone", 60, 9, { leaving: true }), held("idle", 40, 1)], limits(100))).toEqual({ kind: "wait" });
  });

  test("is refused where pinned ones leave it no room for ever", () => {
    expect(ask(50, [held("p", 60, 1, { pinned: true }), held("a", 40, 2)], limits(100))).toEqual({ kind: "refuse", because: "pinned" });
    expect(ask(1, [held("p", 1, 1, { pinned: true })], limits(100, { maxModels: 1 }))).toEqual({ kind: "refuse", because: "pinned" });
  });

  test("larger than the budget is tried alone if the machine may hold it, else refused", () => {
    expect(ask(150, [], limits(100, { aloneBytes: 200 }))).toEqual({ kind: "enter" });
    expect(ask(150, [held("a", 10, 1)], limits(100, { aloneBytes: 200 }))).toEqual({ kind: "retire", ids: ["a"] });
    expect(ask(150, [], limits(100))).toEqual({ kind: "refuse", because: "too_large" });
  });

  test("counts models where their number is limited", () => {
    const all = [held("a", 1, 2), held("b", 1, 1)];
    expect(ask(1, all, limits(100, { maxModels: 2 }))).toEqual({ kind: "retire", ids: ["b"] });
    expect(ask(1, all, limits(100, { maxModels: 3 }))).toEqual({ kind: "enter" });
  });
});

test("what has grown over the budget sheds idle models, oldest first, and keeps the last", () => {
  const all = [held("a", 60, 1), held("b", 60, 2), held("c", 60, 3)];
  expect(overgrown(all, 130)).toEqual(["a"]);
  expect(overgrown(all, 10)).toEqual(["a", "b"]);
  expect(overgrown([held("a", 60, 1, { pinned: true }), held("b", 60, 2, { busy: true })], 10)).toEqual([]);
});

const anyHeld = fc
  .array(
    fc.record({
      bytes: fc.integer({ min: 1, max: 100 }),
      usedAt: fc.nat(100),
      busy: fc.boolean(),
      pinned: fc.boolean(),
      leaving: fc.boolean(),
    }),
    { maxLength: 8 },
  )
  .map((all): Held[] => all.map((each, i) => ({ ...each, id: `m${i}` })));
const anyLimits = fc.record({
  budgetBytes: fc.integer({ min: 1, max: 400 }),
  aloneBytes: fc.nat(400),
  maxModels: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 5 })),
});
const sum = (all: readonly Held[]) => all.reduce((bytes, each) => bytes + each.bytes, 0);

test("whoever enters keeps to the budget and the number, or is alone", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), anyHeld, anyLimits, fc.boolean(), (need, all, l, drain) => {
      if (makeRoom(need, all, l, { drain }).kind !== "enter") return;
      if (all.length === 0) expect(need).toBeLessThanOrEqual(Math.max(l.budgetBytes, l.aloneBytes));
      else expect(sum(all) + need).toBeLessThanOrEqual(l.budgetBytes);
      expect(all.length + 1).toBeLessThanOrEqual(Math.max(1, l.maxModels));
    }),
  );
});

test("pinned ones are never retired, busy ones never before patience has ended, and each of the retired is needed", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), anyHeld, anyLimits, fc.boolean(), (need, all, l, drain) => {
      const verdict = makeRoom(need, all, l, { drain });
      if (verdict.kind !== "retire") return;
      const retired = all.filter(({ id }) => verdict.ids.includes(id));
      expect(retired.some(({ pinned, leaving }) => pinned || leaving)).toBe(false);
      if (!drain) expect(retired.some(({ busy }) => busy)).toBe(false);
      const rest = all.filter((each) => !each.leaving && !retired.includes(each));
      expect(makeRoom(need, rest, l, { drain })).toEqual({ kind: "enter" });
      for (const spared of retired) expect(makeRoom(need, [...rest, spared], l, { drain }).kind).not.toBe("enter");
    }),
  );
});

test("nobody starves: once patience has ended, retiring what is named and waiting for it always leads in", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), anyHeld, anyLimits, (need, all, l) => {
      let now = all;
      for (let round = 0; round < 3; round++) {
        const verdict = makeRoom(need, now, l, { drain: true });
        if (verdict.kind === "enter" || verdict.kind === "refuse") return;
        // Whoever was told to go, now or before, has finished and is gone; nobody else was let in meanwhile: the queue has an order.
        const leaving = verdict.kind === "retire" ? verdict.ids : [];
        now = now.filter((each) => !each.leaving && !leaving.includes(each.id));
      }
      throw new Error("it still waits");
    }),
  );
});

test("overgrown never names a busy, pinned or leaving one, and names nobody while all is within the budget", () => {
  fc.assert(
    fc.property(anyHeld, fc.nat(400), (all, budget) => {
      const ids = overgrown(all, budget);
      const named = all.filter(({ id }) => ids.includes(id));
      expect(named.some(({ busy, pinned, leaving }) => busy || pinned || leaving)).toBe(false);
      if (sum(all) <= budget) expect(ids).toEqual([]);
    }),
  );
});
