import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FileDraft } from "../contract/files.ts";
import { FileStore, type FileStoreOptions, newFileId } from "./store.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-files-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

let time = 1_700_000_000_000;
const store = (more: Partial<FileStoreOptions> = {}) =>
  new FileStore({ folder: join(folder, "files"), maxFileBytes: 100, maxTotalBytes: 250, expiryMs: 1000, now: () => time, ...more });
const draft = { filename: "x", purpose: "user_data" };
const bytes = (...sizes: number[]) => ReadableStream.from(sizes.map((size) => Buffer.alloc(size, "x")));
const put = async (files: FileStore, size = 10, more: Partial<FileDraft> = {}) =>
  (await files.receive(bytes(size), more.owner)).keep({ ...draft, ...more });
const names = () => readdirSync(join(folder, "files"));

async function text(content: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

test("what is kept is there for its owner, in another process too", async () => {
  const file = await put(store(), 10, { owner: "me" });
  const other = store();
  expect(await other.get(file.id, "me")).toEqual(file);
  const { content } = await other.open(file.id, "me");
  expect(await text(content)).toBe("x".repeat(10));
  expect(await other.list("me")).toEqual([file]);
  for (const owner of [undefined, "you"]) {
    await expect(other.get(file.id, owner)).rejects.toMatchObject({ code: "file_not_found" });
    await expect(other.remove(file.id, owner)).rejects.toMatchObject({ code: "file_not_found" });
    expect(await other.list(owner)).toEqual([]);
  }
  await other.remove(file.id, "me");
  expect(names()).toEqual([]);
});

test("a file that is read is read to its end, whoever deletes it meanwhile", async () => {
  const files = store();
  const { id } = await put(files);
  const { content } = await files.open(id, undefined);
  await files.remove(id, undefined);
  expect(await text(content)).toBe("x".repeat(10));
});

describe("limits", () => {
  test("one file, counted as its bytes come", async () => {
    const files = store();
    expect((await put(files, 100)).bytes).toBe(100);
    let given = 0;
    const endless = async function* () {
      for (;;) {
        given++;
        yield Buffer.alloc(30);
      }
    };
    await expect(files.receive(endless(), undefined)).rejects.toMatchObject({ code: "file_too_large", status: 413 });
    expect(given).toBe(4);
    expect(names()).toHaveLength(2);
  });

  test("all files together, also those that arrive at the same time", async () => {
    const files = store();
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => files.receive(bytes(50, 40), undefined)));
    const taken = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(taken.length).toBeLessThanOrEqual(2);
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "files_full" });
    for (const { value } of taken) await value.discard();
    expect(names()).toEqual([]);
    for (let i = 0; i < 2; i++) await put(files, 100); // nothing of it is counted any more
  });

  test("with several keys each has its share: one that has filled its own leaves the others theirs", async () => {
    const files = store({ owners: 2 }); // 125 bytes each
    await put(files, 100, { owner: "a" });
    await expect(put(files, 50, { owner: "a" })).rejects.toMatchObject({
      code: "files_full",
      message: expect.stringContaining("125 bytes, the share of one of 2 API keys"),
    });
    const { id } = await put(files, 100, { owner: "b" });
    await expect(put(files, 50, { owner: "b" })).rejects.toMatchObject({ code: "files_full" });
    await files.remove(id, "b");
    await put(files, 20, { owner: "a" });
    await put(files, 60, { owner: "b" });
    await put(files, 60, { owner: "b" });
  });

  test("the share of a key holds for its uploads at the same time", async () => {
    const files = store({ owners: 2 });
    const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => files.receive(bytes(50, 40), "a")));
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled").length).toBeLessThanOrEqual(2);
    for (let i = 0; i < 2; i++) await put(files, 60, { owner: "b" });
  });

  test("what has come is counted before it is kept: a form that goes on behind its file makes no room for the next", async () => {
    const files = store({ owners: 2 }); // 125 bytes each
    const first = await files.receive(bytes(100), "a");
    await expect(files.receive(bytes(100), "a")).rejects.toMatchObject({ code: "files_full" });
    await put(files, 100, { owner: "b" });
    await first.discard();
    await first.discard();
    const second = await files.receive(bytes(100), "a");
    await second.keep({ ...draft, owner: "a" });
    await second.discard();
    const nobodys = await files.receive(bytes(1, 40), undefined);
    expect(await nobodys.keep({ ...draft, owner: undefined })).toMatchObject({ bytes: 41 });
    await expect(files.receive(bytes(40), "c")).rejects.toMatchObject({ code: "files_full" });
  });

  test("what is deleted makes room at once, whoever uploads without end", async () => {
    const files = store();
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const endless = async function* () {
      yield Buffer.alloc(50);
      await ended;
    };
    const slow = files.receive(endless(), undefined);
    for (let i = 0; i < 5; i++) {
      const { id } = await put(files, 100);
      await files.remove(id, undefined);
    }
    await put(files, 100);
    await put(files, 100);
    await expect(put(files, 20)).rejects.toMatchObject({ code: "files_full" });
    end();
    await (await slow).discard();
    await put(files, 50);
  });

  test("what another process keeps is counted", async () => {
    const [files, other] = [store(), store()];
    await put(files, 100);
    await put(other, 100);
    await expect(put(files, 100)).rejects.toMatchObject({ code: "files_full" });
  });
});

test("what breaks off leaves nothing", async () => {
  const broken = async function* () {
    yield Buffer.alloc(10);
    throw new Error("gone");
  };
  await expect(store().receive(broken(), undefined)).rejects.toThrow("gone");
  expect(names()).toEqual([]);
});

test("a folder that cannot be used is told by its code, not by its path", async () => {
  writeFileSync(join(folder, "files"), "a file");
  const failure = await store()
    .receive(bytes(1), undefined)
    .catch((error: Error) => error);
  expect(failure).toMatchObject({ code: "files_unusable", message: expect.not.stringContaining(folder) });
});

describe("time", () => {
  test("an expired file is gone, asked for or not; one that is kept for ever stays", async () => {
    const files = store();
    const [short, asked, kept] = [await put(files), await put(files, 1, { expiresAfterMs: 5000 }), await put(store({ expiryMs: 0 }))];
    expect(kept.expiresAt).toBeUndefined();
    time += 1000;
    await expect(files.get(short.id, undefined)).rejects.toMatchObject({ code: "file_not_found" });
    expect((await files.list(undefined)).map(({ id }) => id).sort()).toEqual([asked.id, kept.id].sort());
    time += 4000;
    await put(store()); // a look at the folder comes with the first upload of a process
    expect(names()).not.toContain(asked.id);
    expect(names()).toContain(kept.id);
  });

  test("halves of a process that is gone are swept, those of now are not, and nothing of others", async () => {
    await put(store());
    const old = [`${newFileId()}.part`, newFileId(), `${newFileId()}.json.x.part`, "notes.txt"];
    const now = [`${newFileId()}.part`, newFileId()];
    for (const name of [...old, ...now]) writeFileSync(join(folder, "files", name), "x");
    for (const name of old) utimesSync(join(folder, "files", name), 1, 1);
    await put(store());
    expect(old.filter((name) => names().includes(name))).toEqual(["notes.txt"]);
    expect(now.filter((name) => names().includes(name))).toEqual(now);
  });
});

test.each([
  "",
  "null",
  "{}",
  "[",
  '{"id":1}',
  '{"id":"ID","bytes":-1,"createdAt":1,"filename":"x","purpose":"x"}',
  '{"id":"file-other","bytes":1,"createdAt":1,"filename":"x","purpose":"x"}',
])("a record %j of whoever edited it is no file, and its content is not thrown away", async (record) => {
  const files = store();
  const { id } = await put(files);
  writeFileSync(join(folder, "files", `${id}.json`), record.replace("ID", id));
  await expect(files.get(id, undefined)).rejects.toMatchObject({ code: "file_not_found" });
  expect(await files.list(undefined)).toEqual([]);
  utimesSync(join(folder, "files", id), 1, 1);
  await put(store());
  expect(names()).toContain(id);
});

test("a finished file is adopted under its planned id, as often as it is tried", async () => {
  const files = store();
  const id = newFileId();
  for (const content of ["first", "second"]) {
    writeFileSync(join(folder, "out"), content);
    await files.adopt(id, join(folder, "out"), { ...draft, purpose: "batch_output" });
  }
  expect(existsSync(join(folder, "out"))).toBe(false);
  expect(await text((await files.open(id, undefined)).content)).toBe("second");
  expect(await files.list(undefined)).toHaveLength(1);
});
