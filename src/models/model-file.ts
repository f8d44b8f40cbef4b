/**
 * From a path to a described model, a LoRA adapter, or the reason why it is neither. Called by the catalogue. Knows that one model may
 * lie in several files (`shards.ts`), of which libllama is given the first.
 */
import { basename } from "node:path";
import { ShimmyError } from "../contract/errors.ts";
import { reasonNotAModel } from "./acceptance.ts";
import { describeModel, type ModelDescription } from "./describe.ts";
import { type GgufHeader, readGgufHeader } from "./gguf/header.ts";
import { integerOf, stringOf } from "./metadata.ts";
import { filesOf, MAX_SHARDS, type ShardName, shardNameOf } from "./shards.ts";
import { reasonOfTensors } from "./tensor-rules.ts";

/** For those who know models by their path: which files one is. */
export { filesOf, shardNameOf } from "./shards.ts";

/** Longer names are no names. */
const MAX_NAME = 256;

/** A LoRA file as its header tells it. */
export interface AdapterFacts {
  readonly sizeBytes: number;
  readonly architecture: string;
  /** What its metadata calls the model it was trained on: names, the last part of an address. The first is for people. */
  readonly baseNames: readonly string[];
}

/** What a file turned out to be. Plain data that survives JSON: it is kept in a file (`header-cache.ts`). */
export type Examination =
  /** `names`: what its metadata calls it, to pair adapters with it. */
  | { readonly kind: "model"; readonly description: ModelDescription; readonly names: readonly string[] }
  | { readonly kind: "adapter"; readonly adapter: AdapterFacts }
  | { readonly kind: "none"; readonly reason: string };

/**
 * For lists: without looking for tokens that are there twice.
 * @throws model_file_missing, model_file_invalid with a cause if the disk failed. What the content is at fault for is a reason.
 */
export async function examineFile(path: string): Promise<Examination> {
  try {
    const header = await readFirstHeader(path, { checksVocabulary: false });
    if (stringOf(header, "general.type") === "adapter") return examineAdapter(header);
    return { kind: "model", description: await describeFrom(path, header), names: namesOf(header, "general.") };
  } catch (error) {
    if (!(error instanceof ShimmyError) || error.code !== "model_file_invalid" || error.cause !== undefined) throw error;
    return { kind: "none", reason: String(error.details.reason) };
  }
}

/**
 * `checksVocabulary`: to be sure before a load; a list can do without.
 * @throws model_file_missing, model_file_invalid with the reason.
 */
export async function readModelFile(path: string, options: { checksVocabulary?: boolean } = {}): Promise<ModelDescription> {
  return describeFrom(path, await readFirstHeader(path, options));
}

async function readFirstHeader(path: string, options: { checksVocabulary?: boolean }): Promise<GgufHeader> {
  const shard = shardNameOf(path);
  if (shard && shard.index !== 1)
    throw invalid(path, `part ${shard.index} of ${shard.count} of a split model: the first part stands for it`);
  return readGgufHeader(path, options);
}

async function describeFrom(path: string, header: GgufHeader): Promise<ModelDescription> {
  const reason = reasonNotAModel(header) ?? splitReason(header, shardNameOf(path));
  if (reason) throw invalid(path, reason);
  const headers: [GgufHeader, ...GgufHeader[]] = [header];
  for (const [index, file] of filesOf(path).slice(1).entries()) headers.push(await readPart(path, file, index + 2));
  const apart = headers.length > 1 ? partsReason(headers) : undefined;
  if (apart) throw invalid(path, apart);
  const description = describeModel(path, headers);
  if (description.parameters === 0) throw invalid(path, "vocabulary only: it has no tensors");
  return description;
}

/** Keys: llama.cpp's convert_lora_to_gguf.py and gguf-py/gguf/metadata.py. */
function examineAdapter(header: GgufHeader): Examination {
  const type = stringOf(header, "adapter.type") ?? "lora";
  const architecture = stringOf(header, "general.architecture");
  if (type !== "lora") return { kind: "none", reason: `an adapter of the unknown type '${type}'` };
  if (architecture === undefined) return { kind: "none", reason: "a LoRA adapter without general.architecture" };
  return { kind: "adapter", adapter: { sizeBytes: header.fileBytes, architecture, baseNames: namesOf(header, "general.base_model.0.") } };
}

function namesOf(header: GgufHeader, prefix: string): string[] {
  const values = ["name", "basename", "repo_url"].map((key) => stringOf(header, `${prefix}${key}`));
  const named = values.map((value) => value?.replace(/\/+$/, "").split("/").at(-1)?.slice(0, MAX_NAME));
  return [...new Set(named.filter((name): name is string => name !== undefined && name !== ""))];
}

async function readPart(path: string, part: string, number: number): Promise<GgufHeader> {
  try {
    const header = await readGgufHeader(part);
    const reason = reasonOfTensors(header);
    if (reason) throw invalid(path, `part ${number}, ${basename(part)}: ${reason}`);
    return header;
  } catch (error) {
    const missing = error instanceof ShimmyError && error.code === "model_file_missing";
    throw missing ? invalid(path, `part ${number}, ${basename(part)}, is missing`) : error;
  }
}

function splitReason(header: GgufHeader, shard: ShardName | undefined): string | undefined {
  const count = integerOf(header, "split.count") ?? 0;
  const number = (integerOf(header, "split.no") ?? 0) + 1;
  if (count > MAX_SHARDS) return `it claims to be split into ${count} parts, more than the ${MAX_SHARDS} allowed`;
  if (count <= 1) return shard && shard.count > 1 ? "it is named like a part of a split model, but is none (split.count)" : undefined;
  if (number !== 1) return `part ${number} of ${count} of a split model: the first part stands for it`;
  if (shard?.count !== count)
    return `the first of ${count} parts, but its name does not end in -00001-of-${String(count).padStart(5, "0")}.gguf`;
  return undefined;
}

/** Whether the parts are those of one model: their numbers, and the tensors that the first one announces, each once. */
function partsReason(headers: readonly [GgufHeader, ...GgufHeader[]]): string | undefined {
  for (const [index, header] of headers.entries()) {
    const [number, count] = [integerOf(header, "split.no"), integerOf(header, "split.count")];
    if (number !== index || count !== headers.length)
      return `part ${index + 1} of ${headers.length} says that it is part ${(number ?? -1) + 1} of ${count ?? 0}`;
  }
  const names = headers.flatMap(({ tensors }) => tensors.map(({ name }) => name));
  const announced = integerOf(headers[0], "split.tensors.count");
  if (announced !== undefined && announced !== names.length)
    return `its parts have ${names.length} tensors together, not the ${announced} that the first one announces`;
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) return `tensor '${name}' is in two of its parts`;
    seen.add(name);
  }
  return undefined;
}

function invalid(path: string, reason: string): ShimmyError {
  return new ShimmyError("model_file_invalid", { path, reason });
}
