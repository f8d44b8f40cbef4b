/** The names of a model that lies in several files (llama_split_path of llama.cpp). Called wherever files become models. Pure. */

export interface ShardName {
  /** The path without "-00001-of-00003.gguf". */
  readonly prefix: string;
  /** From 1. */
  readonly index: number;
  readonly count: number;
}

/** More parts than this are no model but an attempt to make us open files for ever. */
export const MAX_SHARDS = 1000;

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

function shardPath({ prefix, count }: ShardName, index: number): string {
  return `${prefix}-${String(index).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.gguf`;
}
