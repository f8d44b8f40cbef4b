import fc from "fast-check";
import { expect, test } from "vitest";
import { type Line, readLines } from "./lines.ts";

async function read(bytes: Uint8Array, size = 1000, limit = 1000): Promise<Line[]> {
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const lines: Line[] = [];
  for await (const line of readLines(ReadableStream.from(pieces), limit)) lines.push(line);
  return lines;
}

test("the lines of a text, however its bytes are cut", async () => {
  const unit = fc.constantFrom("a", "ü", "\n", "\r\n", "€");
  await fc.assert(
    fc.asyncProperty(fc.string({ unit, maxLength: 40 }), fc.integer({ min: 1, max: 9 }), async (text, size) => {
      const lines = await read(Buffer.from(text), size);
      const wanted = text.split("\n").map((line) => line.replace(/\r$/, ""));
      if (text.endsWith("\n") || text === "") wanted.pop();
      expect(lines.map(({ text }) => text)).toEqual(wanted);
      expect(lines.map(({ number }) => number)).toEqual(wanted.map((_, i) => i + 1));
      expect(lines.at(-1)?.end ?? 0).toBe(Buffer.byteLength(text));
      expect(lines.map(({ ended }) => ended)).toEqual(wanted.map((_, i) => i < wanted.length - 1 || text.endsWith("\n")));
    }),
  );
});

test("a line that is too long or no text is told, and the next one is read", async () => {
  const bytes = Buffer.concat([Buffer.from(`${"x".repeat(11)}\n`), Buffer.from([0xff, 0x0a]), Buffer.from("ok")]);
  for (const size of [1, 3, 100])
    expect((await read(bytes, size, 10)).map(({ text, problem }) => text ?? problem)).toEqual([
      "it is longer than 10 bytes",
      "it is not UTF-8",
      "ok",
    ]);
});

test("a byte order mark is none of the first line", async () => {
  expect((await read(Buffer.from("\ufeff{}\n{}"))).map(({ text }) => text)).toEqual(["{}", "{}"]);
});
