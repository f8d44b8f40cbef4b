/** The template with tools, for a model that thinks first where that is asked for (`enable_thinking`), as Qwen 3 writes it. */
import { TOOLS_TEMPLATE } from "./tools-template.ts";

const OPENED = `{{- '<|im_start|>assistant\\n' }}{%- endif %}`;
const TURN = `{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content`;
const THOUGHT = `{%- if message.reasoning_content %}{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}{%- endif %}`;

export const THINK_TEMPLATE = TOOLS_TEMPLATE.replace(
  OPENED,
  () => `{{- '<|im_start|>assistant\\n' }}{%- if enable_thinking %}{{- '<think>\\n' }}{%- endif %}{%- endif %}`,
).replace(TURN, () => `{%- else %}{{- '<|im_start|>' + message.role + '\\n' }}${THOUGHT}{{- message.content`);
