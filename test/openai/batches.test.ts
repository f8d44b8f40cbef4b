/** Files, batches and moderations with the official client, against a real server and Shimmy Tiny. */
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import OpenAI, { BadRequestError, NotFoundError, toFile } from "openai";
import type { Batch, BatchCreateParams } from "openai/resources/batches";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, open } from "../support/raw.ts";
import { post, startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS, WIDE } from "../support/work.ts";
import { ask } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-batches-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let server: TestServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startServer({ cwd: folder, args: ["--threads", "1"] });
  client = clientOf(server);
});
afterAll(() => server.stop());

const clientOf = ({ url }: TestServer, apiKey = "none") => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

const CHATS = "/v1/chat/completions";
const chat = (content = "hello", more: object = {}) => ({
  model: "shimmy-tiny",
  messages: ask(content),
  temperature: 0,
  max_tokens: 4,
  ...more,
});

interface Row {
  readonly id: string;
  readonly custom_id: string;
  readonly response: { status_code: number; request_id: string; body: { choices: unknown[]; error?: { code: string } } } | null;
  readonly error: { code: string } | null;
}

const jsonl = (lines: readonly unknown[]) => lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
const request = (custom_id: string, body: object = chat(), url: string = CHATS) => ({ custom_id, method: "POST", url, body });

async function submit(lines: readonly unknown[], more: Partial<BatchCreateParams> = {}, by = client): Promise<Batch> {
  const file = await by.files.create({ file: await toFile(Buffer.from(jsonl(lines)), "in.jsonl"), purpose: "batch" });
  return by.batches.create({ input_file_id: file.id, endpoint: CHATS, completion_window: "24h", ...more });
}

async function errorOf(response: Response): Promise<{ code: string; param: string | null }> {
  return ((await response.json()) as { error: { code: string; param: string | null } }).error;
}

const OVER = ["completed", "failed", "cancelled", "expired"];

async function ended({ id }: Pick<Batch, "id">, by = client): Promise<Batch> {
  let batch: Batch | undefined;
  await until(async () => {
    batch = await by.batches.retrieve(id);
    return OVER.includes(batch.status);
  });
  return batch!;
}

async function rows(fileId: string | undefined, by = client): Promise<Row[]> {
  if (fileId === undefined) return [];
  const text = await (await by.files.content(fileId)).text();
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

describe("files", () => {
  test("a file from a stream is kept, listed, read and deleted", async () => {
    const path = join(folder, "notes.txt");
    writeFileSync(path, "Gänse\r\nund --boundary Füchse\n".repeat(20_000));
    const file = await client.files.create({ file: createReadStream(path), purpose: "user_data" });
    expect(file).toMatchObject({
      object: "file",
      bytes: statSync(path).size,
      filename: "notes.txt",
      purpose: "user_data",
      status: "processed",
    });
    expect(file.expires_at! - file.created_at).toBe(30 * 86_400);
    expect(await client.files.retrieve(file.id)).toEqual(file);
    const listed: string[] = [];
    for await (const each of client.files.list({ purpose: "user_data", limit: 1 })) listed.push(each.id);
    expect(listed).toEqual([file.id]);
    expect(await (await client.files.content(file.id)).text()).toBe("Gänse\r\nund --boundary Füchse\n".repeat(20_000));
    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: "file", deleted: true });
    await expect(client.files.retrieve(file.id)).rejects.toBeInstanceOf(NotFoundError);
  });

  test("whoever asks for the head of its content opens nothing", async () => {
    const { id } = await client.files.create({ file: await toFile(Buffer.from("four"), "x"), purpose: "user_data" });
    const opened = () => readdirSync(`/proc/${server.pid}/fd`).length;
    const before = opened();
    for (let i = 0; i < 20; i++) {
      const answer = await fetch(`${server.url}/v1/files/${id}/content`, { method: "HEAD" });
      expect([answer.status, answer.headers.get("content-length")]).toEqual([200, "4"]);
    }
    expect(opened() - before).toBeLessThan(10);
  });

  test("its sender says when it expires", async () => {
    const expires_after = { anchor: "created_at", seconds: 3600 } as const;
    const file = await client.files.create({ file: await toFile(Buffer.from("x"), "x"), purpose: "assistants", expires_after });
    expect(file.expires_at! - file.created_at).toBe(3600);
    const short = client.files.create({
      file: await toFile(Buffer.from("x"), "x"),
      purpose: "batch",
      expires_after: { ...expires_after, seconds: 1 },
    });
    await expect(short).rejects.toMatchObject({ status: 400, param: "expires_after.seconds" });
  });

  test("pages follow each other in both orders", async () => {
    const made: string[] = [];
    for (const name of ["a", "b", "c"])
      made.push((await client.files.create({ file: await toFile(Buffer.from(name), name), purpose: "evals" })).id);
    const ids = async (order: "asc" | "desc") => {
      const found: string[] = [];
      for await (const { id } of client.files.list({ purpose: "evals", limit: 2, order })) found.push(id);
      return found;
    };
    expect(new Set(await ids("desc"))).toEqual(new Set(made));
    expect(await ids("asc")).toEqual((await ids("desc")).reverse());
    await expect(client.files.list({ after: `file-${"0".repeat(32)}` })).rejects.toMatchObject({ status: 400, param: "after" });
  });

  test.each(["../../etc/passwd", "file-1", `file-${"0".repeat(32)}`, "file-..%2f..%2fx", "%00"])(
    "%j is no file, and no path",
    async (id) => {
      for (const path of [`/v1/files/${encodeURIComponent(id)}`, `/v1/files/${encodeURIComponent(id)}/content`]) {
        const response = await fetch(server.url + path);
        expect([response.status, (await errorOf(response)).code]).toEqual([404, "file_not_found"]);
      }
    },
  );

  test("files and their folder are for the user alone", async () => {
    await client.files.create({ file: await toFile(Buffer.from("x"), "x"), purpose: "user_data" });
    const home = join(folder, "shimmy", "files");
    expect(statSync(home).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(home)) expect([name, statSync(join(home, name)).mode & 0o777]).toEqual([name, 0o600]);
  });
});

describe("uploads that go wrong leave nothing", () => {
  const stored = () => readdirSync(join(folder, "shimmy", "files"));
  const send = (body: string, type = "multipart/form-data; boundary=b") =>
    fetch(`${server.url}/v1/files`, { method: "POST", headers: { "content-type": type }, body });
  const field = (name: string, value: string) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const FILE = field('file"; filename="x', "content");

  test.each([
    ["JSON", "{}", "application/json"],
    ["no boundary", FILE, "multipart/form-data"],
    ["nothing", ""],
    ["no end", FILE],
    ["no end of the headers", "--b\r\nContent-Disposition: form-data"],
    ["a field without a name", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"],
    ["rubbish behind a boundary", "--bx\r\n\r\n--b--"],
    ["too long a header", `--b\r\n${"x".repeat(40_000)}\r\n\r\n--b--`],
    ["too long a field", `${field("purpose", "x".repeat(5000))}--b--`],
    ["too many fields", `${field("x", "").repeat(100)}--b--`],
  ])("%s", async (_, body, type?: string) => {
    const before = stored();
    const response = await send(body, type);
    expect([response.status, (await errorOf(response)).code]).toEqual([400, "invalid_multipart"]);
    expect(stored()).toEqual(before);
  });

  test.each([
    ["purpose", `${FILE}--b--`],
    ["purpose", `${FILE}${field("purpose", "world domination")}--b--`],
    ["file", `${field("purpose", "batch")}--b--`],
    ["file", `${FILE}${FILE}${field("purpose", "batch")}--b--`],
  ])("a wrong %s", async (param, body) => {
    const before = stored();
    const response = await send(body);
    expect([response.status, (await errorOf(response)).param]).toEqual([400, param]);
    expect(stored()).toEqual(before);
  });

  test("one that breaks off", async () => {
    const before = stored();
    const connection = await open(server);
    connection.write(
      `POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999999\r\n\r\n${FILE.slice(0, -4)}${"x".repeat(200_000)}`,
    );
    await until(() => stored().length > before.length);
    connection.destroy();
    await until(() => stored().length === before.length);
  });
});

describe("batches", () => {
  test("every line is answered once, good ones and bad ones in their files", async () => {
    const batch = await submit(
      [request("a"), request("b", chat("x", { temperature: 99 })), "", request("c", chat("c", { model: "none" }))],
      {
        metadata: { mine: "yes" },
        output_expires_after: { anchor: "created_at", seconds: 7200 },
      },
    );
    expect(batch).toMatchObject({
      object: "batch",
      status: "validating",
      endpoint: CHATS,
      metadata: { mine: "yes" },
      completion_window: "24h",
    });
    expect(batch.expires_at! - batch.created_at).toBe(86_400);
    const done = await ended(batch);
    expect(done).toMatchObject({ status: "completed", request_counts: { total: 3, completed: 2, failed: 1 }, model: "shimmy-tiny" });
    expect(done.completed_at).toBeGreaterThanOrEqual(done.in_progress_at!);
    expect(done.usage!.output_tokens).toBeGreaterThan(0);
    const output = await rows(done.output_file_id);
    expect(output.map(({ custom_id }) => custom_id).sort()).toEqual(["a", "c"]);
    const direct = await client.chat.completions.create(chat() as OpenAI.ChatCompletionCreateParamsNonStreaming);
    expect(output.find(({ custom_id }) => custom_id === "a")).toMatchObject({
      id: expect.stringMatching(/^batch_req_/),
      response: { status_code: 200, request_id: expect.stringMatching(/./), body: { object: "chat.completion", choices: direct.choices } },
      error: null,
    });
    expect(await rows(done.error_file_id)).toMatchObject([
      { custom_id: "b", response: { status_code: 400, body: { error: { code: "invalid_value", param: "temperature" } } }, error: null },
    ]);
    const file = await client.files.retrieve(done.output_file_id!);
    expect([file.purpose, file.filename, file.expires_at! - file.created_at]).toEqual(["batch_output", `${batch.id}_output.jsonl`, 7200]);
    expect((await client.batches.list()).data[0]!.id).toBe(batch.id);
  });

  test("completions are an endpoint too", async () => {
    const body = { model: "shimmy-tiny", prompt: "Once", max_tokens: 2 };
    const done = await ended(await submit([request("p", body, "/v1/completions")], { endpoint: "/v1/completions" }));
    expect(await rows(done.output_file_id)).toMatchObject([{ custom_id: "p", response: { body: { object: "text_completion" } } }]);
  });

  test("random lines in: each custom_id exactly once out", async () => {
    const body = fc.oneof(
      fc
        .record({ content: fc.string({ maxLength: 20 }), max_tokens: fc.integer({ min: 1, max: 3 }) })
        .map(({ content, ...more }) => chat(content, more)),
      fc.constant({}),
      fc.record({ messages: fc.constantFrom(null, [], "x", [{ role: "user" }]), temperature: fc.double() }),
    );
    const ids = fc.uniqueArray(
      fc.string({ minLength: 1, maxLength: 12, unit: "binary" }).filter((id) => id.trim() !== ""),
      { minLength: 1, maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(ids, fc.array(body, { minLength: 25, maxLength: 25 }), async (ids, bodies) => {
        const done = await ended(await submit(ids.map((id, i) => request(id, bodies[i]))));
        expect(done).toMatchObject({ status: "completed", request_counts: { total: ids.length } });
        const all = [...(await rows(done.output_file_id)), ...(await rows(done.error_file_id))];
        expect(all.map(({ custom_id }) => custom_id).sort()).toEqual([...ids].sort());
        expect(done.request_counts!.completed + done.request_counts!.failed).toBe(ids.length);
      }),
      { numRuns: 4 },
    );
  });

  test("what is wrong with the lines is told by line, and nothing is asked", async () => {
    const lines = [
      request("a"),
      "{",
      "[]",
      request("a"),
      request("d", chat(), "/v1/completions"),
      { ...request("e"), method: "GET" },
      { method: "POST" },
    ];
    const done = await ended(await submit([...lines, request("h", chat("x", { stream: true })), { ...request("i"), body: 1 }]));
    expect(done).toMatchObject({ status: "failed", request_counts: { total: 0, completed: 0, failed: 0 } });
    expect(done.errors!.data!.map(({ line, code, param }) => [line, code, param])).toEqual([
      [2, "invalid_json_line", null],
      [3, "invalid_json_line", null],
      [4, "duplicate_custom_id", "custom_id"],
      [5, "url_mismatch", "url"],
      [6, "invalid_method", "method"],
      [7, "missing_required_parameter", "custom_id"],
      [8, "invalid_request", "body.stream"],
      [9, "missing_required_parameter", "body"],
    ]);
    expect((await ended(await submit([""]))).errors!.data).toMatchObject([{ code: "empty_file", line: null }]);
  });

  test.each([
    [{ endpoint: "/v1/images/edits" as const }, "endpoint"],
    [{ completion_window: "1h" as "24h" }, "completion_window"],
    [{ input_file_id: `file-${"1".repeat(32)}` }, "input_file_id"],
    [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ""])) }, "metadata"],
  ])("%j is refused at once", async (more, param) => {
    await expect(submit([request("a")], more)).rejects.toMatchObject({ param });
  });

  test("a file of another purpose, and a batch that is not there", async () => {
    const file = await client.files.create({ file: await toFile(Buffer.from("x"), "x"), purpose: "user_data" });
    const wrong = client.batches.create({ input_file_id: file.id, endpoint: CHATS, completion_window: "24h" });
    await expect(wrong).rejects.toMatchObject({ status: 400, param: "input_file_id" });
    for (const id of ["batch_1", "..%2f..%2fx", `batch_${"0".repeat(32)}`])
      await expect(client.batches.retrieve(id)).rejects.toMatchObject({ status: 404, code: "batch_not_found" });
  });

  test("a batch goes on when its input file is deleted", async () => {
    const batch = await submit(Array.from({ length: 6 }, (_, i) => request(`${i}`)));
    await client.files.delete(batch.input_file_id);
    expect((await ended(batch)).request_counts).toEqual({ total: 6, completed: 6, failed: 0 });
  });
});

describe("beside others", () => {
  let busy: TestServer;
  let by: OpenAI;
  beforeAll(async () => {
    busy = await startServer({ args: ["--threads", "1", "--parallel", "2", ...WIDE, "--max-queue", "1"] });
    by = clientOf(busy);
  });
  afterAll(() => busy.stop());
  const endless = (id: string) => request(id, ENDLESS, "/v1/completions");

  test("whoever comes for an answer has it while the batch still works on its first line", async () => {
    const batch = await submit(["a", "b", "c"].map(endless), { endpoint: "/v1/completions" }, by);
    await until(async () => (await by.batches.retrieve(batch.id)).status === "in_progress");
    await until(async () => (await busy.engines()).length === 1);
    for (let i = 0; i < 3; i++) expect((await post(busy, CHATS, chat())).status).toBe(200);
    expect((await by.batches.retrieve(batch.id)).request_counts).toEqual({ total: 3, completed: 0, failed: 0 });
    await by.batches.cancel(batch.id);
    await ended(batch, by);
  });

  test("its lines take no place in the queue from whoever wants an answer now, though the queue has none", async () => {
    const tight = await startServer({ args: ["--threads", "1", "--parallel", "1", ...WIDE, "--max-queue", "0", "--batch-parallel", "2"] });
    const its = clientOf(tight);
    const long = { ...ENDLESS, max_tokens: 600 };
    const batch = await submit(
      Array.from({ length: 4 }, (_, i) => request(`${i}`, long, "/v1/completions")),
      { endpoint: "/v1/completions" },
      its,
    );
    // One has the slot; another one is refused, and asks again later.
    await until(async () => (await load(tight)).running === 1);
    expect((await post(tight, CHATS, chat())).status).toBe(200);
    const own = post(tight, "/v1/completions", long);
    await until(async () => (await load(tight)).running === 1);
    expect((await own).status).toBe(200);
    expect((await ended(batch, its)).request_counts).toEqual({ total: 4, completed: 4, failed: 0 });
    await tight.stop();
  }, 60_000);

  test("cancel ends the lines in flight, keeps the answers and tells of the others", async () => {
    const batch = await submit(
      [request("p", { ...ENDLESS, max_tokens: 1 }, "/v1/completions"), ...["a", "b", "c"].map(endless)],
      { endpoint: "/v1/completions" },
      by,
    );
    await until(async () => (await by.batches.retrieve(batch.id)).request_counts!.completed === 1);
    expect(await by.batches.cancel(batch.id)).toMatchObject({ status: "cancelling", cancelling_at: expect.any(Number) });
    const done = await ended(batch, by);
    expect(done).toMatchObject({
      status: "cancelled",
      cancelled_at: expect.any(Number),
      request_counts: { total: 4, completed: 1, failed: 0 },
    });
    expect((await rows(done.output_file_id, by)).map(({ custom_id }) => custom_id)).toEqual(["p"]);
    expect((await rows(done.error_file_id, by)).map(({ custom_id, response, error }) => [custom_id, response, error!.code])).toEqual(
      ["a", "b", "c"].map((id) => [id, null, "batch_cancelled"]),
    );
    await expect(by.batches.cancel(batch.id)).rejects.toBeInstanceOf(BadRequestError);
    const { text } = await fetch(`${busy.url}/metrics`).then(async (response) => ({ text: await response.text() }));
    expect(/^shimmy_running_requests\{model="shimmy-tiny"\} (\d+)$/m.exec(text)?.[1]).toBe("0");
  });
});

test("where there is one slot, whoever comes later than a waiting line has it before", async () => {
  const single = await startServer({ args: ["--threads", "1", "--parallel", "1", ...WIDE] });
  const by = clientOf(single);
  const leave = new AbortController();
  const first = post(single, "/v1/completions", ENDLESS, { signal: leave.signal }).catch(() => undefined);
  await until(async () => (await load(single)).running === 1);
  const batch = await submit([request("a", ENDLESS, "/v1/completions")], { endpoint: "/v1/completions" }, by);
  await until(async () => (await load(single)).queued === 1);
  const second = post(single, CHATS, chat());
  await until(async () => (await load(single)).queued === 2);
  leave.abort();
  await first;
  expect((await second).status).toBe(200);
  expect((await by.batches.retrieve(batch.id)).request_counts).toEqual({ total: 1, completed: 0, failed: 0 });
  await single.stop();
});

test("a server that is killed and started again goes on by itself: none lost, none doubled; one that drains stops at once", async () => {
  const home = mkdtempSync(join(tmpdir(), "shimmy-killed-"));
  const start = () => startServer({ cwd: home, args: ["--threads", "1"] });
  let own = await start();
  const lines = Array.from({ length: 60 }, (_, i) =>
    request(`line ${i}`, { ...ENDLESS, prompt: `${i}`, max_tokens: 150 }, "/v1/completions"),
  );
  const batch = await submit(lines, { endpoint: "/v1/completions" }, clientOf(own));
  /** Whole lines of what is answered so far, as the disk has them. */
  const answered = (): Array<{ row: Row }> => {
    const path = join(home, "shimmy", "batches", "work", batch.id, "done.jsonl");
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  };
  let kept: string[] = [];
  for (const [least, end] of [
    [5, "SIGKILL"],
    [20, "SIGTERM"],
  ] as const) {
    await until(() => answered().length >= least);
    const over = new Promise((resolve) => own.process.once("close", resolve));
    own.process.kill(end);
    await over;
    kept = answered().map(({ row }) => row.id);
    expect(kept.length).toBeLessThan(50);
    own = await start();
    await until(() => answered().length > kept.length); // nobody has asked for it
  }
  const done = await ended(batch, clientOf(own));
  expect(done).toMatchObject({ status: "completed", request_counts: { total: 60, completed: 60, failed: 0 } });
  const output = await rows(done.output_file_id, clientOf(own));
  expect(output.map(({ custom_id }) => custom_id).sort()).toEqual(lines.map(({ custom_id }) => custom_id).sort());
  expect(output.slice(0, kept.length).map(({ id }) => id)).toEqual(kept);
  await until(() => readdirSync(join(home, "shimmy", "batches", "work")).length === 0);
  await own.stop();
  rmSync(home, { recursive: true, force: true });
}, 90_000);

test("with keys each caller sees its own, and the lines are asked in its name", async () => {
  const guarded = await startServer({ args: ["--threads", "1", "--api-key", "one,two"] });
  const [one, two] = [clientOf(guarded, "one"), clientOf(guarded, "two")];
  const batch = await submit([request("a")], {}, one);
  const done = await ended(batch, one);
  expect(done.request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
  for (const hidden of [
    () => two.files.retrieve(batch.input_file_id),
    () => two.files.content(done.output_file_id!),
    () => two.files.delete(batch.input_file_id),
  ])
    await expect(hidden()).rejects.toMatchObject({ status: 404, code: "file_not_found" });
  await expect(two.batches.retrieve(batch.id)).rejects.toMatchObject({ status: 404 });
  await expect(two.batches.cancel(batch.id)).rejects.toMatchObject({ status: 404 });
  await expect(submit([], { input_file_id: batch.input_file_id }, two)).rejects.toMatchObject({ status: 404 });
  expect([(await two.files.list()).data.map(({ purpose }) => purpose), (await two.batches.list()).data]).toEqual([["batch"], []]);
  expect((await fetch(`${guarded.url}/v1/files`)).status).toBe(401);
  await guarded.stop();
});

test("files are bounded one by one and together", async () => {
  const small = await startServer({ args: ["--max-file-size", "1000", "--max-files-size", "2500"] });
  const send = async (bytes: number) =>
    clientOf(small).files.create({ file: await toFile(Buffer.alloc(bytes), "x"), purpose: "user_data" });
  await expect(send(1001)).rejects.toMatchObject({ status: 413, code: "file_too_large" });
  await expect(send(400_000)).rejects.toMatchObject({ status: 413, code: "file_too_large" });
  const { id } = await send(1000);
  await send(1000);
  await expect(send(1000)).rejects.toMatchObject({ status: 413, code: "files_full" });
  await clientOf(small).files.delete(id);
  await send(900);
  await small.stop();
});

test("turned off, there is neither", async () => {
  const off = await startServer({ args: ["--no-files"] });
  for (const path of ["/v1/files", "/v1/batches", "/v1/files/x/content"]) {
    const response = await fetch(off.url + path);
    expect([response.status, (await errorOf(response)).code]).toEqual([404, "files_off"]);
  }
  await off.stop();
});

test("moderations are answered with the reason why there are none", async () => {
  await expect(client.moderations.create({ input: "x" })).rejects.toMatchObject({ status: 404, code: "moderation_unavailable" });
});

test("a chat reads a stored file as if it had been sent along", async () => {
  const file = await client.files.create({ file: await toFile(Buffer.from("The fox is red.\n"), "fox.txt"), purpose: "user_data" });
  const answer = (part: object) =>
    client.chat.completions.create({
      ...chat(),
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "Colour?" },
            { type: "file", file: part },
          ],
        },
      ],
    });
  const [stored, sent] = [
    await answer({ file_id: file.id }),
    await answer({ filename: "fox.txt", file_data: `data:text/plain;base64,${btoa("The fox is red.\n")}` }),
  ];
  expect([stored.choices, stored.usage!.prompt_tokens]).toEqual([sent.choices, sent.usage!.prompt_tokens]);
  expect(stored.usage!.prompt_tokens).toBeGreaterThan(
    (await client.chat.completions.create(chat("Colour?") as OpenAI.ChatCompletionCreateParamsNonStreaming)).usage!.prompt_tokens,
  );
});

test("a message that names a file that is not there is told which field does", async () => {
  const content = [
    { type: "text", text: "What is this?" },
    { type: "file", file: { file_id: `file-${"0".repeat(32)}` } },
  ];
  const response = await post(server, CHATS, { model: "shimmy-tiny", messages: [{ role: "user", content }] });
  expect([response.status, await errorOf(response)]).toEqual([
    404,
    expect.objectContaining({ code: "file_not_found", param: "messages[0].content[1].file.file_id" }),
  ]);
});
