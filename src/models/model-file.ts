/**
 * From a path to a described model, or the reason why it is none. Called by the catalogue. Knows that one model may lie in several
 * files (`name-00001-of-00003.gguf` …, llama_split_path of llama.cpp), of which libllama is given the first.
 */
import { basename } from "node:path";
import { ShimmyError } from "../contract/errors.ts";
import { reasonNotAModel } from "./acceptance.ts";
import { describeModel, type ModelDescription } from "./describe.ts";
import { type GgufHeader, readGgufHeader } from "./gguf/header.ts";
import { integerOf } from "./metadata.ts";

export interface ShardName {
  /** The path without "-00001-of-00003.gguf". */
  readonly prefix: string;
  /** From 1. */
  readonly index: number;
  readonly count: number;
}

/** More parts than this are no model but an attempt to make us open files for ever. */
const MAX_SHARDS = 1000;

export function shardNameOf(path: string): ShardName | undefined {
  const match = /^(.+)-(\d{5})-of-(\d{5})\.gguf$/.exec(path);
  if (!match) return undefined;
  const [, prefix, index, count] = match;
  return { prefix: prefix!, index: Number(index), count: Number(count) };
}

/** All files of the model whose first file this is: the path itself if it is whole. */
export function filesOf(path: string): [string, ...string[]] {
  const shard = shardNameOf(path);
  if (shard?.index !== 1 || shard.count > MAX_SHARDS) return [path];
  return [path, ...Array.from({ length: Math.max(0, shard.count - 1) }, (_, index) => shardPath(shard, index + 2))];
}

/**
 * `checksVocabulary`: to be sure before a load; a list can do without.
 * @throws model_file_missing, model_file_invalid with the reason.
 */
export async function readModelFile(path: string, options: { checksVocabulary?: boolean } = {}): Promise<ModelDescription> {
  const shard = shardNameOf(path);
  if (shard && shard.index !== 1)
    throw invalid(path, `part ${shard.index} of ${shard.count} of a split model: the first part stands for it`);
  const header = await readGgufHeader(path, options);
  const reason = reasonNotAModel(header) ?? splitReason(header, shard);
  if (reason) throw invalid(path, reason);
  const headers: [GgufHeader, ...GgufHeader[]] = [header];
  for (const [index, file] of filesOf(path).slice(1).entries()) headers.push(await readPart(path, file, index + 2));
  const description = describeModel(path, headers);
  if (description.parameters === 0) throw invalid(path, "vocabulary only: it has no tensors");
  return description;
}

async function readPart(path: string, part: string, number: number): Promise<GgufHeader> {
  try {
    return await readGgufHeader(part);
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

function shardPath({ prefix, count }: ShardName, index: number): string {
  return `${prefix}-${String(index).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.gguf`;
}

function invalid(path: string, reason: string): ShimmyError {
  return new ShimmyError("model_file_invalid", { path, reason });
}
