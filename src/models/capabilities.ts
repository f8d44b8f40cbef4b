/**
 * What a model can be asked for, from what its file says: kind of network, pooling, special tokens, the text of its chat template.
 * Called by `describe.ts`, and by whoever gives a model another template. Pure. It renders nothing: a template is only read.
 */
import type { Capability, ModelInfo } from "../contract/model.ts";

export interface Traits {
  /** It continues text, token after token. */
  readonly generative: boolean;
  /** It makes vectors of text: an encoder, or a decoder that was retrained for it. */
  readonly embeds: boolean;
  /** `{arch}.pooling_type`, enum llama_pooling_type of llama.h: −1 unspecified, 0 none, 1 mean, 2 CLS, 3 last, 4 rank. */
  readonly pooling: number;
  /** It has a head that ranks (tensor cls.output.weight). */
  readonly ranks: boolean;
  readonly chatTemplate?: string;
  /** The vocabulary names its fill-in-the-middle tokens. */
  readonly fillsMiddle: boolean;
}

const POOLING_RANK = 4;

/** In a fixed order: text first, then what a template adds, then vectors. */
export function capabilitiesOf({ generative, embeds, pooling, ranks, chatTemplate, fillsMiddle }: Traits): Capability[] {
  if (!generative && pooling === POOLING_RANK) return ranks ? ["reranking"] : [];
  if (!generative) return embeds ? ["embedding"] : [];
  const found: Capability[] = ["completion"];
  if (chatTemplate !== undefined) {
    found.push("chat");
    if (takesTools(chatTemplate)) found.push("tools");
    if (thinks(chatTemplate)) found.push("thinking");
  }
  if (fillsMiddle) found.push("fill-in-the-middle");
  return found;
}

/** Whether it can be loaded at all: others are known to lists only. */
export function isServable({ generative, capabilities = [] }: Pick<ModelInfo, "generative" | "capabilities">): boolean {
  return generative || capabilities.length > 0;
}

/** Whether vectors of texts can be had: a model that generates gives those of its last token, or their mean. */
export function makesVectors({ generative, capabilities = [] }: Pick<ModelInfo, "generative" | "capabilities">): boolean {
  return generative || capabilities.includes("embedding");
}

export function ranks({ capabilities = [] }: Pick<ModelInfo, "capabilities">): boolean {
  return capabilities.includes("reranking");
}

/** Longer templates do not exist; what comes after is not read. */
const MAX_READ = 256 * 1024;

/** The template reads the variable `tools`. Fields (`message.tools`), texts and comments do not count. */
function takesTools(template: string): boolean {
  return variablesIn(template).has("tools");
}

/** Variables that switch or steer thoughts: Qwen3 and kin; Granite, DeepSeek V3.1; gpt-oss. */
const THINKING_VARIABLES = ["enable_thinking", "thinking", "reasoning_effort"];

/**
 * Marks around thoughts: DeepSeek R1, QwQ, Qwen3 and most others; Seed-OSS; Magistral; Command A; gpt-oss; Gemma 4. `reasoning_content`
 * is the field in which clients send thoughts back.
 */
const THINKING_MARKS = /<\/?(?:seed:)?think(?:ing)?>|\[\/?THINK\]|<\|START_THINKING\|>|<\|channel\|>analysis|<\|think\|>|reasoning_content/;

function thinks(template: string): boolean {
  const variables = variablesIn(template);
  return THINKING_VARIABLES.some((name) => variables.has(name)) || THINKING_MARKS.test(template.slice(0, MAX_READ));
}

/** The names that a Jinja template uses as variables: identifiers in `{{ }}` and `{% %}`, without texts, comments and attributes. */
function variablesIn(template: string): Set<string> {
  return new Set([...codeIn(template.slice(0, MAX_READ)).matchAll(/(?<![.\w])[A-Za-z_]\w*/g)].map(([name]) => name));
}

const TAG = /\{[{%#]/g;

/** In one pass, for the template may be made to be slow: what is never closed ends it. */
function codeIn(template: string): string {
  let code = "";
  let at = 0;
  for (;;) {
    TAG.lastIndex = at;
    const tag = TAG.exec(template)?.[0];
    if (tag === undefined) return code;
    at = TAG.lastIndex;
    if (tag === "{#") {
      const end = template.indexOf("#}", at);
      if (end < 0) return code;
      at = end + 2;
      continue;
    }
    const close = tag === "{{" ? "}}" : "%}";
    while (at < template.length && !template.startsWith(close, at)) {
      const character = template.charAt(at);
      const next = character === "'" || character === '"' ? endOfText(template, at) : at + 1;
      code += next === at + 1 ? character : " ";
      at = next;
    }
    code += "\n";
  }
}

/** The position after the text that begins with the quote at `at`. */
function endOfText(template: string, at: number): number {
  let end = at + 1;
  while (end < template.length && template[end] !== template[at]) end += template[end] === "\\" ? 2 : 1;
  return end + 1;
}

/** A format and the marks that only it prints; the first whose marks are all there. */
const FORMATS: ReadonlyArray<readonly [format: string, marks: readonly string[]]> = [
  ["harmony", ["<|start|>", "<|channel|>"]],
  ["chatml", ["<|im_start|>"]],
  ["llama4", ["<|header_start|>"]],
  ["llama3", ["<|start_header_id|>"]],
  ["gemma", ["<start_of_turn>"]],
  ["granite", ["<|start_of_role|>"]],
  ["deepseek", ["<｜User｜>"]],
  ["cohere", ["<|START_OF_TURN_TOKEN|>"]],
  ["glm", ["[gMASK]"]],
  ["llama2", ["[INST]", "<<SYS>>"]],
  ["mistral", ["[INST]"]],
  ["phi3", ["<|user|>", "<|end|>"]],
  ["zephyr", ["<|user|>"]],
  ["openchat", ["GPT4 Correct"]],
  ["alpaca", ["### Instruction:"]],
  ["vicuna", ["USER:"]],
];

/** For people, and for clients that group models: nothing is decided by it. */
export function templateFormatOf(template: string): string {
  const text = template.slice(0, MAX_READ);
  // Templates build their marks of pieces ('<|im_start|>' + role, "<|" + role + "|>"): only whole ones are looked for.
  return FORMATS.find(([, marks]) => marks.every((mark) => text.includes(mark)))?.[0] ?? "other";
}
