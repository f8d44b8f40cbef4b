/** ChatML with calls of tools as Qwen 2.5 writes them: the one in the model file knows no tools. */
export const TOOLS_TEMPLATE = [
  `{%- if tools %}{{- '<|im_start|>system\\n' }}{{- '# Tools\\n\\nYou may call one or more functions.\\n<tools>' }}`,
  `{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}`,
  `{{- '\\n</tools>\\n\\nReturn a JSON object within <tool_call></tool_call> tags:\\n<tool_call>\\n{"name": <name>, "arguments": <arguments>}\\n</tool_call><|im_end|>\\n' }}`,
  `{%- endif %}{%- for message in messages %}`,
  `{%- if message.role == 'assistant' and message.tool_calls %}{{- '<|im_start|>assistant' }}`,
  `{%- if message.content %}{{- '\\n' + message.content }}{%- endif %}`,
  `{%- for tool_call in message.tool_calls %}{%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}`,
  `{{- '\\n<tool_call>\\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\\n</tool_call>' }}`,
  `{%- endfor %}{{- '<|im_end|>\\n' }}`,
  `{%- elif message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}`,
  `{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}`,
  `{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}`,
].join("");
