/** T62: a model file that is missing, broken, strange or changed while it is served gives a clean error, and the server lives on. */
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { tinyModel } from "../fixtures/gguf.ts";
import { askJson } from "../support/raw.ts";
import { startServer, type TestServer, TINY, until } from "../support/server.ts";

let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-files-"));
  server = await startServer({ args: ["--model-dirs", folder, "--strict-models"] });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const ids = async (): Promise<string[]> => {
  const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: Array<{ id: string }> };
  return data.map(({ id }) => id);
};
const complete = (model: string) =>
  askJson(server, "/v1/completions", { model, prompt: "Once upon a time", max_tokens: 3, temperature: 0 });
const path = (name: string) => join(folder, `${name}.gguf`);

/** A good copy, seen by the server. */
async function offer(name: string): Promise<void> {
  copyFileSync(TINY, path(name));
  await until(async () => (await ids()).includes(name));
}

/** What a caller may hear of a failure: OpenAI's shape, and no path of this machine. */
function expectClean(answer: Awaited<ReturnType<typeof complete>>, statuses: readonly number[]): void {
  expect(statuses).toContain(answer.status);
  expect(answer.json).toEqual({
    error: expect.objectContaining({ message: expect.any(String), type: expect.any(String), code: expect.any(String) }),
  });
  expect(answer.text).not.toContain(folder);
}

async function expectAlive(): Promise<void> {
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect((await complete("shimmy-tiny")).status).toBe(200);
  expect(server.process.exitCode).toBeNull();
}

let name: string;
let count = 0;
beforeEach(() => {
  name = `model-${count++}`;
});

test("T62 a file that is removed before its first use is not found, and no longer listed", async () => {
  await offer(name);
  rmSync(path(name));
  expectClean(await complete(name), [404, 503]);
  await until(async () => !(await ids()).includes(name));
  const later = await complete(name);
  expectClean(later, [404]);
  expect(later.json.error.code).toBe("model_not_found");
  await expectAlive();
});

test("T62 a file that is cut off is refused before libllama sees it", async () => {
  await offer(name);
  truncateSync(path(name), 1_000_000);
  const answer = await complete(name);
  expectClean(answer, [404, 503]);
  await until(async () => !(await ids()).includes(name));
  await expectAlive();
});

const BROKEN = {
  empty: Buffer.alloc(0),
  text: Buffer.from("this is a text file, whatever its name says\n".repeat(100)),
  endless: readFileSync(TINY).subarray(0, 5000),
  noise: Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(4096, 0xff)]),
  martian: tinyModel({ "general.architecture": "martian" }),
};

test("T62 files that are empty, no GGUF, broken or of an unknown architecture are not offered, and asking for them is an error", async () => {
  for (const [name, content] of Object.entries(BROKEN)) writeFileSync(path(name), content);
  await offer(name); // written last, so the others have been seen too
  for (const broken of Object.keys(BROKEN)) {
    expect(await ids()).not.toContain(broken);
    expectClean(await complete(broken), [404]);
  }
  await expectAlive();
});

test("T62 a file that libllama refuses fails its request with the reason, again and again", async () => {
  // The header is that of a model, but the tensors are missing.
  writeFileSync(path(name), tinyModel());
  await until(async () => (await ids()).includes(name));
  for (const _ of [1, 2]) {
    const answer = await complete(name);
    expectClean(answer, [503]);
    expect(answer.json.error.code).toBe("model_load_failed");
  }
  const model = await (await fetch(`${server.url}/v1/models/${name}`)).json();
  expect(model).toMatchObject({ loaded: false, status: { value: "failed" } });
  await expectAlive();
});

test("T62 a file that failed is loaded once it is repaired", async () => {
  writeFileSync(path(name), tinyModel());
  await until(async () => (await ids()).includes(name));
  expectClean(await complete(name), [503]);
  copyFileSync(TINY, path(name));
  await until(async () => (await complete(name)).status === 200);
});

test("T62 a file that is replaced while it is served: answers go on", async () => {
  await offer(name);
  const first = await complete(name);
  expect(first.status).toBe(200);
  writeFileSync(join(folder, "new"), readFileSync(TINY));
  renameSync(join(folder, "new"), path(name));
  const second = await complete(name);
  expect([second.status, second.json.choices?.[0].text]).toEqual([200, first.json.choices[0].text]);
  await expectAlive();
});

test("T62 a file that is cut off while it is served takes down its own engine at most", async () => {
  await offer(name);
  expect((await complete(name)).status).toBe(200);
  truncateSync(path(name), 1_000_000);
  for (const _ of [1, 2, 3]) {
    const answer = await complete(name);
    if (answer.status !== 200) expectClean(answer, [404, 503]);
    await expectAlive();
  }
});
