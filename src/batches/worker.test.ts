import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Batch, BatchOwner, Dispatch, Errand, ErrandAnswer } from "../contract/batches.ts";
import { FileStore } from "../files/store.ts";
import { createLogger } from "../telemetry/log.ts";
import { BatchWorker, type WorkerOptions } from "./worker.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-worker-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

let time = 1_700_000_000_000;
const files = () => new FileStore({ folder: join(folder, "files"), maxFileBytes: 1e6, maxTotalBytes: 1e7, expiryMs: 0, now: () => time });

const good = (body: unknown = {}): ErrandAnswer => ({ status: 200, requestId: "r", body });

function worker(dispatch: Dispatch, more: Partial<WorkerOptions> = {}) {
  return new BatchWorker({
    folder: join(folder, "batches"),
    files: files(),
    dispatch,
    parallel: async () => 2,
    maxLineBytes: 1000,
    expiryMs: 86_400_000 * 30,
    log: createLogger({ level: "error", format: "json", write: () => undefined }),
    now: () => time,
    wait: async () => undefined,
    ...more,
  });
}

const line = (id: string, body: object = {}) => JSON.stringify({ custom_id: id, method: "POST", url: "/v1/embeddings", body });
const lines = (count: number) => Array.from({ length: count }, (_, i) => line(`${i}`)).join("\n");

async function submit(to: BatchWorker, text: string, owner: BatchOwner = {}): Promise<Batch> {
  const received = await files().receive(ReadableStream.from([Buffer.from(text)]), undefined);
  const { id } = await received.keep({ filename: "in", purpose: "batch", owner: owner.caller });
  return to.create({ inputFileId: id, endpoint: "/v1/embeddings" }, owner);
}

const OVER = ["completed", "failed", "cancelled", "expired"];
async function ended(of: BatchWorker, { id }: Batch, caller?: string): Promise<Batch> {
  await vi.waitFor(async () => expect(OVER).toContain((await of.get(id, caller)).status), { interval: 2, timeout: 5000 });
  await vi.waitFor(() => expect(existsSync(workOf({ id }))).toBe(false));
  return of.get(id, caller);
}

const workOf = ({ id }: Pick<Batch, "id">, name = "") => join(folder, "batches", "work", id, name);

async function rows(id: string | undefined, owner?: string): Promise<Array<{ custom_id: string; error: { code: string } | null }>> {
  if (id === undefined) return [];
  const pieces: Uint8Array[] = [];
  for await (const piece of (await files().open(id, owner)).content) pieces.push(piece);
  return Buffer.concat(pieces)
    .toString()
    .split("\n")
    .slice(0, -1)
    .map((row) => JSON.parse(row));
}
const idsOf = async (id: string | undefined) => (await rows(id)).map(({ custom_id }) => custom_id);

/** Answers when it is told to. */
function held() {
  const asked: Array<{ errand: Errand; answer: (answer?: ErrandAnswer) => void }> = [];
  const dispatch: Dispatch = (errand) =>
    new Promise((resolve) => {
      const answer = (given = good()) => resolve(given);
      errand.signal.addEventListener("abort", () => answer({ status: 499, requestId: "", body: {} }));
      asked.push({ errand, answer });
    });
  return { asked, dispatch, waits: (count: number) => vi.waitFor(() => expect(asked).toHaveLength(count)) };
}

test("lines are asked in the owner's name, a few at once, batches in turn", async () => {
  const { asked, dispatch, waits } = held();
  const w = worker(dispatch);
  const [first, second] = [await submit(w, lines(3), { caller: "me", strict: true }), await submit(w, lines(2), { caller: "you" })];
  await waits(2);
  expect(asked[0]!.errand).toMatchObject({ path: "/v1/embeddings", owner: { caller: "me", strict: true } });
  for (let i = 0; i < 5; i++) {
    await waits(Math.min(i + 2, 5));
    asked[i]!.answer();
  }
  // Two of the first are in when the second comes; then they take turns.
  expect(
    asked
      .map(({ errand }) => errand.owner.caller)
      .slice(2, 4)
      .sort(),
  ).toEqual(["me", "you"]);
  for (const [batch, caller] of [
    [first, "me"],
    [second, "you"],
  ] as const)
    expect((await ended(w, batch, caller)).status).toBe("completed");
});

test("what the server cannot take now is asked again until it can; a broken engine three times", async () => {
  const answers: Record<string, number[]> = { a: [429, 429, 503, 429, 200], b: [503, 503, 503, 200], c: [400] };
  const waited: number[] = [];
  const dispatch: Dispatch = async ({ body }) => {
    const status = answers[(body as { id: string }).id]!.shift()!;
    return { status, requestId: "r", body: {}, ...(status === 429 && { retryAfterMs: 7000 }) };
  };
  const w = worker(dispatch, { wait: async (ms) => void waited.push(ms), parallel: async () => 1 });
  const done = await ended(w, await submit(w, ["a", "b", "c"].map((id) => line(id, { id })).join("\n")));
  expect(done).toMatchObject({ status: "completed", counts: { total: 3, completed: 1, failed: 2 } });
  expect(await idsOf(done.outputFileId)).toEqual(["a"]);
  expect(await rows(done.errorFileId)).toMatchObject([
    { custom_id: "b", response: { status_code: 503 }, error: null },
    { custom_id: "c", response: { status_code: 400 }, error: null },
  ]);
  expect(waited.slice(0, 2)).toEqual([7000, 7000]);
});

test("tokens of all answers are counted, in both dialects", async () => {
  const usages = [
    {
      prompt_tokens: 3,
      completion_tokens: 2,
      prompt_tokens_details: { cached_tokens: 1 },
      completion_tokens_details: { reasoning_tokens: 1 },
    },
    { input_tokens: 10, output_tokens: 20, input_tokens_details: { cached_tokens: 4 }, output_tokens_details: { reasoning_tokens: 5 } },
    { prompt_tokens: "x" },
    null,
  ];
  const w = worker(async () => good({ usage: usages.pop() }));
  const done = await ended(w, await submit(w, lines(4)));
  expect(done.usage).toEqual({ inputTokens: 13, cachedTokens: 5, outputTokens: 22, reasoningTokens: 6 });
});

test("after its time a batch ends: what was answered stays, the rest is told as expired", async () => {
  const { asked, dispatch, waits } = held();
  const w = worker(dispatch, { parallel: async () => 1 });
  const batch = await submit(w, lines(4));
  expect(batch.expiresAt - batch.createdAt).toBe(86_400_000);
  await waits(1);
  asked[0]!.answer();
  await waits(2);
  time += 86_400_000;
  asked[1]!.answer();
  const done = await ended(w, batch);
  expect(done).toMatchObject({ status: "expired", expiredAt: time, counts: { total: 4, completed: 2, failed: 0 } });
  expect(await idsOf(done.outputFileId)).toEqual(["0", "1"]);
  expect((await rows(done.errorFileId)).map(({ custom_id, error }) => [custom_id, error?.code])).toEqual([
    ["2", "batch_expired"],
    ["3", "batch_expired"],
  ]);
});

test("a stopped worker leaves what it did; the next one asks only what is missing, even after half a line", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 6 }),
      fc.constantFrom("", '{"line":5,"ok":tr', '{"line":5,"ok":true,"row":null}\n', "\0\0\0\n"),
      async (answered, torn) => {
        const first = held();
        const w = worker(first.dispatch, { parallel: async () => 1 });
        const batch = await submit(w, lines(6));
        for (let i = 0; i < answered; i++) {
          await first.waits(i + 1);
          first.asked[i]!.answer();
        }
        if (answered < 6) {
          await first.waits(answered + 1);
          await w.close();
          expect(readFileSync(workOf(batch, "done.jsonl"), "utf8").split("\n")).toHaveLength(answered + 1);
          appendFileSync(workOf(batch, "done.jsonl"), torn);
        }
        const asked: string[] = [];
        const next = worker(async () => good(void asked.push("x")));
        await next.resume();
        const done = await ended(next, batch);
        expect(asked).toHaveLength(6 - answered);
        expect(done.counts).toEqual({ total: 6, completed: 6, failed: 0 });
        expect((await idsOf(done.outputFileId)).sort()).toEqual(["0", "1", "2", "3", "4", "5"]);
      },
    ),
    { numRuns: 15 },
  );
});

test("a process that ends while it writes the files writes them once", async () => {
  const w = worker(async () => good());
  const batch = await submit(w, lines(3));
  const done = await ended(w, batch);
  // As it was before the end was written down: the output is there already, half of it lies in the work folder too.
  const path = join(folder, "batches", `${batch.id}.json`);
  const record = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...record, ending: "completed", batch: { ...record.batch, status: "finalizing" } }));
  mkdirSync(workOf(batch));
  const row = (i: number) => JSON.stringify({ line: i + 1, ok: true, row: { id: "x", custom_id: `${i}`, response: null, error: null } });
  writeFileSync(workOf(batch, "done.jsonl"), `${[0, 1, 2].map(row).join("\n")}\n`);
  writeFileSync(workOf(batch, "output.jsonl"), "half of");
  const next = worker(() => Promise.reject(new Error("nothing is to be asked")));
  await next.resume();
  const again = await ended(next, batch);
  expect(again.outputFileId).toBe(done.outputFileId);
  expect(await idsOf(again.outputFileId)).toEqual(["0", "1", "2"]);
  expect((await files().list(undefined)).filter(({ purpose }) => purpose === "batch_output")).toHaveLength(1);
});

test("a batch is worked on once, however many servers share the folder; any of them can cancel it", async () => {
  const { asked, dispatch, waits } = held();
  const [one, other] = [worker(dispatch, { parallel: async () => 1 }), worker(() => Promise.reject(new Error("not mine")))];
  const batch = await submit(one, lines(3));
  await waits(1);
  await other.resume();
  expect((await other.get(batch.id, undefined)).status).toBe("in_progress");
  expect((await other.cancel(batch.id, undefined)).status).toBe("cancelling");
  asked[0]!.answer();
  expect(await ended(one, batch)).toMatchObject({ status: "cancelled", counts: { completed: 1 } });
  await expect(other.cancel(batch.id, undefined)).rejects.toMatchObject({ code: "batch_over" });
});

test("a cancel that was wished of a process that was killed holds", async () => {
  const first = held();
  const w = worker(first.dispatch);
  const batch = await submit(w, lines(3));
  await first.waits(2);
  await w.close();
  writeFileSync(workOf(batch, "cancel"), "5");
  const next = worker(() => Promise.reject(new Error("nothing is to be asked")));
  await next.resume();
  expect(await ended(next, batch)).toMatchObject({ status: "cancelled", cancellingAt: 5, counts: { total: 3, completed: 0 } });
});

test("an answer that cannot be written fails the batch, not the server, and loses none of the others", async () => {
  const { asked, dispatch, waits } = held();
  const w = worker(dispatch);
  const batch = await submit(w, lines(3));
  await waits(2);
  asked[0]!.answer();
  await waits(3);
  asked[1]!.answer(good(1n)); // no JSON
  const done = await ended(w, batch);
  expect(done).toMatchObject({ status: "failed", errors: [{ code: "server_error" }], counts: { completed: 1 } });
  expect(await idsOf(done.outputFileId)).toEqual(["0"]);
});

test("no more than a hundred are unfinished, and what is long over is forgotten", async () => {
  const { dispatch } = held();
  const w = worker(dispatch);
  const [old] = [await submit(w, "{")];
  await ended(w, old!);
  for (let i = 0; i < 100; i++) mkdirSync(workOf({ id: `batch_${i.toString(16).padStart(32, "0")}` }), { recursive: true });
  await expect(submit(w, lines(1))).rejects.toMatchObject({ code: "batches_full", status: 429 });
  rmSync(join(folder, "batches", "work"), { recursive: true });
  time += 86_400_000 * 31;
  const fresh = await submit(w, lines(1));
  expect(readdirSync(join(folder, "batches")).filter((name) => name.endsWith(".json"))).toEqual([`${fresh.id}.json`]);
  await w.close();
});

test("one that ends in the very moment of its cancel is over", async () => {
  const { dispatch, waits } = held();
  const w = worker(dispatch);
  const batch = await submit(w, lines(1));
  await waits(1);
  rmSync(workOf(batch), { recursive: true });
  await expect(w.cancel(batch.id, undefined)).rejects.toMatchObject({ code: "batch_over" });
  await w.close();
});

test("a long check does not hold up the end of the server", async () => {
  const w = worker(() => Promise.reject(new Error("nothing is to be asked")));
  const batch = await submit(w, lines(3));
  await w.close();
  expect((await w.get(batch.id, undefined)).status).toBe("validating");
});

test("a file that is deleted while a batch is made of it is not found", async () => {
  const store = files();
  const w = worker(held().dispatch, { files: store });
  const file = await (await store.receive(ReadableStream.from([Buffer.from(lines(1))]), undefined)).keep({
    filename: "in",
    purpose: "batch",
  });
  rmSync(join(folder, "files", file.id));
  const get = store.get.bind(store);
  let asked = 0;
  store.get = (...of) => (++asked < 3 ? get(...of) : store.remove(file.id, undefined).then(() => get(...of)));
  vi.spyOn(store, "remove").mockImplementation(async () => rmSync(join(folder, "files", `${file.id}.json`)));
  await expect(w.create({ inputFileId: file.id, endpoint: "/v1/embeddings" }, {})).rejects.toMatchObject({ code: "file_not_found" });
  expect(readdirSync(join(folder, "batches", "work"))).toEqual([]);
});

const EDITED = '{"batch":{"id":"ID","createdAt":1,"expiresAt":2,"counts":{"total":0,"completed":0,"failed":0},"status":"failed",';

test.each([
  "",
  "{",
  "null",
  "{}",
  '{"batch":{"id":"ID"},"owner":{},"planned":{"output":"a","error":"b"}}',
  `${EDITED}"endpoint":"/v1/embeddings"},"owner":null,"planned":{"output":"a","error":"b"}}`,
])("a record %j of whoever edited it is no batch", async (record) => {
  const w = worker(async () => good());
  const batch = await submit(w, lines(1));
  await ended(w, batch);
  writeFileSync(join(folder, "batches", `${batch.id}.json`), record.replace("ID", batch.id));
  await expect(w.get(batch.id, undefined)).rejects.toMatchObject({ code: "batch_not_found" });
  expect(await w.list(undefined)).toEqual([]);
});
