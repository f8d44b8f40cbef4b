/** Threads that compile grammars: how many at once, who waits, who need not. */
import { EventEmitter } from "node:events";
import { beforeEach, expect, test, vi } from "vitest";
import type { GrammarJob } from "../chat/answer/grammar.ts";
import { compileGrammar } from "./compile-grammar.ts";

/** The threads that run, in the order in which they were started. */
const running = vi.hoisted((): Array<{ finish(): void }> => []);
vi.mock("node:worker_threads", () => ({
  Worker: class extends EventEmitter {
    finish(): void {
      this.emit("message", { constraint: { gbnf: 'root ::= "a"' }, warnings: [] });
    }
    terminate(): void {
      running.splice(running.indexOf(this), 1);
    }
    constructor() {
      super();
      running.push(this);
    }
  },
}));
beforeEach(() => expect(running).toEqual([]));

const soon = () => new Promise((resolve) => setTimeout(resolve, 5));
const { signal } = new AbortController();
/** Too large to be compiled in passing. */
function large(name: string): GrammarJob {
  const schema = { enum: Array.from({ length: 2000 }, (_, i) => `${name} ${i}`) };
  return { format: "hermes", tools: [], parallel: true, constraint: { schema, param: "response_format" } };
}

test("so many at once, then the next in the order they came; who leaves is passed over", async () => {
  const leaving = new AbortController();
  const done: string[] = [];
  const jobs = [..."abcdefg"].map(async (name) => {
    await compileGrammar(large(name), name === "e" ? leaving.signal : signal).then(
      () => done.push(name),
      (error) => done.push(`${name} ${error.code}`),
    );
  });
  await soon();
  expect(running).toHaveLength(3);
  leaving.abort();
  while (done.length < 7) {
    running[0]?.finish();
    await soon();
    expect(running.length).toBeLessThanOrEqual(3);
  }
  await Promise.all(jobs);
  expect(done).toEqual(["e client_closed", "a", "b", "c", "d", "f", "g"]);
});

test("what was compiled while it waited is not compiled again", async () => {
  const jobs = ["h", "i", "j", "h", "h"].map((name) => compileGrammar(large(name), signal));
  await soon();
  running[0]!.finish();
  await soon();
  expect(running).toHaveLength(2);
  for (const thread of [...running]) thread.finish();
  expect(await Promise.all(jobs)).toHaveLength(5);
});
