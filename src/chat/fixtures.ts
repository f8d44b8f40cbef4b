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
