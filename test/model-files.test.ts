/**
 * The header reader on real files: the embedded model (always there) and the others of ../shared/models; the same metadata and tensors
 * as @huggingface/gguf reads, and nothing but a valid header or an error of the catalogue from mutated copies.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gguf } from "@huggingface/gguf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShimmyError } from "../src/contract/errors.ts";
import { type GgufHeader, readGgufHeader } from "../src/models/gguf/header.ts";
import { readModelFile } from "../src/models/model-file.ts";

const EMBEDDED = "models/shimmy-tiny/shimmy-tiny-q8_0.gguf";
const SHARED = "../shared/models";

const facts = {
  [EMBEDDED]: {
    architecture: "llama",
    family: "shimmy",
    quantization: "Q8_0",
    contextLength: 1024,
    generative: true,
    kvBytesPerToken: 6 * (96 + 96) * 2,
    license: "mit",
    chatTemplate: expect.stringContaining("<|im_start|>"),
  },
  [`${SHARED}/smollm2-135m-instruct-q4_1.gguf`]: {
    architecture: "llama",
    family: "smollm",
    parameters: 134_515_008,
    quantization: "Q4_1",
    contextLength: 8192,
    generative: true,
    kvBytesPerToken: 23_040,
    license: "apache-2.0",
    chatTemplate: expect.stringContaining("<|im_start|>"),
  },
  [`${SHARED}/all-minilm-l6-v2-q8_0.gguf`]: {
    architecture: "bert",
    family: "bert",
    parameters: 22_565_376,
    quantization: "Q8_0",
    contextLength: 512,
    generative: false,
    kvBytesPerToken: 0,
    license: "apache-2.0",
  },
};

for (const [path, expected] of Object.entries(facts)) {
  // Absent outside the project's own machines.
  describe.skipIf(!existsSync(path))(path, () => {
    test("is described", async () => {
      expect(await readModelFile(path)).toMatchObject(expected);
    });

    test("has the metadata and tensors that @huggingface/gguf reads", async () => {
      const [ours, theirs] = [await readGgufHeader(path), await gguf(path, { allowLocalFile: true })];
      const { version, tensor_count, kv_count, ...metadata } = theirs.metadata;
      expect([ours.version, BigInt(ours.tensors.length), BigInt(ours.metadata.size)]).toEqual([version, tensor_count, kv_count]);
      expect(plain(ours)).toEqual(Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, comparable(value)])));
      expect(BigInt(ours.dataOffset)).toBe(BigInt(theirs.tensorDataOffset));
      expect(ours.tensors.map(({ name, dims, offset }) => [name, dims.map(BigInt), BigInt(offset)])).toEqual(
        theirs.tensorInfos.map(({ name, shape, offset }) => [name, shape, offset]),
      );
    });
  });
}

/** Arrays that are walked past compare by their count. */
function plain(header: GgufHeader): Record<string, unknown> {
  const entries = [...header.metadata].map(([key, value]) => [
    key,
    typeof value === "object" ? `array of ${"count" in value ? value.count : "?"}` : value,
  ]);
  return Object.fromEntries(entries);
}

function comparable(value: unknown): unknown {
  return Array.isArray(value) ? `array of ${value.length}` : value;
}

test("mutated headers of the embedded model: a valid header or an error of the catalogue, in bounded time", {
  timeout: 60_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "shimmy-mutated-"));
  const path = join(folder, "x.gguf");
  const original = await readFile(EMBEDDED);
  const { dataOffset } = await readGgufHeader(EMBEDDED);
  // The vocabulary fills most of the header, the structure is at its start and its end.
  const place = fc.oneof(fc.nat(1200), fc.nat(dataOffset - 1), fc.integer({ min: dataOffset - 6000, max: dataOffset - 1 }));
  const damage = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
    fc.constant(new Uint8Array(8).fill(255)),
    fc.constant(new Uint8Array(8)),
  );
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(place, damage, async (at, bytes) => {
      const content = Buffer.from(original);
      content.set(bytes, at);
      await writeFile(path, content);
      const began = performance.now();
      await readModelFile(path).catch((error: unknown) => {
        refused++;
        expect(error).toBeInstanceOf(ShimmyError);
        expect(error).toMatchObject({ code: "model_file_invalid" });
      });
      expect(performance.now() - began).toBeLessThan(2000);
    }),
    { numRuns: 400 },
  );
  await rm(folder, { recursive: true });
  expect(refused).toBeGreaterThan(20);
});
