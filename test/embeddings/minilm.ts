/**
 * MiniLM once more, as files for tests: with its weights as plain floats, so that engines agree to the last digits (quantised ones round
 * each on its own), and with a head that ranks, since no reranker is at hand.
 */
import { readFile, writeFile } from "node:fs/promises";
import { gguf } from "@huggingface/gguf";
import { buildGguf, type FixtureTensor, type FixtureValue, type ValueType } from "../fixtures/gguf.ts";

const TYPES: readonly ValueType[] = ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"];
const WIDTH = 384;
const F16 = 1;
const Q8_0 = 8;

/** Its weights as F32. */
export async function writeFloatMinilm(source: string, path: string): Promise<void> {
  const { metadata, tensors } = await read(source);
  await writeFile(path, buildGguf({ metadata, tensors }));
}

/** With a head of fixed noise behind it: tanh(W·cls + b), then one number. */
export async function writeReranker(source: string, path: string): Promise<void> {
  const { metadata, tensors } = await read(source);
  const head: FixtureTensor[] = [
    { name: "cls.weight", dims: [WIDTH, WIDTH], data: noise(WIDTH * WIDTH, 1) },
    { name: "cls.bias", dims: [WIDTH], data: noise(WIDTH, 2) },
    { name: "cls.output.weight", dims: [WIDTH, 1], data: noise(WIDTH, 3) },
    { name: "cls.output.bias", dims: [1], data: noise(1, 4) },
  ];
  await writeFile(path, buildGguf({ metadata: { ...metadata, "bert.pooling_type": 4 }, tensors: [...tensors, ...head] }));
}

async function read(path: string): Promise<{ metadata: Record<string, FixtureValue>; tensors: FixtureTensor[] }> {
  const { typedMetadata, tensorInfos, tensorDataOffset } = await gguf(path, { allowLocalFile: true, typedMetadata: true });
  const entries = Object.entries(typedMetadata as Record<string, { value: unknown; type: number; subType?: number }>);
  const metadata = entries
    .filter(([key]) => key.includes(".")) // version and counts are told among them
    .map(([key, { value, type, subType }]): [string, FixtureValue] => [
      key,
      { type: TYPES[type]!, value, ...(subType !== undefined && { of: TYPES[subType]! }) },
    ]);
  const bytes = await readFile(path);
  const tensors = tensorInfos.map(({ name, shape, dtype, offset }) => {
    const dims = shape.map(Number);
    const at = Number(tensorDataOffset) + Number(offset);
    return {
      name,
      dims,
      data: floats(
        bytes,
        at,
        dims.reduce((product, dim) => product * dim, 1),
        dtype,
      ),
    };
  });
  return { metadata: Object.fromEntries(metadata), tensors };
}

function floats(bytes: Buffer, at: number, count: number, type: number): Uint8Array {
  if (type === F16) return bytesOf(Float32Array.from({ length: count }, (_, i) => half(bytes.readUInt16LE(at + 2 * i))));
  if (type !== Q8_0) return bytes.subarray(at, at + 4 * count);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const block = at + 34 * (i >> 5); // a scale and 32 values
    values[i] = half(bytes.readUInt16LE(block)) * bytes.readInt8(block + 2 + (i & 31));
  }
  return bytesOf(values);
}

/** IEEE 754 binary16; no infinities in weights. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function noise(count: number, seed: number): Uint8Array {
  let state = seed;
  return bytesOf(
    Float32Array.from({ length: count }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return (state / 2 ** 32 - 0.5) / 4;
    }),
  );
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
