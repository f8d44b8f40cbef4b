/**
 * Templates of the well-known prompt formats, for models that bring none or one the engine cannot run.
 * Called by template.ts. Formats are chosen by the control tokens a vocabulary has, which do not lie, then by name.
 */

interface BuiltIn {
  readonly name: string;
  /** Control tokens the format cannot do without. */
  readonly tokens: readonly string[];
  /** Words in the family or architecture that choose it among formats whose tokens are there. */
  readonly families: readonly string[];
  readonly source: string;
}

/** Each message as `before role between content after`, then the opening of the answer. */
function turns(before: string, between: string, after: string, options: { readonly bos?: boolean; readonly trim?: boolean } = {}): string {
  const content = options.trim ? "message.content | trim" : "message.content";
  return [
    options.bos ? "{{- bos_token }}" : "",
    "{%- for message in messages %}",
    `{{- '${before}' + message.role + '${between}' + (${content}) + '${after}' }}`,
    "{%- endfor %}",
    `{%- if add_generation_prompt %}{{- '${before}assistant${between}' }}{% endif %}`,
  ].join("");
}

/** Turns of user and assistant only; a system message or a wrong order is refused, so that the messages are normalised. */
function alternating(user: string, assistant: string, answer: string): string {
  return [
    "{{- bos_token }}",
    "{%- for message in messages %}",
    "{%- if (message.role == 'user') != (loop.index0 % 2 == 0) or message.role not in ['user', 'assistant'] %}",
    "{{- raise_exception('Roles must alternate between user and assistant') }}{% endif %}",
    `{%- if message.role == 'user' %}{{- ${user} }}{% else %}{{- ${assistant} }}{% endif %}`,
    "{%- endfor %}",
    `{%- if add_generation_prompt %}{{- '${answer}' }}{% endif %}`,
  ].join("");
}

const CHATML = [
  "{%- if tools %}{{- '<|im_start|>system\\n' }}",
  "{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{% endif %}",
  "{{- 'You can call these tools:\\n<tools>' }}{% for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{% endfor %}",
  '{{- \'\\n</tools>\\nTo call a tool, reply with\\n<tool_call>\\n{"name": ..., "arguments": {...}}\\n</tool_call><|im_end|>\\n\' }}{% endif %}',
  "{%- for message in messages %}{% if not (loop.first and tools and message.role == 'system') %}",
  "{%- if message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}",
  "{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content }}",
  "{%- for call in message.tool_calls or [] %}",
  '{{- \'\\n<tool_call>\\n{"name": "\' + call.function.name + \'", "arguments": \' }}',
  "{{- call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}{% endfor %}{% endif %}",
  "{{- '<|im_end|>\\n' }}{% endif %}{% endfor %}",
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}",
].join("");

const GEMMA = alternating(
  "'<start_of_turn>user\\n' + message.content | trim + '<end_of_turn>\\n'",
  "'<start_of_turn>model\\n' + message.content | trim + '<end_of_turn>\\n'",
  "<start_of_turn>model\\n",
);
const MISTRAL = alternating("'[INST] ' + message.content + ' [/INST]'", "' ' + message.content + eos_token", "");

const BUILT_INS: readonly BuiltIn[] = [
  { name: "phi4", tokens: ["<|im_start|>", "<|im_sep|>"], families: [], source: turns("<|im_start|>", "<|im_sep|>", "<|im_end|>") },
  { name: "chatml", tokens: ["<|im_start|>", "<|im_end|>"], families: ["qwen", "smollm", "yi", "internlm"], source: CHATML },
  {
    name: "llama3",
    tokens: ["<|start_header_id|>", "<|eot_id|>"],
    families: ["llama"],
    source: turns("<|start_header_id|>", "<|end_header_id|>\\n\\n", "<|eot_id|>", { bos: true, trim: true }),
  },
  { name: "gemma", tokens: ["<start_of_turn>", "<end_of_turn>"], families: ["gemma"], source: GEMMA },
  { name: "phi3", tokens: ["<|end|>", "<|assistant|>"], families: ["phi"], source: turns("<|", "|>\\n", "<|end|>\\n") },
  {
    name: "granite",
    tokens: ["<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"],
    families: ["granite"],
    source: turns("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>\\n"),
  },
  { name: "seed", tokens: ["<seed:bos>", "<seed:eos>"], families: ["seed"], source: turns("<seed:bos>", "\\n", "<seed:eos>") },
  { name: "mistral", tokens: ["[INST]", "[/INST]"], families: ["mistral", "mixtral", "ministral"], source: MISTRAL },
];

/** Formats whose marks are plain text: a name is the only sign of them. */
const BY_NAME: readonly BuiltIn[] = [
  { name: "mistral", tokens: [], families: ["mistral", "mixtral", "llama-2", "llama2"], source: MISTRAL },
  {
    name: "zephyr",
    tokens: [],
    families: ["zephyr", "tinyllama", "stablelm"],
    source: turns("<|", "|>\\n", "' + eos_token + '\\n"),
  },
];

const TRANSCRIPT: BuiltIn = {
  name: "transcript",
  tokens: [],
  families: [],
  source:
    "{%- for message in messages %}{{- message.role + ': ' + message.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{- 'assistant:' }}{% endif %}",
};

/** @param name family, architecture or model name, in any case */
export function builtInTemplate(name: string, controlTokens: ReadonlySet<string>): { readonly name: string; readonly source: string } {
  const word = name.toLowerCase();
  const named = (format: BuiltIn) => format.families.some((family) => word.includes(family));
  const possible = BUILT_INS.filter((format) => format.tokens.every((token) => controlTokens.has(token)));
  return possible.find(named) ?? possible[0] ?? BY_NAME.find(named) ?? TRANSCRIPT;
}
