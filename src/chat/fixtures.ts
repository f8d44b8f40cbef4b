/**
 * Small chat templates with the habits of real ones, for the tests of this room only.
 * Named after the habit; the comment names models that have it.
 */
const lines = (...parts: string[]) => parts.join("\n");

export const CHATML = lines(
  "{%- for message in messages %}",
  "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}",
  "{%- endfor %}",
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}",
);

/** Qwen2.5, Hermes: tools in the system turn, calls and results in XML marks. */
export const HERMES = lines(
  "{%- if tools %}{{- '<|im_start|>system\\n<tools>' }}",
  "{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{% endfor %}",
  "{{- '\\n</tools><|im_end|>\\n' }}{% endif %}",
  "{%- for message in messages %}",
  "{%- if message.role == 'tool' %}",
  "{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}",
  "{%- else %}",
  "{{- '<|im_start|>' + message.role + '\\n' + message.content }}",
  "{%- for call in message.tool_calls or [] %}",
  "{{- '<tool_call>{\"name\": \"' + call.function.name + '\", \"arguments\": ' + (call.function.arguments | tojson) + '}</tool_call>' }}",
  "{%- endfor %}{{- '<|im_end|>\\n' }}{% endif %}",
  "{%- endfor %}",
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}",
);

/** Gemma 2, Mistral 7B: refuses system and any other order than user, assistant, user. */
export const ALTERNATING = lines(
  "{{- bos_token }}",
  "{%- if messages[0].role == 'system' %}",
  "{{- raise_exception('System role not supported') }}{% endif %}",
  "{%- for message in messages %}",
  "{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}",
  "{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}",
  "{%- endif %}",
  "{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else 'user') + '\\n' + message.content | trim + '<end_of_turn>\\n' }}",
  "{%- endfor %}",
  "{%- if add_generation_prompt %}{{- '<start_of_turn>model\\n' }}{% endif %}",
);

/** DeepSeek R1, QwQ: drops the thoughts of the past, opens one for the answer. */
export const THINKING = lines(
  "{%- for message in messages %}",
  "{%- set content = message.content %}",
  "{%- if message.role == 'assistant' and '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}",
  "{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}",
  "{%- endfor %}",
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' + ('<think>\\n' if enable_thinking is not false else '') }}{% endif %}",
);

/** Phi-3, Command-R: prints system messages nowhere and complains of nothing. */
export const DROPS_SYSTEM = lines(
  "{%- for message in messages if message.role in ['user', 'assistant'] %}",
  "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}",
  "{%- endfor %}",
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}",
);

/** Qwen3.5, MiniMax: a system message only at the beginning. */
export const SYSTEM_ONLY_FIRST = lines(
  "{%- for message in messages %}",
  "{%- if message.role == 'system' and not loop.first %}{{- raise_exception('System message must be at the beginning') }}{% endif %}",
  "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}",
  "{%- endfor %}",
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}",
);

/** Qwen3: Hermes calls on lines of their own, thoughts with a switch. */
export const QWEN3 = lines(
  "{%- if tools %}{{- '<|im_start|>system\\n<tools>' }}",
  "{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{% endfor %}",
  "{{- '\\n</tools><|im_end|>\\n' }}{% endif %}",
  "{%- for message in messages %}",
  "{%- set content = message.content or '' %}",
  "{%- if message.role == 'tool' %}",
  "{{- '<|im_start|>user\\n<tool_response>\\n' + content + '\\n</tool_response><|im_end|>\\n' }}",
  "{%- else %}",
  "{%- if '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}",
  "{{- '<|im_start|>' + message.role + '\\n' + content }}",
  "{%- for call in message.tool_calls or [] %}{% if not loop.first or content %}{{- '\\n' }}{% endif %}",
  '{{- \'<tool_call>\\n{"name": "\' + call.function.name + \'", "arguments": \' }}',
  "{%- if call.function.arguments is string %}{{- call.function.arguments }}{% else %}{{- call.function.arguments | tojson }}{% endif %}",
  "{{- '}\\n</tool_call>' }}",
  "{%- endfor %}{{- '<|im_end|>\\n' }}{% endif %}",
  "{%- endfor %}",
  "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}",
  "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}",
);

/** Llama 3.1 to 3.3: one call a turn, as the whole of it; its own tools behind the python tag. */
export const LLAMA3 = lines(
  "{%- if tools %}{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}",
  "{%- for tool in tools %}{{- (tool | tojson) + '\\n\\n' }}{% endfor %}{{- '<|eot_id|>' }}{% endif %}",
  "{%- for message in messages %}",
  "{%- if message.tool_calls %}",
  "{%- if message.tool_calls | length != 1 %}{{- raise_exception('This model only supports single tool-calls at once!') }}{% endif %}",
  "{%- set call = message.tool_calls[0].function %}",
  "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}",
  "{%- if builtin_tools is defined and call.name in builtin_tools %}{{- '<|python_tag|>' + call.name + '.call(' }}",
  "{%- for name, value in call.arguments | items %}{{- name + '=\"' + value + '\"' }}{% endfor %}{{- ')' }}",
  "{%- else %}{{- '{\"name\": \"' + call.name + '\", \"parameters\": ' }}{{- call.arguments | tojson }}{{- '}' }}{% endif %}",
  "{{- '<|eot_id|>' }}",
  "{%- else %}",
  "{{- '<|start_header_id|>' + ('ipython' if message.role == 'tool' else message.role) + '<|end_header_id|>\\n\\n' }}",
  "{{- message.content | trim + '<|eot_id|>' }}",
  "{%- endif %}{% endfor %}",
  "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
);

/** Mistral's templates, which differ in how they print a call. */
function mistral(calls: string): string {
  return lines(
    "{%- if tools %}{{- '[AVAILABLE_TOOLS]' }}{{- tools | tojson }}{{- '[/AVAILABLE_TOOLS]' }}{% endif %}",
    "{%- for message in messages %}",
    "{%- if message.role == 'user' %}{{- '[INST]' + message.content + '[/INST]' }}",
    "{%- elif message.role == 'tool' %}{{- '[TOOL_RESULTS]' + message.content + '[/TOOL_RESULTS]' }}",
    `{%- elif message.tool_calls %}${calls}{{- eos_token }}`,
    "{%- else %}{{- message.content + eos_token }}{% endif %}",
    "{%- endfor %}",
  );
}

/** Mistral 7B v0.3, Nemo: a list, ids last. */
export const MISTRAL_V3 = mistral(
  lines(
    "{{- '[TOOL_CALLS][' }}{% for call in message.tool_calls %}",
    "{%- if call.id | length != 9 %}{{- raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}{% endif %}",
    "{{- call.function | tojson | replace('}}', '}') }}{{- ', \"id\": \"' + call.id + '\"}' }}",
    "{%- if not loop.last %}{{- ', ' }}{% endif %}{% endfor %}{{- ']' }}",
  ),
);
/** Mistral Small 3.2: an id behind each name. */
export const MISTRAL_V11 = mistral(
  "{% for call in message.tool_calls %}{{- '[TOOL_CALLS]' + call.function.name + '[CALL_ID]' + call.id + '[ARGS]' }}{{- call.function.arguments | tojson }}{% endfor %}",
);
/** Devstral, Magistral, Ministral 3. */
export const MISTRAL_V13 = mistral(
  "{% for call in message.tool_calls %}{{- '[TOOL_CALLS]' + call.function.name + '[ARGS]' }}{{- call.function.arguments | tojson }}{% endfor %}",
);
