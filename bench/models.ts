/**
 * Model names of the command line → GGUF files. "q4_1" is the shared file, other types are made from it once and cached, anything else is a path.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { basename, resolve } from "node:path";

/**
 * SmolLM2's end-of-generation tokens as llama.cpp finds them: <|endoftext|>, <|im_end|>, <reponame>.
 * Banned by bias on both servers, since `ignore_eos` is llama-server's own word.
 */
export const NO_END = { logit_bias: { "0": -100, "2": -100, "4": -100 } };

export interface BenchModel {
  readonly name: string;
  readonly path: string;
}

const SOURCE = "../shared/models/smollm2-135m-instruct-q4_1.gguf";

/** llama.h `enum llama_ftype`. */
const FTYPES: Readonly<Record<string, number>> = { f16: 1, q4_0: 2, q8_0: 7, q4_k_m: 15 };

/** @param scripts folder of the bundled scripts, where quantize.js is */
export function resolveModel(name: string, root: string, scripts: string): BenchModel {
  if (name.endsWith(".gguf")) return { name: basename(name, ".gguf"), path: existing(resolve(name)) };
  const source = existing(resolve(root, SOURCE));
  if (name === "q4_1") return { name, path: source };
  const ftype = FTYPES[name];
  if (ftype === undefined) throw new Error(`unknown model ${name}: q4_1, ${Object.keys(FTYPES).join(", ")} or a path to a .gguf`);
  const folder = `${process.env.XDG_CACHE_HOME ?? `${homedir()}/.cache`}/shimmy-bench`;
  const path = `${folder}/smollm2-135m-instruct-${name}.gguf`;
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    execFileSync(process.execPath, [`${scripts}/quantize.js`, source, path, String(ftype)], {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  return { name, path };
}

function existing(path: string): string {
  if (!existsSync(path)) throw new Error(`no model at ${path}`);
  return path;
}
