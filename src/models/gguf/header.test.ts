import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildGguf, type FixtureOptions, tinyModel } from "../../../test/fixtures/gguf.ts";
import { ShimmyError } from "../../contract/errors.ts";
import { type GgufHeader, readGgufHeader } from "./header.ts";

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shimmy-gguf-"));
  path = join(folder, "x.gguf");
});
afterAll(() => rm(folder, { recursive: true }));

async function read(content: Buffer): Promise<GgufHeader> {
  await writeFile(path, content);
  return readGgufHeader(path);
}

/** The reason of the refusal; fails if the file is taken. */
async function refusal(content: Buffer | FixtureOptions): Promise<string> {
  const error = await read(Buffer.isBuffer(content) ? content : buildGguf(content)).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ShimmyError);
  expect((error as ShimmyError).code).toBe("model_file_invalid");
  return String((error as ShimmyError).details.reason);
}

describe("what is read", () => {
  test("every type of value, in versions 2 and 3", async () => {
    const metadata = {
      text: "héllo 🦙",
      yes: true,
      byte: { type: "u8", value: 255 },
      negative: { type: "i16", value: -3 },
      half: 0.5,
      exact: { type: "f64", value: 1e-9 },
      large: { type: "u64", value: 2n ** 60n },
      small: { type: "u64", value: 7n },
      below: { type: "i64", value: -(2n ** 60n) },
      numbers: [1, -2, 3],
    } as const;
    for (const version of [2, 3]) {
      const header = await read(buildGguf({ version, metadata }));
      expect(header.version).toBe(version);
      expect(Object.fromEntries(header.metadata)).toEqual({
        text: "héllo 🦙",
        yes: true,
        byte: 255,
        negative: -3,
        half: 0.5,
        exact: 1e-9,
        large: 2n ** 60n,
        small: 7,
        below: -(2n ** 60n),
        numbers: { kind: "array", type: "i32", count: 3, values: [1, -2, 3] },
      });
    }
  });

  test("tensors, with their sizes by type and their places", async () => {
    const header = await read(
      buildGguf({
        tensors: [
          { name: "a", dims: [3, 2] },
          { name: "b", dims: [256, 4], type: 12 },
        ],
      }),
    );
    expect(header.tensors.map(({ name, bytes, elements, offset, type }) => [name, bytes, elements, offset, type.name])).toEqual([
      ["a", 24, 6, 0, "F32"],
      ["b", 576, 1024, 32, "Q4_K"],
    ]);
    expect(header.dataOffset % 32).toBe(0);
    expect(header.dataOffset + 32 + 576).toBe(header.fileBytes);
  });

  test("a vocabulary of 200,000 tokens is walked, not kept", async () => {
    const tokens = Array.from({ length: 200_000 }, (_, index) => `token ${index}`);
    const header = await read(tinyModel({ "tokenizer.ggml.tokens": tokens }));
    expect(header.metadata.get("tokenizer.ggml.tokens")).toMatchObject({ kind: "array", type: "string", count: 200_000, distinct: true });
    expect(header.metadata.get("llama.block_count")).toBe(2);
    expect(header.tensors).toHaveLength(2);
  });

  test("a token that is there twice is noticed, wherever the two are", async () => {
    const distinct = async (tokens: readonly string[]) =>
      (await read(tinyModel({ "tokenizer.ggml.tokens": tokens }))).metadata.get("tokenizer.ggml.tokens");
    const many = Array.from({ length: 20_000 }, (_, index) => `token ${index}`);
    expect(await distinct([...many, "token 7"])).toMatchObject({ distinct: false });
    expect(await distinct(["x", "x"])).toMatchObject({ distinct: false });
    // libllama names empty tokens itself, and ends one at a NUL.
    expect(await distinct(["", "", "x"])).toMatchObject({ distinct: true });
    expect(await distinct(["x\0y", "x"])).toMatchObject({ distinct: false });
    const long = "l".repeat(60_000);
    expect(await distinct([long, `${long}.`, long])).toMatchObject({ distinct: false });
  });

  test("strings longer than the buffer are whole, and those over 1 MiB only counted", async () => {
    const template = "é".repeat(100_000);
    const header = await read(buildGguf({ metadata: { template, whole: "x".repeat(1024 * 1024 + 1), after: 1 } }));
    expect(header.metadata.get("template")).toBe(template);
    expect(header.metadata.get("whole")).toEqual({ kind: "longString", bytes: 1024 * 1024 + 1 });
    expect(header.metadata.get("after")).toBe(1);
  });

  test("long arrays of numbers are passed over, short ones kept", async () => {
    const header = await read(
      buildGguf({ metadata: { long: new Array<number>(513).fill(1), short: new Array<number>(512).fill(2), end: 9 } }),
    );
    expect(header.metadata.get("long")).toEqual({ kind: "array", type: "i32", count: 513 });
    expect(header.metadata.get("short")).toMatchObject({ count: 512, values: expect.arrayContaining([2]) });
    expect(header.metadata.get("end")).toBe(9);
  });

  test("the last tensor needs no padding after it", async () => {
    const whole = buildGguf({ tensors: [{ name: "a", dims: [3] }] });
    const header = await read(whole.subarray(0, whole.length - 20));
    expect(header.tensors).toHaveLength(1);
  });
});

describe("what is refused, and why", () => {
  test.each<[string, Buffer | FixtureOptions, string | RegExp]>([
    ["an empty file", Buffer.alloc(0), "the file is empty"],
    ["three bytes", Buffer.from("GGU"), 'not a GGUF file (magic "GGU")'],
    ["another format", Buffer.from("PK\u0003\u0004 a zip file, long enough"), 'not a GGUF file (magic "PK\\u0003\\u0004")'],
    ["a Git LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), /Git LFS pointer/],
    ["only the magic", Buffer.from("GGUF"), /^truncated: the header ends at byte 24, the file has 4$/],
    ["version 1", { version: 1 }, "GGUF version 1 is not supported, only 2 and 3"],
    ["version 4", { version: 4 }, "GGUF version 4 is not supported, only 2 and 3"],
    ["big-endian", { version: 0x0300_0000 }, /^a big-endian GGUF file/],
    ["2^64-1 tensors", { tensorCount: 2n ** 64n - 1n }, "the number of tensors is 18446744073709551615, more than any file can hold"],
    ["2^40 entries", { entryCount: 2n ** 40n }, "it claims 1099511627776 metadata entries, more than the 4096 allowed"],
    ["a million tensors", { tensorCount: 1_000_000n }, "it claims 1000000 tensors, more than the 32768 allowed"],
    ["more entries than there are", { entryCount: 3n, metadata: { a: 1 } }, "metadata key 2 is empty"],
    ["an empty key", { metadata: { "": 1 } }, "metadata key 1 is empty"],
    ["a key of 70,000 bytes", { metadata: { ["k".repeat(70_000)]: 1 } }, /^metadata key 1 is 70000 bytes long/],
    [
      "an array of arrays",
      { metadata: { a: { type: "array", of: "array", value: [] } } },
      "the array 'a' has elements of the unknown type 9",
    ],
    ["alignment 0", { metadata: { "general.alignment": 0 } }, "general.alignment is 0, not a power of two"],
    ["alignment 24", { metadata: { "general.alignment": 24 } }, "general.alignment is 24, not a power of two"],
    ["alignment NaN", { metadata: { "general.alignment": { type: "f32", value: Number.NaN } } }, "general.alignment is not a u32"],
    ["alignment as u64", { metadata: { "general.alignment": { type: "u64", value: 32n } } }, "general.alignment is not a u32"],
    [
      "alignment 2^31 in a small file",
      { metadata: { "general.alignment": 2 ** 31 }, tensors: [{ name: "a", dims: [1] }] },
      /^truncated: tensor 'a' ends at byte 2147483652/,
    ],
    ["no dimensions", { tensors: [{ name: "a", dims: [] }] }, "tensor 'a' has 0 dimensions, not 1 to 4"],
    ["five dimensions", { tensors: [{ name: "a", dims: [1, 1, 1, 1, 1] }] }, "tensor 'a' has 5 dimensions, not 1 to 4"],
    ["a dimension of 0", { tensors: [{ name: "a", dims: [4, 0] }] }, "tensor 'a' has a dimension of 0"],
    [
      "a product beyond 2^64",
      { tensors: [{ name: "a", dims: [2 ** 40, 2 ** 40] }] },
      "tensor 'a' of 1099511627776 × 1099511627776 elements is larger than any file",
    ],
    ["a removed type", { tensors: [{ name: "a", dims: [32], type: 4 }] }, "tensor 'a' has the unknown type 4"],
    ["a future type", { tensors: [{ name: "a", dims: [32], type: 43 }] }, "tensor 'a' has the unknown type 43"],
    [
      "rows that are no whole blocks",
      { tensors: [{ name: "a", dims: [33], type: 8 }] },
      "tensor 'a' has rows of 33 elements, not a multiple of the 32 of a Q8_0 block",
    ],
    [
      "a name of 64 bytes",
      { tensors: [{ name: "n".repeat(64), dims: [1] }] },
      "the name of tensor 1 is 64 bytes long, more than the 63 allowed",
    ],
    [
      "two tensors of one name",
      {
        tensors: [
          { name: "a", dims: [8] },
          { name: "a", dims: [8] },
        ],
      },
      "tensor 'a' is there twice",
    ],
    [
      "overlapping tensors",
      {
        tensors: [
          { name: "a", dims: [16] },
          { name: "b", dims: [8], offset: 32 },
        ],
      },
      "tensor 'b' overlaps the one before it (it starts at 32, that ends at 64)",
    ],
    ["a gap", { tensors: [{ name: "a", dims: [8], offset: 64 }] }, "there is a gap before tensor 'a' (it starts at 64, expected 0)"],
    [
      "an unaligned offset",
      { tensors: [{ name: "a", dims: [8], offset: 4 }] },
      "tensor 'a' starts at 4, not a multiple of the alignment 32",
    ],
    ["an offset of 2^63", { tensors: [{ name: "a", dims: [8], offset: 2n ** 63n }] }, /^the offset of tensor 'a' is 9223372036854775808/],
  ])("%s", async (_, content, reason) => {
    const told = await refusal(content);
    if (typeof reason === "string") expect(told).toBe(reason);
    else expect(told).toMatch(reason);
  });

  test("a duplicate key", async () => {
    const content = buildGguf({ metadata: { aa: 1, ab: 2 } });
    content.write("aa", content.indexOf("ab"));
    expect(await refusal(content)).toBe('metadata key "aa" is there twice');
  });

  test("a cut in the tensor data names the tensor, its end and the size of the file", async () => {
    const content = buildGguf({ tensors: [{ name: "weights", dims: [64] }] });
    expect(await refusal(content.subarray(0, -1))).toBe(
      `truncated: tensor 'weights' ends at byte ${content.length}, the file has ${content.length - 1}`,
    );
  });

  test("every cut of a file is refused as truncated", async () => {
    const content = tinyModel();
    // The magic is told apart from 4 bytes on; the padding after the last tensor is none here.
    for (let length = 4; length < content.length; length += 7) expect(await refusal(content.subarray(0, length))).toMatch(/^truncated: /);
  });

  test("string lengths and counts that the file cannot hold are refused without reading on", async () => {
    for (const claimed of [2n ** 62n, 2n ** 40n, 1000n]) {
      const content = buildGguf({ metadata: { text: "abc", list: ["x", "y"] } });
      const length = Buffer.from(content);
      length.writeBigUInt64LE(claimed, content.indexOf("text") + 8);
      expect(await refusal(length)).toMatch(/truncated|more than any file/);
      const count = Buffer.from(content);
      count.writeBigUInt64LE(claimed, content.indexOf("list") + 12);
      expect(await refusal(count)).toMatch(/truncated|more than any file/);
    }
  });

  test("a sparse file of 16 GiB that claims 2^30 strings ends quickly", async () => {
    const start = buildGguf({ metadata: { list: { type: "array", of: "string", value: [] } } });
    start.writeBigUInt64LE(2n ** 30n, start.indexOf("list") + 12);
    await writeFile(path, start);
    const file = await open(path, "r+");
    await file.truncate(2 ** 34);
    await file.close();
    const began = performance.now();
    await expect(readGgufHeader(path)).rejects.toThrow(/its header is larger than 134217728 bytes/);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  test("keys and strings that would fill the memory are refused", async () => {
    const keys = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [String(index).padEnd(60_000, "k"), 1]));
    const strings = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`text${index}`, "x".repeat(1_000_000)]));
    for (const metadata of [keys, strings])
      expect(await refusal({ metadata })).toBe("its metadata keys and strings are larger than 8388608 bytes");
  });

  test("a folder, and nothing at all", async () => {
    await expect(readGgufHeader(folder)).rejects.toMatchObject({ code: "model_file_invalid", details: { reason: "not a regular file" } });
    await expect(readGgufHeader(join(folder, "none.gguf"))).rejects.toMatchObject({ code: "model_file_missing" });
    await expect(readGgufHeader(join(path, "below-a-file.gguf"))).rejects.toMatchObject({ code: "model_file_missing" });
  });
});

describe("whatever the bytes say", () => {
  test("a mutated header is read or refused with an error of the catalogue, in bounded time", async () => {
    const original = tinyModel({ "general.alignment": 32, "tokenizer.chat_template": "{{ messages }}" });
    const mutation = fc.record({
      at: fc.nat(original.length - 1),
      bytes: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        fc.constantFrom(
          ...["ffffffffffffffff", "0000000000000080", "00000000", "ffffff7f"].map((hex) => Uint8Array.from(Buffer.from(hex, "hex"))),
        ),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), fc.option(fc.nat(original.length)), async (mutations, cut) => {
        const content = Buffer.from(original);
        for (const { at, bytes } of mutations) content.set(bytes.subarray(0, content.length - at), at);
        const began = performance.now();
        try {
          const header = await read(content.subarray(0, cut ?? content.length));
          expect(header.tensors.every(({ offset, bytes }) => header.dataOffset + offset + bytes <= header.fileBytes)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ShimmyError);
          expect((error as ShimmyError).code).toBe("model_file_invalid");
        }
        expect(performance.now() - began).toBeLessThan(2000);
      }),
      { numRuns: 1500 },
    );
  });
});
