/**
 * Makes a broken or strange model file of a number: the same number, the same file. Called by campaign.ts.
 * Half of the mutants are damaged bytes, the other half are well-formed files that say something else, which is what passes a reader and
 * reaches libllama.
 */
import { buildGguf, type FixtureTensor, type FixtureValue, type Typed } from "../../test/fixtures/gguf.ts";
import { ALL, type Base, LOADABLE, MORE_KEYS } from "./bases.ts";
import { type Field, fieldsOf } from "./fields.ts";
import { Random } from "./random.ts";

export interface Mutant {
  readonly base: string;
  readonly mutation: string;
  /** The start of the file; behind it are zeros up to `size`. */
  readonly content: Buffer;
  readonly size: number;
}

interface Built {
  readonly base: Base;
  readonly file: Buffer;
  readonly headerBytes: number;
  readonly fields: readonly Field[];
}

const built = new Map<Base, Built>();

export function mutant(seed: number): Mutant {
  const random = new Random(Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995);
  const base = random.chance(0.4) ? random.pick(LOADABLE) : random.pick(ALL);
  if (random.chance(0.5)) return reworded(base, random);
  return damaged(build(base), random);
}

/** Small enough to be written a hundred thousand times: tensor data is zeros, and left to the file system. */
export function originalOf(base: Base): Buffer {
  return build(base).file;
}

function build(base: Base): Built {
  const known = built.get(base);
  if (known) return known;
  const file = buildGguf(base);
  const fields = fieldsOf(file);
  const last = fields.at(-1)!;
  const result = { base, file, headerBytes: last.at + last.bytes, fields };
  built.set(base, result);
  return result;
}

// Damaged bytes

type Damage = (content: Buffer, of: Built, random: Random) => Buffer;

const DAMAGES: Readonly<Record<string, Damage>> = {
  field: (content, { fields }, random) => {
    const { at, bytes } = random.pick(fields);
    content.set(boundary(content, at, Math.min(bytes, 8), random), at);
    return content;
  },
  flip: (content, { headerBytes }, random) => {
    for (let flips = 1 + random.below(8); flips > 0; flips--) content[random.below(headerBytes)]! ^= 1 << random.below(8);
    return content;
  },
  cut: (content, { fields, headerBytes }, random) =>
    content.subarray(0, random.chance(0.5) ? random.pick(fields).at : random.below(headerBytes)),
  splice: (content, { fields }, random) => {
    const [from, until, to] = [random.pick(fields).at, random.pick(fields).at, random.pick(fields).at];
    const piece = content.subarray(Math.min(from, until), Math.max(from, until));
    const rest = random.chance(0.5) ? to : Math.min(content.length, to + piece.length);
    return Buffer.concat([content.subarray(0, to), piece, content.subarray(rest)]);
  },
  noise: (content, { headerBytes }, random) => {
    const at = random.chance(0.3) ? 4 : random.below(headerBytes);
    for (let index = at, end = Math.min(headerBytes, at + 1 + random.below(400)); index < end; index++) content[index] = random.below(256);
    return content;
  },
};

function damaged(of: Built, random: Random): Mutant {
  let content: Buffer = Buffer.from(of.file.subarray(0, of.headerBytes));
  const names: string[] = [];
  for (let rounds = random.chance(0.7) ? 1 : 2 + random.below(2); rounds > 0; rounds--) {
    const name = random.pick(Object.keys(DAMAGES));
    if (content.length < of.headerBytes) break;
    content = DAMAGES[name]!(content, of, random);
    names.push(name);
  }
  const whole = of.file.length + content.length - of.headerBytes;
  const size = names.includes("cut")
    ? content.length
    : random.chance(0.05)
      ? content.length + random.below(whole - content.length + 1)
      : whole;
  return { base: of.base.name, mutation: names.join("+"), content, size: Math.max(size, content.length) };
}

const EXTREMES = [0n, 1n, 2n, 0x7fn, 0xffn, 0x7fffn, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 1n << 32n, (1n << 53n) - 1n];
const LARGER = [1n << 53n, 1n << 60n, (1n << 61n) + 1n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n, (1n << 64n) - 32n];

function boundary(content: Buffer, at: number, bytes: number, random: Random): Buffer {
  const wide = Buffer.alloc(8);
  content.copy(wide, 0, at, at + bytes);
  const current = wide.readBigUInt64LE();
  const near = [current + 1n, current - 1n, current * 2n, current + 32n, current << 8n, ~current];
  const value = random.pick(random.chance(0.3) ? near : bytes === 8 ? [...EXTREMES, ...LARGER] : EXTREMES);
  wide.writeBigUInt64LE(BigInt.asUintN(64, value));
  return wide.subarray(0, bytes);
}

// Well-formed files that say something else

interface Draft {
  readonly base: Base;
  readonly metadata: Map<string, FixtureValue>;
  tensors: FixtureTensor[];
}

type Rewording = (draft: Draft, random: Random) => void;

const REWORDINGS: Readonly<Record<string, Rewording>> = {
  number: (draft, random) => {
    const key = random.pick(numberKeys(draft));
    if (key !== undefined) draft.metadata.set(key, strange(draft.metadata.get(key)!, random));
  },
  type: (draft, random) => {
    draft.metadata.set(random.pick([...draft.metadata.keys()]), random.pick(OTHER_VALUES));
  },
  drop: (draft, random) => void draft.metadata.delete(random.pick([...draft.metadata.keys()])),
  add: (draft, random) => {
    const architecture = String(draft.metadata.get("general.architecture"));
    const [key, value] = random.pick([...Object.entries(MORE_KEYS)]);
    draft.metadata.set(`${architecture}.${key}`, random.chance(0.5) ? value : strange(value, random));
  },
  tokenizer: (draft, random) => {
    const [key, values] = random.pick(Object.entries(TOKENIZER_VALUES));
    draft.metadata.set(`tokenizer.${key}`, random.pick(values));
  },
  array: (draft, random) => {
    const key = random.pick([...draft.metadata.keys()].filter((name) => Array.isArray(elementsOf(draft.metadata.get(name)!))));
    if (key !== undefined) draft.metadata.set(key, otherLength(draft.metadata.get(key)!, random));
  },
  perLayer: (draft, random) => {
    const key = random.pick(numberKeys(draft));
    if (key !== undefined)
      draft.metadata.set(
        key,
        Array.from({ length: 1 + random.below(4) }, () => random.below(9)),
      );
  },
  tensor: (draft, random) => {
    const index = random.below(draft.tensors.length);
    const { name, dims, type } = draft.tensors[index]!;
    const changed = dims.map((dim) => (random.chance(0.5) ? dim : random.pick([1, 2, 31, 32, 33, 64, 256, dim * 2, dim + 1])));
    const shaped = random.chance(0.5) ? changed : random.chance(0.5) ? [...dims].reverse() : [...dims, random.pick([1, 2, 3])].slice(0, 4);
    draft.tensors[index] = random.chance(0.6) ? { name, dims: shaped, ...(type && { type }) } : { name, dims, type: random.below(43) };
  },
  tensors: (draft, random) => {
    const index = random.below(draft.tensors.length);
    const other = random.below(draft.tensors.length);
    if (random.chance(0.4)) draft.tensors.splice(index, 1);
    else if (random.chance(0.5)) draft.tensors.splice(other, 0, ...draft.tensors.splice(index, 1));
    else draft.tensors[index] = { ...draft.tensors[index]!, name: `${draft.tensors[other]!.name}${random.pick([".bias", "_", ".scale"])}` };
    if (draft.tensors.length === 0) draft.tensors = [...draft.base.tensors];
  },
};

const INTEGERS = [
  0,
  1,
  2,
  3,
  5,
  7,
  8,
  16,
  31,
  33,
  63,
  255,
  256,
  511,
  512,
  513,
  1023,
  1024,
  4096,
  65_535,
  1 << 20,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];
const FLOATS = [0, -1, 0.5, 1e-30, 1e30, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const OTHER_VALUES: readonly FixtureValue[] = [
  "",
  "text",
  "x".repeat(5000),
  true,
  false,
  0,
  ...FLOATS.map((value): Typed => ({ type: "f32", value })),
  { type: "i32", value: -1 },
  { type: "i64", value: -1 },
  { type: "u64", value: 2 ** 53 },
  { type: "u8", value: 255 },
  { type: "f64", value: Number.NaN },
  [],
  [1],
  ["a"],
  { type: "array", of: "string", value: [] },
  { type: "array", of: "f32", value: [Number.NaN] },
  { type: "array", of: "bool", value: [true, false] },
  { type: "array", of: "u64", value: [1, 2] },
];
const ids: readonly FixtureValue[] = [0, 1, 272, 273, 274, 100_000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const TOKENIZER_VALUES: Readonly<Record<string, readonly FixtureValue[]>> = {
  "ggml.model": ["llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "gemma4", "hybriddna", "whatever", "none", "no_vocab"],
  "ggml.pre": [
    ..."default llama-bpe llama3 qwen2 deepseek-llm gpt-4o tekken smollm chatglm-bpe bert-bge jina-v2-de falcon gemma4 joyai-llm".split(
      " ",
    ),
    "",
  ],
  "ggml.bos_token_id": ids,
  "ggml.eos_token_id": ids,
  "ggml.eot_token_id": ids,
  "ggml.eom_token_id": ids,
  "ggml.unknown_token_id": ids,
  "ggml.seperator_token_id": ids,
  "ggml.padding_token_id": ids,
  "ggml.mask_token_id": ids,
  "ggml.fim_pre_token_id": ids,
  "ggml.fim_sep_token_id": ids,
  "ggml.merges": [[""], ["a"], ["a b", "a b"], ["a b c"], [" "], ["\u0000 b"], { type: "array", of: "string", value: [] }, [1, 2]],
  "ggml.suppress_tokens": [[1, 2], [100_000], [-1]],
  "ggml.token_type_count": [0, 1, 2, 2 ** 31, 2 ** 32 - 1],
  "ggml.precompiled_charsmap": [
    [1, 2, 3],
    { type: "array", of: "u8", value: [] },
    { type: "array", of: "u8", value: [1] },
    { type: "array", of: "u8", value: [255, 255, 255, 255, 0] },
    { type: "array", of: "i8", value: [16, 0, 0, 0, -1, -1, -1, -1] },
  ],
  "ggml.add_bos_token": [true, false, 1],
  "ggml.add_sep_token": [true, false],
  "ggml.remove_extra_whitespaces": [true, false],
  "ggml.normalizer.lowercase": [true, false],
  chat_template: ["", "{{", "x".repeat(100_000)],
};

function numberKeys({ metadata }: Draft): string[] {
  return [...metadata].filter(([, value]) => typeof value === "number" || typeof value === "boolean").map(([key]) => key);
}

function strange(value: FixtureValue, random: Random): FixtureValue {
  if (typeof value === "boolean") return !value;
  if (typeof value !== "number") return otherLength(value, random);
  if (!Number.isInteger(value)) return { type: "f32", value: random.pick(FLOATS) };
  return random.chance(0.3)
    ? Math.min(2 ** 32 - 1, Math.max(0, random.pick([value + 1, value - 1, value * 2, Math.floor(value / 2)])))
    : random.pick(INTEGERS);
}

function elementsOf(value: FixtureValue): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  return typeof value === "object" && "type" in value && value.type === "array" ? (value.value as readonly unknown[]) : undefined;
}

const ODD_TEXTS: readonly (string | number)[] = ["", "\u0000", "a", "\ufffd", "<0x0A>"];
const ODD_INTEGERS: readonly (string | number)[] = [0, -1, 7, 1e6];

function otherLength(value: FixtureValue, random: Random): FixtureValue {
  const elements = elementsOf(value);
  if (!elements) return random.pick(OTHER_VALUES);
  const of = typeof value === "object" && "of" in value && value.of ? value.of : typeof elements[0] === "string" ? "string" : "i32";
  const length = random.pick([0, 1, elements.length - 1, elements.length + 1, elements.length * 2]);
  const changed = Array.from({ length: Math.max(0, length) }, (_, index) => elements[index] ?? (of === "string" ? `t${index}` : 0));
  if (changed.length > 0 && random.chance(0.3))
    changed[random.below(changed.length)] = random.pick(of === "string" ? ODD_TEXTS : of === "i32" ? ODD_INTEGERS : [0, 1]);
  return { type: "array", of, value: changed };
}

function reworded(base: Base, random: Random): Mutant {
  const draft: Draft = { base, metadata: new Map(Object.entries(base.metadata)), tensors: [...base.tensors] };
  const names: string[] = [];
  for (let rounds = 1 + (random.chance(0.6) ? 0 : random.below(4)); rounds > 0; rounds--) {
    const name = random.pick(Object.keys(REWORDINGS));
    REWORDINGS[name]!(draft, random);
    names.push(name);
    if (draft.metadata.size === 0) break;
  }
  const content = buildGguf({ metadata: Object.fromEntries(draft.metadata), tensors: draft.tensors });
  return { base: base.name, mutation: names.join("+"), content, size: content.length };
}
