import fc from "fast-check";
import { expect, test } from "vitest";
import type { Plan } from "../scheduler/scheduler.ts";
import { Sequence } from "../scheduler/sequence.ts";
import { Speculation } from "./speculation.ts";

interface World {
  /** What each of the sequences will say. */
  readonly texts: readonly number[][];
  /** Milliseconds of a plain step, and how much longer it takes with so many drafted tokens. */
  readonly plainMs: number;
  readonly draftMs: (drafted: number, step: number) => number;
  /** A factor by which a step differs from what it should take. */
  readonly noise?: (step: number) => number;
}

/** Plays the texts to their end. `plainMs`: how long the same would have taken without drafts. */
function play({ texts, plainMs, draftMs, noise = () => 1 }: World, speculation = new Speculation()) {
  const live = texts.map((text, key) => ({ key, text, at: 3 }));
  const seen = { ms: 0, plainMs: 0, steps: 0, drafts: [] as number[] };
  for (let step = 0; ; step++) {
    const decoding = live.filter(({ text, at }) => at < text.length);
    if (decoding.length === 0) return seen;
    let drafted = 0;
    const entries = decoding.map(({ key, text, at }) => {
      const tokens = text.slice(0, at);
      const draft = speculation.propose({ key, tokens }, text.length - at - 1, { sequences: decoding.length, drafted });
      drafted += draft.length;
      const sequence = new Sequence({ key, prompt: tokens, maxTokens: 1 }, 0);
      return { sequence, slot: key, from: at - 1, to: at, samples: true, draft };
    });
    let tokens = 0;
    decoding.forEach((reader, i) => {
      const { draft } = entries[i]!;
      for (let j = 0; j <= draft.length; j++) {
        const token = reader.text[reader.at++]!;
        tokens++;
        speculation.follow(reader.key, token);
        if (token !== draft[j]) break;
      }
    });
    const ms = (plainMs + draftMs(drafted, step)) * noise(step);
    speculation.observe({ actions: [], entries, group: 0 } satisfies Plan, tokens, { ms, threads: 1 });
    seen.ms += ms;
    seen.plainMs += (tokens / decoding.length) * plainMs;
    seen.steps++;
    seen.drafts.push(drafted);
  }
}

/** No two of these are alike. */
const fresh = (length: number, from = 1) => Array.from({ length }, (_, i) => from + i);
const copy = (passage: number, times: number) => Array.from({ length: times }, () => fresh(passage)).flat();
/** Each pair is followed by another token every time. */
const misleading = (times: number) => Array.from({ length: times }, (_, i) => [1, 2, 1000 + i]).flat();

test("a text that repeats itself takes fewer steps where drafts are cheap, as many as pay where they are dear", () => {
  const gain = (draftMs: number) => {
    const { ms, plainMs } = play({ texts: [copy(50, 20)], plainMs: 10, draftMs: (n) => n * draftMs });
    return plainMs / ms;
  };
  expect(gain(0.2)).toBeGreaterThan(4);
  expect(gain(3)).toBeGreaterThan(1.3);
  expect(gain(6)).toBeGreaterThan(1.02);
});

/** SmolLM2 Q8_0 on two cores: a step of one token takes 6.7 ms, of two 13, of eight 24. */
const cpu = (drafted: number) => (drafted === 0 ? 0 : 4.2 + 1.9 * drafted);

test("where a few drafted tokens do not pay and many do, it drafts many", () => {
  const { ms, plainMs } = play({ texts: [copy(100, 10)], plainMs: 6.7, draftMs: cpu });
  expect(plainMs / ms).toBeGreaterThan(1.7);
});

test("where a drafted token costs more than a token it stops, for as good as nothing", () => {
  const { ms, plainMs, steps, drafts } = play({ texts: [copy(50, 40)], plainMs: 10, draftMs: (n) => n * 12 });
  expect(ms / plainMs).toBeLessThan(1.02);
  expect(drafts.filter((drafted) => drafted > 0).length / steps).toBeLessThan(0.05);
});

test("what a grammar demands is drafted at once and kept apart from guesses that fail", () => {
  const speculation = new Speculation();
  play({ texts: [misleading(300)], plainMs: 10, draftMs: (n) => n }, speculation);
  const step = { sequences: 1, drafted: 0 };
  const text = { key: 99, tokens: misleading(4) };
  expect(speculation.propose(text, 8, step)).toEqual([]);
  expect(speculation.propose(text, 8, step, () => [7, 8, 9])).toEqual([7, 8, 9]);
  expect(speculation.propose(text, 2, step, () => [7, 8, 9])).toEqual([7, 8]);
});

test("a text that misleads is left alone", () => {
  const { drafts } = play({ texts: [misleading(300)], plainMs: 10, draftMs: (n) => n * 4 });
  expect(drafts.filter((drafted) => drafted > 0).length).toBeLessThan(10);
});

test("nothing is drafted before a few plain steps were measured, nor before guesses were right", () => {
  const { drafts } = play({ texts: [copy(50, 4)], plainMs: 10, draftMs: (n) => n });
  expect(drafts.findIndex((drafted) => drafted > 0)).toBeGreaterThan(48);
  const known = play({ texts: [copy(4, 50)], plainMs: 10, draftMs: (n) => n });
  expect(known.drafts.findIndex((drafted) => drafted > 0)).toBe(8);
});

test("it comes back when drafts have become cheap", () => {
  const { drafts } = play({ texts: [copy(50, 100)], plainMs: 10, draftMs: (n, step) => n * (step < 1000 ? 12 : 1) });
  expect(drafts.slice(500, 1000).filter((drafted) => drafted > 0).length).toBeLessThan(50);
  expect(drafts.slice(-200).filter((drafted) => drafted > 0).length).toBeGreaterThan(150);
});

test("many sequences at once fill a step by themselves", () => {
  const texts = (n: number) => Array.from({ length: n }, (_, i) => copy(20 + i, 20));
  expect(play({ texts: texts(5), plainMs: 10, draftMs: (n) => n / 10 }).drafts[60]).toBe(0);
  const { ms, plainMs } = play({ texts: texts(3), plainMs: 10, draftMs: (n) => n / 10 });
  expect(plainMs / ms).toBeGreaterThan(1.5);
});

test("a step that was computed with other threads is no measure", () => {
  const speculation = new Speculation();
  play({ texts: [copy(4, 50)], plainMs: 10, draftMs: (n) => n }, speculation);
  speculation.observe({ actions: [], entries: [], group: 0 }, 0, { ms: 10, threads: 2 });
  expect(speculation.propose({ key: 99, tokens: copy(4, 5) }, 8, { sequences: 1, drafted: 0 })).toEqual([]);
});

test("whatever the texts, the costs and the noise: what it costs stays below 3%, but for a few steps at the beginning", () => {
  const piece = fc.oneof(
    fc.record({ kind: fc.constant("copy" as const), passage: fc.integer({ min: 3, max: 60 }), times: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ kind: fc.constant("misleading" as const), times: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant("random" as const), tokens: fc.array(fc.nat(5), { minLength: 1, maxLength: 300, size: "max" }) }),
  );
  type Piece = typeof piece extends fc.Arbitrary<infer T> ? T : never;
  const written = (pieces: readonly Piece[]) =>
    pieces.flatMap((piece, i) => {
      if (piece.kind === "copy") return copy(piece.passage, piece.times).map((token) => token + 5000 * i);
      return piece.kind === "misleading" ? misleading(piece.times) : piece.tokens;
    });
  const text = fc.array(piece, { minLength: 1, maxLength: 20, size: "max" }).map((pieces) => [1, 2, 3, ...written(pieces)]);
  const world = fc.record({
    texts: fc.array(text, { minLength: 1, maxLength: 4 }),
    first: fc.double({ min: 0, max: 1, noNaN: true }),
    cost: fc.double({ min: 0, max: 1.2, noNaN: true }),
    seed: fc.integer(),
  });
  fc.assert(
    fc.property(world, ({ texts, first, cost, seed }) => {
      // Steps differ by a tenth; each by its number, so that a run can be repeated.
      const noise = (step: number) => 1 + 0.1 * Math.sin(step * 12.9898 + seed);
      const { ms, plainMs, steps } = play({
        texts,
        plainMs: 10,
        draftMs: (n) => (n > 0 ? 10 * first : 0) + (n * 10 * cost) / texts.length,
        noise,
      });
      expect(ms).toBeLessThan(1.03 * plainMs + 10 * 20);
      expect(steps).toBeGreaterThan(0);
    }),
    { numRuns: 200 },
  );
});
