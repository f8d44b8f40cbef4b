import { expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import type { Files } from "../contract/files.ts";
import { inlineFiles } from "./inline-files.ts";

const CONTENTS: Readonly<Record<string, Buffer>> = {
  text: Buffer.from("Gänse"),
  pdf: Buffer.from("%PDF-1.7"),
  bytes: Buffer.from([1, 0, 2]),
  latin: Buffer.from([0xe4, 0x20]),
};

let asked: Array<string | undefined> = [];
const files: Pick<Files, "open"> = {
  open: async (id, owner) => {
    asked.push(owner);
    const content = CONTENTS[id];
    if (!content) throw new ShimmyError("file_not_found", { file: id });
    const file = { id, bytes: content.length, createdAt: 0, filename: `${id}.name`, purpose: "user_data" };
    return { file, content: ReadableStream.from([content]) };
  },
};

function inline(body: unknown, { maxBodySize = 1000, used = true, caller = "me" } = {}) {
  asked = [];
  const jobs = { files: async () => (used ? (files as Files) : Promise.reject(new Error("the store was opened"))) };
  return inlineFiles(body, { jobs, config: { maxBodySize } } as unknown as Parameters<typeof inlineFiles>[1], caller);
}

const dataUrl = (type: string, id: string) => `data:${type};base64,${CONTENTS[id]!.toString("base64")}`;
const chat = (...parts: unknown[]) => ({
  messages: [
    { role: "system", content: "x" },
    { role: "user", content: parts },
  ],
});

test("a chat's file is its content, named as it was unless the caller says otherwise", async () => {
  const body = chat(
    { type: "text", text: "hi" },
    { type: "file", file: { file_id: "text" } },
    { type: "file", file: { file_id: "pdf", filename: "my.pdf" } },
  );
  expect(await inline(body)).toEqual(
    chat(
      { type: "text", text: "hi" },
      { type: "file", file: { file_data: dataUrl("text/plain", "text"), filename: "text.name" } },
      { type: "file", file: { file_data: dataUrl("application/pdf", "pdf"), filename: "my.pdf" } },
    ),
  );
  expect(asked).toEqual(["me", "me"]);
});

test("so are those of the Responses API, in messages and in what functions gave", async () => {
  const input = [
    { role: "user", content: [{ type: "input_file", file_id: "bytes" }] },
    { type: "function_call_output", output: [{ type: "input_file", file_id: "latin" }] },
  ];
  expect(await inline({ input })).toEqual({
    input: [
      { role: "user", content: [{ type: "input_file", file_data: dataUrl("application/octet-stream", "bytes"), filename: "bytes.name" }] },
      {
        type: "function_call_output",
        output: [{ type: "input_file", file_data: dataUrl("application/octet-stream", "latin"), filename: "latin.name" }],
      },
    ],
  });
});

test.each([
  [null],
  ["x"],
  [[]],
  [{ messages: "x", input: "file_id" }],
  [{ messages: [null, 1, { content: null }, { content: [null, 1, { type: "file" }, { type: "file", file: { file_data: "x" } }] }] }],
  [
    chat(
      { type: "text", file_id: "text" },
      { type: "file", file_id: "text" },
      { type: "input_file", file: { file_id: "text" } },
      { type: "file", file: { file_id: 1 } },
    ),
  ],
])("%j is left alone, and no store is opened", async (body) => {
  const before = structuredClone(body);
  expect(await inline(body, { used: false })).toEqual(before);
});

test("an unknown file is told with the field that names it", async () => {
  await expect(inline(chat({ type: "file", file: { file_id: "none" } }))).rejects.toMatchObject({
    code: "file_not_found",
    status: 404,
    param: "messages[1].content[0].file.file_id",
  });
  const input = [
    {
      content: [
        { type: "input_file", file_id: "text" },
        { type: "input_file", file_id: "none" },
      ],
    },
  ];
  await expect(inline({ input })).rejects.toMatchObject({ param: "input[0].content[1].file_id" });
});

test("no more than a hundred are read, however small", async () => {
  const parts = (count: number) => Array.from({ length: count }, () => ({ type: "file", file: { file_id: "text" } }));
  await inline(chat(...parts(100)));
  await expect(inline(chat(...parts(101)))).rejects.toMatchObject({ details: { param: "messages[1].content[100].file.file_id" } });
});

test("files count together against the size of a body", async () => {
  const part = { type: "file", file: { file_id: "text" } };
  await inline(chat(structuredClone(part), structuredClone(part)), { maxBodySize: 12 });
  await expect(inline(chat(structuredClone(part), structuredClone(part)), { maxBodySize: 11 })).rejects.toMatchObject({
    code: "body_too_large",
  });
});
