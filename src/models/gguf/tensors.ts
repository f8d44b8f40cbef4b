/**
 * The tensor part of a GGUF header: every tensor is checked against its type, its neighbours and the size of the file.
 * Called by `header.ts`.
 */
import type { Cursor } from "./cursor.ts";
import { TENSOR_TYPES, type TensorType } from "./tensor-types.ts";

export interface GgufTensor {
  readonly name: string;
  /** Elements in each dimension, 1 to 4 of them, the fastest first. */
  readonly dims: readonly number[];
  readonly type: TensorType;
  readonly elements: number;
  readonly bytes: number;
  /** From the start of the tensor data. */
  readonly offset: number;
}

/** Real files have under 3000; libllama compares each name with all before it, so its time grows with the square. */
const MAX_TENSORS = 32_768;
/** GGML_MAX_NAME − 1. */
const MAX_NAME_BYTES = 63;
const MAX_DIMS = 4;

export async function readTensors(
  cursor: Cursor,
  count: number,
  alignment: number,
  fileBytes: number,
): Promise<{ tensors: GgufTensor[]; dataOffset: number }> {
  if (count > MAX_TENSORS) cursor.fail(`it claims ${count} tensors, more than the ${MAX_TENSORS} allowed`);
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let index = 0; index < count; index++) {
    const tensor = await readTensor(cursor, index);
    if (names.has(tensor.name)) cursor.fail(`tensor '${tensor.name}' is there twice`);
    names.add(tensor.name);
    tensors.push(tensor);
  }
  const dataOffset = padded(cursor.position, alignment);
  checkLayout(cursor, tensors, dataOffset, alignment, fileBytes);
  return { tensors, dataOffset };
}

async function readTensor(cursor: Cursor, index: number): Promise<GgufTensor> {
  const name = await readName(cursor, index);
  const what = `the description of tensor '${name}'`;
  await cursor.need(4, what);
  const dimCount = cursor.u32();
  if (dimCount < 1 || dimCount > MAX_DIMS) cursor.fail(`tensor '${name}' has ${dimCount} dimensions, not 1 to ${MAX_DIMS}`);
  await cursor.need(dimCount * 8 + 12, what);
  const dims = Array.from({ length: dimCount }, () => cursor.size64(`a dimension of tensor '${name}'`));
  const typeId = cursor.u32();
  const offset = cursor.size64(`the offset of tensor '${name}'`);
  const type = TENSOR_TYPES.get(typeId);
  if (!type) return cursor.fail(`tensor '${name}' has the unknown type ${typeId}`);
  return { name, dims, type, offset, ...measure(cursor, name, dims, type) };
}

async function readName(cursor: Cursor, index: number): Promise<string> {
  const what = `the name of tensor ${index + 1}`;
  await cursor.need(8, what);
  const length = cursor.size64(`the length of ${what}`);
  if (length > MAX_NAME_BYTES) cursor.fail(`${what} is ${length} bytes long, more than the ${MAX_NAME_BYTES} allowed`);
  return (await cursor.bytes(length, what)).toString("utf8");
}

function measure(cursor: Cursor, name: string, dims: readonly number[], type: TensorType): { elements: number; bytes: number } {
  if (dims.includes(0)) cursor.fail(`tensor '${name}' has a dimension of 0`);
  const rowElements = dims[0]!;
  if (rowElements % type.blockElements !== 0) {
    cursor.fail(
      `tensor '${name}' has rows of ${rowElements} elements, not a multiple of the ${type.blockElements} of a ${type.name} block`,
    );
  }
  const elements = dims.reduce((product, dim) => product * dim, 1);
  const bytes = (elements / type.blockElements) * type.blockBytes;
  // Beyond 2^53 a product is rounded; no such tensor fits any file.
  if (elements > Number.MAX_SAFE_INTEGER || bytes > Number.MAX_SAFE_INTEGER) {
    cursor.fail(`tensor '${name}' of ${dims.join(" × ")} elements is larger than any file`);
  }
  return { elements, bytes };
}

/** gguf.cpp takes nothing but tensors in order, each at the first aligned byte after the one before. */
function checkLayout(cursor: Cursor, tensors: readonly GgufTensor[], dataOffset: number, alignment: number, fileBytes: number): void {
  let expected = 0;
  for (const { name, offset, bytes } of tensors) {
    if (offset % alignment !== 0) cursor.fail(`tensor '${name}' starts at ${offset}, not a multiple of the alignment ${alignment}`);
    if (offset < expected) cursor.fail(`tensor '${name}' overlaps the one before it (it starts at ${offset}, that ends at ${expected})`);
    if (offset > expected) cursor.fail(`there is a gap before tensor '${name}' (it starts at ${offset}, expected ${expected})`);
    const end = dataOffset + offset + bytes;
    if (end > fileBytes) cursor.fail(`truncated: tensor '${name}' ends at byte ${end}, the file has ${fileBytes}`);
    expected = padded(offset + bytes, alignment);
  }
}

function padded(position: number, alignment: number): number {
  return Math.ceil(position / alignment) * alignment;
}
