/**
 * Words about models: the id of a file, the spellings that mean an id, and what a name says of family, size and quantisation.
 * Called by the catalogue and by `resolve.ts`. Pure: it never touches the disk, and a name from outside never becomes a path.
 */
import { basename, dirname } from "node:path";

/** The id of the model that Shimmy brings along, whatever its file is called. */
export const EMBEDDED_ID = "shimmy-tiny";

/** Names that mean "whatever is the default"; no file may take them as its id. */
export const DEFAULT_NAMES: ReadonlySet<string> = new Set(["", "default", "auto"]);

/** "SmolLM2 135M_Q4.gguf" → "smollm2-135m-q4". */
export function idOfFile(path: string): string {
  const name = basename(path)
    .replace(/\.gguf$/i, "")
    .replace(/-\d{5}-of-\d{5}$/, "");
  return slug(name) || "model";
}

export interface NamedFile {
  readonly path: string;
  readonly embedded: boolean;
  /** What its store calls it: taken as it is, but for spaces. Absent: the name of the file tells. */
  readonly name?: string;
  /** What stands before a name that is taken; absent: the folder of the file. */
  readonly group?: string;
}

/** The id of a file if no other has it. */
export function wantedId({ path, embedded, name }: NamedFile): string {
  if (embedded) return EMBEDDED_ID;
  return name === undefined ? idOfFile(path) : name.trim().replace(/[^\p{L}\p{N}.+_:/@-]+/gu, "-");
}

/**
 * One unique id each: the file's name; if that is taken, with its folder before it; then with a counter. The order decides who keeps the
 * plain name, but a path that already had an id keeps it, so a file that appears never takes a running model's name.
 * @returns path → id.
 */
export function assignIds(files: readonly NamedFile[], previous: ReadonlyMap<string, string> = new Map()): Map<string, string> {
  const ids = new Map<string, string>();
  const taken = new Set<string>([...DEFAULT_NAMES, EMBEDDED_ID]);
  const give = (path: string, id: string): void => {
    ids.set(path, id);
    taken.add(id);
  };
  for (const { path, embedded } of files) {
    const kept = previous.get(path);
    if (embedded) give(path, EMBEDDED_ID);
    else if (kept !== undefined && kept !== EMBEDDED_ID) give(path, kept);
  }
  for (const file of files) if (!ids.has(file.path)) give(file.path, freeId(file, taken));
  return ids;
}

function freeId(file: NamedFile, taken: ReadonlySet<string>): string {
  const plain = wantedId(file);
  if (!taken.has(plain)) return plain;
  const group = file.group ?? basename(dirname(file.path));
  // "b-x"; a store's own spelling, with a tag or an owner, stays as it is: "ollama/llama3:latest".
  const withFolder = plain === slug(plain) ? slug(`${group}-${plain}`) : `${slug(group)}/${plain}`;
  if (!taken.has(withFolder)) return withFolder;
  let counter = 2;
  while (taken.has(`${withFolder}-${counter}`)) counter++;
  return `${withFolder}-${counter}`;
}

/**
 * The ids that a spelling may mean, the most literal first: case, `.gguf`, `_` for `-`, `name:tag` and `folder/name` do not matter,
 * `:latest` is left out.
 */
export function idsMeantBy(name: string): string[] {
  const bare = name
    .trim()
    .replace(/:latest$/i, "")
    .replace(/\.gguf$/i, "")
    .replace(/-\d{5}-of-\d{5}$/, "");
  const lastSegment = bare.split(/[\\/]/).at(-1) ?? bare;
  const spellings = [bare, lastSegment, lastSegment.replace(/[-_]gguf(?=$|:)/i, "")];
  return [...new Set(spellings.map(slug).filter((id) => id !== ""))];
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .normalize("NFC")
    .replace(/[^\p{L}\p{N}.+]+/gu, "-")
    .replace(/^[-.]+|[-.]+$/g, "");
}

/** A family and the words that begin its names. The order matters where a name has two ("deepseek-r1-distill-qwen"). */
const FAMILIES: ReadonlyArray<readonly [family: string, words: readonly string[]]> = [
  ["shimmy", ["shimmy"]],
  ["smollm", ["smollm"]],
  ["deepseek", ["deepseek"]],
  ["qwen", ["qwen", "qwq", "qvq"]],
  ["mistral", ["mistral", "mixtral", "ministral", "magistral", "devstral", "codestral", "pixtral"]],
  ["gemma", ["gemma", "codegemma", "medgemma", "embeddinggemma"]],
  ["phi", ["phi"]],
  ["granite", ["granite"]],
  ["nemotron", ["nemotron"]],
  ["llama", ["llama", "codellama", "tinyllama", "vicuna", "alpaca"]],
  ["falcon", ["falcon"]],
  ["cohere", ["cohere", "command", "aya"]],
  ["gpt-oss", ["gpt-oss"]],
  ["glm", ["glm", "chatglm"]],
  ["olmo", ["olmo"]],
  ["exaone", ["exaone"]],
  ["internlm", ["internlm"]],
  ["starcoder", ["starcoder"]],
  ["stablelm", ["stablelm"]],
  ["minicpm", ["minicpm"]],
  ["minimax", ["minimax"]],
  ["hunyuan", ["hunyuan"]],
  ["ernie", ["ernie"]],
  ["kimi", ["kimi"]],
  ["lfm", ["lfm"]],
  ["mamba", ["mamba"]],
  ["rwkv", ["rwkv"]],
  ["bert", ["bert", "minilm", "bge", "nomic", "jina"]],
];

/** The family that a name tells, if it is a known one. A word must begin with it: "dolphin" is no phi. */
export function familyOf(name: string): string | undefined {
  const words = `-${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return FAMILIES.find(([, starts]) => starts.some((start) => words.includes(`-${start}`)))?.[0];
}

/** The number of parameters that a name tells: "8b", "135M", "8x7b". */
export function parametersIn(name: string): number | undefined {
  const match = /(?:^|[^a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])/i.exec(name);
  if (!match) return undefined;
  const [, experts, number, unit] = match;
  return Number(experts ?? 1) * Number(number) * (unit!.toLowerCase() === "b" ? 1e9 : 1e6);
}

/** The quantisation that a name tells, spelled as in `ModelInfo`: "q4-k-m" → "Q4_K_M". */
export function quantizationIn(name: string): string | undefined {
  const match =
    /(?:^|[^a-z0-9])(iq\d[-_](?:xxs|xs|nl|s|m)|q\d[-_]k(?:[-_][sml])?|q\d[-_]\d|tq\d[-_]0|mxfp4|nvfp4|bf16|f16|f32)(?![a-z0-9])/i.exec(
      name,
    );
  return match?.[1]?.toUpperCase().replaceAll("-", "_");
}

/** About how many bits a weight has: to say which quantisation is near another. */
export function bitsOf(quantization: string): number {
  const match = /(\d+)/.exec(quantization);
  return match ? Number(match[1]) : 16;
}
