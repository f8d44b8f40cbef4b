import fc from "fast-check";
import { expect, test } from "vitest";
import { boundaryOf, multipart } from "./multipart.ts";

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

async function read(body: AsyncIterable<Uint8Array>, boundary: string, take = Number.POSITIVE_INFINITY) {
  const parts: Array<{ name: string; filename: string | undefined; bytes: Buffer }> = [];
  for await (const { name, filename, content } of multipart(body, boundary)) {
    const pieces: Uint8Array[] = [];
    if (parts.length < take) for await (const piece of content) pieces.push(piece);
    parts.push({ name, filename, bytes: Buffer.concat(pieces) });
  }
  return parts;
}

test("what fetch makes of a form comes out again, however its bytes are cut", async () => {
  const text = fc.string({ maxLength: 60, unit: fc.constantFrom("a", "-", "\r\n", "--", "ü", "b") });
  const name = fc.string({ minLength: 1, maxLength: 10, unit: fc.constantFrom("a", '"', "ü", "\n", ";", "=", " ") });
  const field = fc.record({ name, text, file: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(field, { maxLength: 5 }), fc.integer({ min: 1, max: 80 }), async (fields, size) => {
      const form = new FormData();
      for (const { name, text, file } of fields) form.append(name, file ? new File([text], name) : text);
      const request = new Request("http://x", { method: "POST", body: form });
      const boundary = boundaryOf(request.headers.get("content-type"));
      const parts = await read(cut(new Uint8Array(await request.arrayBuffer()), size), boundary);
      // The standard makes every line break of a text field, and of names, one of two characters.
      const wire = (value: string) => value.replace(/\r?\n|\r/g, "\r\n");
      expect(parts.map(({ name, bytes }) => [name, bytes.toString()])).toEqual(
        fields.map(({ name, text, file }) => [wire(name), file ? text : wire(text)]),
      );
      // The name of a file keeps its line breaks.
      expect(parts.map(({ filename }) => filename)).toEqual(fields.map(({ name, file }) => (file ? name : undefined)));
    }),
    { numRuns: 200 },
  );
});

const BODY =
  '--b\r\nContent-Disposition: form-data; name="one"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name="two"\r\n\r\n2\r\n--b--\r\n';

test("a content that nobody reads is skipped", async () => {
  const parts = await read(cut(Buffer.from(BODY), 7), "b", 0);
  expect(parts.map(({ name }) => name)).toEqual(["one", "two"]);
});

test("a preamble and an epilogue are no fields", async () => {
  expect(await read(cut(Buffer.from(`hello\r\n${BODY}bye`), 5), "b")).toHaveLength(2);
});

test.each([
  ['filename="a.txt"', "a.txt"],
  ["filename=a.txt", "a.txt"],
  ['filename="say \\"hi\\""', 'say "hi"'],
  ['filename="say %22hi%22"', 'say "hi"'],
  ["filename=\"x\"; filename*=UTF-8''G%C3%A4nse", "Gänse"],
  ["filename=\"x\"; filename*=UTF-8''%C3", "x"],
])("%s", async (spelled, filename) => {
  const body = `--b\r\ncontent-disposition: form-data; ${spelled}; name="file"\r\n\r\n\r\n--b--`;
  expect(await read(cut(Buffer.from(body), 1000), "b")).toEqual([{ name: "file", filename, bytes: Buffer.alloc(0) }]);
});

test("a parameter within a quoted name is a part of the name", async () => {
  const head = 'form-data; filename="a; name=evil; filename=b"; name="file"';
  const body = `--b\r\nContent-Disposition: ${head}\r\n\r\n1\r\n--b--`;
  expect(await read(cut(Buffer.from(body), 9), "b")).toMatchObject([{ name: "file", filename: "a; name=evil; filename=b" }]);
});

test("garbage is an error of its own, never a hang", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom("--b", "\r\n", "--", "x", 'Content-Disposition: form-data; name="a"', "\r\n\r\n") }),
      async (text) => {
        const outcome = await read(cut(Buffer.from(text), 3), "b").catch((error: { code?: string }) => error.code);
        expect(outcome === "invalid_multipart" || Array.isArray(outcome)).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});

test.each([null, "application/json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=b"])(
  "%j has no boundary",
  (type) => {
    expect(() => boundaryOf(type)).toThrow(expect.objectContaining({ code: "invalid_multipart" }));
  },
);

test("a client that breaks off has left", async () => {
  const broken = async function* () {
    yield Buffer.from(BODY.slice(0, 60));
    throw new Error("aborted");
  };
  await expect(read(broken(), "b")).rejects.toMatchObject({ code: "client_closed" });
});
