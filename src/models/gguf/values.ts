/**
 * The key-value part of a GGUF header. Called by `header.ts`. Keeps numbers, short strings and short arrays of numbers; walks past
 * everything else (the vocabulary above all) and remembers only its type and count.
 */
import type { Cursor } from "./cursor.ts";
import { DistinctStrings } from "./distinct.ts";
import { SpelledBytes } from "./spelled-bytes.ts";

export type GgufScalar = number | bigint | boolean | string;

/** An array: its values only if they are numbers or booleans and at most `MAX_KEPT_ELEMENTS`. */
export interface GgufArray {
  readonly kind: "array";
  readonly type: string;
  readonly count: number;
  readonly values?: ReadonlyArray<number | bigint | boolean>;
  /** Of the vocabulary, up to `MAX_TOKENS` and only if that was asked for: whether no token is there twice. */
  readonly distinct?: boolean;
  /** Likewise: whether each of the 256 bytes has a token, as itself or spelled "<0x0A>". */
  readonly spellsBytes?: boolean;
  /** Likewise, of its token types: whether any is BYTE. */
  readonly namesBytes?: boolean;
}

/** A string too long to keep (a whole tokenizer.json, say). */
export interface GgufLongString {
  readonly kind: "longString";
  readonly bytes: number;
}

/** Integers are numbers while a number holds them exactly, else bigints. */
export type GgufValue = GgufScalar | GgufArray | GgufLongString;

/** Real files have under 200; libllama compares each key with all before it, so its time grows with the square. */
const MAX_ENTRIES = 4096;
/** gguf.md: keys are at most 65535 bytes. */
const MAX_KEY_BYTES = 65_535;
const MAX_KEPT_STRING_BYTES = 1024 * 1024;
/** Of all kept strings and keys together. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;
/** Enough for one value a layer: libllama's LLAMA_MAX_LAYERS. */
const MAX_KEPT_ELEMENTS = 512;

/** Four times the largest real vocabulary. */
export const MAX_TOKENS = 1 << 20;

const DEFAULT_ALIGNMENT = 32;
/** LLAMA_TOKEN_TYPE_BYTE of llama.h. */
const TOKEN_TYPE_BYTE = 6;
const STRING = 8;
const ARRAY = 9;

interface NumberType {
  readonly name: string;
  readonly bytes: number;
  readonly read: (cursor: Cursor) => number | bigint | boolean;
}

/** By the number of `enum gguf_value_type`; 8 is a string, 9 an array. */
const NUMBER_TYPES: ReadonlyMap<number, NumberType> = new Map<number, NumberType>([
  [0, { name: "u8", bytes: 1, read: (cursor) => cursor.u8() }],
  [1, { name: "i8", bytes: 1, read: (cursor) => cursor.i8() }],
  [2, { name: "u16", bytes: 2, read: (cursor) => cursor.u16() }],
  [3, { name: "i16", bytes: 2, read: (cursor) => cursor.i16() }],
  [4, { name: "u32", bytes: 4, read: (cursor) => cursor.u32() }],
  [5, { name: "i32", bytes: 4, read: (cursor) => cursor.i32() }],
  [6, { name: "f32", bytes: 4, read: (cursor) => cursor.f32() }],
  [7, { name: "bool", bytes: 1, read: (cursor) => cursor.u8() !== 0 }],
  [10, { name: "u64", bytes: 8, read: (cursor) => cursor.u64() }],
  [11, { name: "i64", bytes: 8, read: (cursor) => cursor.i64() }],
  [12, { name: "f64", bytes: 8, read: (cursor) => cursor.f64() }],
]);

/** @returns the entries and `general.alignment`, a power of two. */
export async function readMetadata(
  cursor: Cursor,
  count: number,
  checksVocabulary: boolean,
): Promise<{ metadata: Map<string, GgufValue>; alignment: number }> {
  if (count > MAX_ENTRIES) cursor.fail(`it claims ${count} metadata entries, more than the ${MAX_ENTRIES} allowed`);
  const metadata = new Map<string, GgufValue>();
  let alignment = DEFAULT_ALIGNMENT;
  let keptBytes = 0;
  for (let index = 0; index < count; index++) {
    const key = await readKey(cursor, index);
    if (metadata.has(key)) cursor.fail(`metadata key ${JSON.stringify(key)} is there twice`);
    await cursor.need(4, `the type of '${key}'`);
    const type = cursor.u32();
    const value = await readValue(cursor, type, key, checksVocabulary);
    keptBytes += key.length + (typeof value === "string" ? value.length : 0);
    if (keptBytes > MAX_KEPT_BYTES) cursor.fail(`its metadata keys and strings are larger than ${MAX_KEPT_BYTES} bytes`);
    if (key === "general.alignment") alignment = checkAlignment(cursor, type, value);
    // libllama asserts on it, and only the type tells a float from an integer.
    if (key === "adapter.lora.alpha" && NUMBER_TYPES.get(type)?.name !== "f32") cursor.fail(`${key} is not an f32`);
    metadata.set(key, value);
  }
  return { metadata, alignment };
}

async function readKey(cursor: Cursor, index: number): Promise<string> {
  const what = `metadata key ${index + 1}`;
  await cursor.need(8, what);
  const length = cursor.size64(`the length of ${what}`);
  if (length === 0) cursor.fail(`${what} is empty`);
  if (length > MAX_KEY_BYTES) cursor.fail(`${what} is ${length} bytes long, more than the ${MAX_KEY_BYTES} allowed`);
  return (await cursor.bytes(length, what)).toString("utf8");
}

async function readValue(cursor: Cursor, type: number, key: string, checksVocabulary: boolean): Promise<GgufValue> {
  const what = `the value of '${key}'`;
  if (type === STRING) return readString(cursor, what);
  if (type === ARRAY) return readArray(cursor, key, checksVocabulary);
  const numberType = NUMBER_TYPES.get(type);
  if (!numberType) return cursor.fail(`'${key}' has the unknown type ${type}`);
  await cursor.need(numberType.bytes, what);
  return numberType.read(cursor);
}

async function readString(cursor: Cursor, what: string): Promise<string | GgufLongString> {
  await cursor.need(8, what);
  const length = cursor.size64(`the length of ${what}`);
  if (length <= MAX_KEPT_STRING_BYTES) return (await cursor.bytes(length, what)).toString("utf8");
  await cursor.skip(length, what);
  return { kind: "longString", bytes: length };
}

async function readArray(cursor: Cursor, key: string, checksVocabulary: boolean): Promise<GgufArray> {
  const what = `the array '${key}'`;
  await cursor.need(12, what);
  const elementType = cursor.u32();
  const count = cursor.size64(`the count of ${what}`);
  if (checksVocabulary && elementType === STRING && key === "tokenizer.ggml.tokens" && count <= MAX_TOKENS) {
    const tokens = new DistinctStrings(Math.min(count, Math.ceil(cursor.remaining / 8)));
    const spelled = new SpelledBytes();
    await cursor.skipStrings(count, what, (bytes, start, end) => {
      tokens.add(bytes, start, end);
      spelled.add(bytes, start, end);
    });
    return { kind: "array", type: "string", count, distinct: tokens.distinct, spellsBytes: spelled.all };
  }
  if (elementType === STRING) {
    await cursor.skipStrings(count, what);
    return { kind: "array", type: "string", count };
  }
  const numberType = NUMBER_TYPES.get(elementType);
  if (!numberType) return cursor.fail(`${what} has elements of the unknown type ${elementType}`);
  const { name: type, bytes } = numberType;
  if (checksVocabulary && bytes === 4 && key === "tokenizer.ggml.token_type" && count <= MAX_TOKENS) {
    const types = await cursor.bytes(count * bytes, what);
    const namesBytes = Array.from({ length: count }, (_, index) => types.readInt32LE(4 * index)).includes(TOKEN_TYPE_BYTE);
    return { kind: "array", type, count, namesBytes };
  }
  if (count > MAX_KEPT_ELEMENTS) {
    await cursor.skip(count * bytes, what);
    return { kind: "array", type, count };
  }
  await cursor.need(count * bytes, what);
  return { kind: "array", type, count, values: Array.from({ length: count }, () => numberType.read(cursor)) };
}

function checkAlignment(cursor: Cursor, type: number, value: GgufValue): number {
  if (NUMBER_TYPES.get(type)?.name !== "u32" || typeof value !== "number") return cursor.fail("general.alignment is not a u32");
  // Not by bit operations: they are signed in JavaScript.
  if (value === 0 || !Number.isInteger(Math.log2(value))) cursor.fail(`general.alignment is ${value}, not a power of two`);
  return value;
}
