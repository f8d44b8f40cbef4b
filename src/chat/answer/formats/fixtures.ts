/**
 * What models of each format write, after their authors' templates and guides, for the tests of formats/. Only what formats.test.ts needs:
 * the same calls in all of them.
 */
import type { Tool } from "../../../contract/generation.ts";
import type { AnswerFormat } from "../format.ts";
import { COMMAND } from "./command.ts";
import { DEEPSEEK_R1, DEEPSEEK_V3_1, DEEPSEEK_V3_2, DEEPSEEK_V4 } from "./deepseek.ts";
import { FUNCTIONARY_3_1, FUNCTIONARY_3_2 } from "./functionary.ts";
import { FUNCTION_GEMMA, GEMMA_4 } from "./gemma.ts";
import { GLM_4_5, GLM_4_7 } from "./glm.ts";
import { GRANITE } from "./granite.ts";
import { HARMONY } from "./harmony.ts";
import { KIMI_K2 } from "./kimi.ts";
import { LFM2 } from "./lfm2.ts";
import { APRIEL, FIREFUNCTION, NEMOTRON_2 } from "./listed.ts";
import { MINIMAX_M2 } from "./minimax.ts";
import { PHI_4_MINI } from "./phi.ts";
import { QWEN3_5, QWEN3_CODER } from "./qwen3-coder.ts";
import { SEED_OSS } from "./seed.ts";

function tool(name: string, properties: object, required: readonly string[]): Tool {
  return { type: "function", function: { name, parameters: { type: "object", properties, required, additionalProperties: false } } };
}

export const WEATHER = tool(
  "weather",
  {
    city: { type: "string" },
    days: { type: "integer", minimum: 0, maximum: 99 },
    unit: { type: "string", enum: ["celsius", "fahrenheit"] },
  },
  ["city"],
);
export const NOW = tool("now", {}, []);
export const WRITE = tool(
  "write",
  { text: { type: "string" }, tags: { type: "array", items: { type: "string" } }, more: { type: "object" }, once: { type: "boolean" } },
  ["text", "tags"],
);
/** Its name begins with another one. */
export const WEATHER_MAP = tool("weather_map", { city: { type: "string" } }, ["city"]);
export const TOOLS: readonly Tool[] = [WEATHER, NOW, WRITE, WEATHER_MAP];

/** T44: everything that a careless format trips over. */
export const HARD = 'é 漢 🎈 "quoted" \'single\' \\n not a break\n\n<b attr="1">&amp;</b>\n<parameter=x>\n{"a": [1,\n2]}\n';

export interface Fixture {
  readonly format: AnswerFormat;
  /** A part of the authors' template that it is known by. */
  readonly template: string;
  /** A thought that says "Hm, Paris." */
  readonly thought?: string;
  /** Before a text or a call behind that thought. */
  readonly behindThought?: string;
  /** weather(city: "Paris", days: 3) */
  readonly one: string;
  /** weather(city: "Paris", days: 3) and weather_map(city: "Rome"); absent: there is never a second one. */
  readonly two?: string;
  /** now() */
  readonly none: string;
  /** write(text: HARD, tags: ["</a>", "b\n"]) */
  readonly hard: string;
  /** A text that says "Let me look." before `one`; absent: that text itself. */
  readonly text?: string;
  /** Looks like a call and is none. */
  readonly lookalike: string;
}

const JSON_WEATHER = '{"city": "Paris", "days": 3}';
const JSON_MAP = '{"city": "Rome"}';
const JSON_HARD = JSON.stringify({ text: HARD, tags: ["</a>", "b\n"] });
const TAGS = '["</a>", "b\\n"]';
const THINK = "<think>\nHm, Paris.\n</think>\n\n";

const qwen = {
  template: "'<tool_call>\\n<function=' + tool_call.name + '>\\n' <parameter=' + args_name + '>\\n'",
  one: "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
  two:
    "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>\n" +
    "<tool_call>\n<function=weather_map>\n<parameter=city>\nRome\n</parameter>\n</function>\n</tool_call>",
  none: "<tool_call>\n<function=now>\n</function>\n</tool_call>",
  hard: `<tool_call>\n<function=write>\n<parameter=text>\n${HARD}\n</parameter>\n<parameter=tags>\n${TAGS}\n</parameter>\n</function>\n</tool_call>`,
  lookalike: "Write <tool_call>\n<function=NAME>\n</function>\n</tool_call> to call.",
};

const DSML = "｜DSML｜";
function dsml(block: string) {
  const parameter = (name: string, value: string, string = true) =>
    `<${DSML}parameter name="${name}" string="${string}">${value}</${DSML}parameter>\n`;
  const invoke = (name: string, args = "") => `<${DSML}invoke name="${name}">\n${args}</${DSML}invoke>\n`;
  const calls = (...invokes: string[]) => `<${DSML}${block}>\n${invokes.join("")}</${DSML}${block}>`;
  const weather = invoke("weather", parameter("city", "Paris") + parameter("days", "3", false));
  return {
    template: `dsml_token = '${DSML}' … '<' + dsml_token + '${block}>\\n'`,
    thought: "<think>Hm, Paris.</think>",
    behindThought: "\n\n",
    one: calls(weather),
    two: calls(weather, invoke("weather_map", parameter("city", "Rome"))),
    none: calls(invoke("now")),
    hard: calls(invoke("write", parameter("text", HARD) + parameter("tags", TAGS, false))),
    lookalike: `<${DSML}${block}> begins calls`,
  };
}

const R1_CALL = (name: string, args: string) =>
  `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${args}\n\`\`\`<｜tool▁call▁end｜>`;
const V3_CALL = (name: string, args: string) => `<｜tool▁call▁begin｜>${name}<｜tool▁sep｜>${args}<｜tool▁call▁end｜>`;
const deepseek = (...calls: string[]) => `<｜tool▁calls▁begin｜>${calls.join("")}<｜tool▁calls▁end｜>`;

const LISTED = (name: string, args: string) => `{"name": "${name}", "arguments": ${args}}`;
const ACTION = (id: number, name: string, args: string) => `    {"tool_call_id": "${id}", "tool_name": "${name}", "parameters": ${args}}`;
const action = (...calls: string[]) => `<|START_ACTION|>[\n${calls.join(",\n")}\n]<|END_ACTION|>`;

const KIMI = (id: string, args: string) => `<|tool_call_begin|>functions.${id}<|tool_call_argument_begin|>${args}<|tool_call_end|>`;
const kimi = (...calls: string[]) => `<|tool_calls_section_begin|>${calls.join("")}<|tool_calls_section_end|>`;

const GLM_ARG = (between: string) => (key: string, value: string) =>
  `<arg_key>${key}</arg_key>${between}<arg_value>${value}</arg_value>${between}`;
function glm(between: string) {
  const arg = GLM_ARG(between);
  const call = (name: string, args: string) => `<tool_call>${name}${between}${args}</tool_call>`;
  const weather = call("weather", arg("city", "Paris") + arg("days", "3"));
  return {
    template: `<tool_call>{function-name}${between}<arg_key>{arg-key-1}</arg_key>${between}<arg_value>{arg-value-1}</arg_value>`,
    thought: `<think>Hm, Paris.</think>${between}`,
    one: weather,
    two: `${weather}${between}${call("weather_map", arg("city", "Rome"))}`,
    none: call("now", ""),
    hard: call("write", arg("text", HARD) + arg("tags", TAGS)),
    lookalike: "<tool_call>weather forecasts are made like this",
  };
}

const MINIMAX = (name: string, args: string) => `<invoke name="${name}">\n${args}</invoke>\n`;
const MINIMAX_ARG = (key: string, value: string) => `<parameter name="${key}">${value}</parameter>\n`;
const minimax = (...calls: string[]) => `<minimax:tool_call>\n${calls.join("")}</minimax:tool_call>`;

const SEED = (name: string, args: string) => `<seed:tool_call>\n<function=${name}>\n${args}</function>\n</seed:tool_call>`;
const SEED_ARG = (key: string, value: string) => `<parameter=${key}>${value}</parameter>\n`;

function gemma(open: string, close: string, quote: string) {
  const string = (value: string) => `${quote}${value}${quote}`;
  const weather = `${open}call:weather{city:${string("Paris")},days:3}${close}`;
  return {
    one: weather,
    two: `${weather}${open}call:weather_map{city:${string("Rome")}}${close}`,
    none: `${open}call:now{}${close}`,
    hard: `${open}call:write{text:${string(HARD)},tags:[${string("</a>")},${string("b\n")}]}${close}`,
    lookalike: `${open} begins a call`,
  };
}

const TO = (name: string, args: string) =>
  `<|start|>assistant<|channel|>commentary to=functions.${name} <|constrain|>json<|message|>${args}`;

export const FIXTURES: readonly Fixture[] = [
  { format: QWEN3_CODER, ...qwen },
  { format: QWEN3_5, ...qwen, template: `${qwen.template} '<think>\\n'`, thought: THINK },
  { format: DEEPSEEK_V3_2, ...dsml("function_calls") },
  { format: DEEPSEEK_V4, ...dsml("tool_calls") },
  {
    format: DEEPSEEK_R1,
    template:
      "'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\\n' + '```json'",
    thought: THINK,
    one: deepseek(R1_CALL("weather", JSON_WEATHER)),
    two: deepseek(R1_CALL("weather", JSON_WEATHER), "\n", R1_CALL("weather_map", JSON_MAP)),
    none: deepseek(R1_CALL("now", "{}")),
    hard: deepseek(R1_CALL("write", JSON_HARD)),
    lookalike: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>nothing\n```json\n{}\n```",
  },
  {
    format: DEEPSEEK_V3_1,
    template:
      "'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>'+ tool['function']['name'] + '<｜tool▁sep｜>' + tool['function']['arguments'] | tojson",
    thought: "<think>Hm, Paris.</think>",
    one: deepseek(V3_CALL("weather", JSON_WEATHER)),
    two: deepseek(V3_CALL("weather", JSON_WEATHER), V3_CALL("weather_map", JSON_MAP)),
    none: deepseek(V3_CALL("now", "{}")),
    hard: deepseek(V3_CALL("write", JSON_HARD)),
    lookalike: "<｜tool▁calls▁begin｜> begins calls",
  },
  {
    format: GRANITE,
    template: "'<|start_of_role|>' … respond only with <|tool_call|> followed by a JSON list of tools used",
    thought: "<think>Hm, Paris.</think>",
    one: `<|tool_call|>[${LISTED("weather", JSON_WEATHER)}]`,
    two: `<|tool_call|>[${LISTED("weather", JSON_WEATHER)}, ${LISTED("weather_map", JSON_MAP)}]`,
    none: `<|tool_call|>[${LISTED("now", "{}")}]`,
    hard: `<|tool_call|>[${LISTED("write", JSON_HARD)}]`,
    lookalike: '<|tool_call|>["weather"]',
  },
  {
    format: FUNCTION_GEMMA,
    template: "'<start_function_call>call:'",
    ...gemma("<start_function_call>", "<end_function_call>", "<escape>"),
  },
  {
    format: GEMMA_4,
    template: "'<|tool_call>call:' + function['name'] + '{' … '}<tool_call|>'",
    thought: "<|channel>thought\nHm, Paris.\n<channel|>",
    ...gemma("<|tool_call>", "<tool_call|>", '<|"|>'),
  },
  {
    format: FUNCTIONARY_3_1,
    template: 'start_tag => `<function` … <function=example_function_name>{"example_name": "example_value"}</function>',
    one: `<function=weather>${JSON_WEATHER}</function>`,
    two: `<function=weather>${JSON_WEATHER}</function><function=weather_map>${JSON_MAP}</function>`,
    none: "<function=now>{}</function>",
    hard: `<function=write>${JSON_HARD}</function>`,
    lookalike: "Write <function=NAME>{}</function>.",
  },
  {
    format: FUNCTIONARY_3_2,
    template: "Respond in this format: … '>>>all\\n' + message['content']",
    text: "all\nLet me look.",
    one: `>>>weather\n${JSON_WEATHER}`,
    two: `>>>weather\n${JSON_WEATHER}>>>weather_map\n${JSON_MAP}`,
    none: ">>>now\n{}",
    hard: `>>>write\n${JSON_HARD}`,
    lookalike: "In Python: >>> weather(1)\n>>>weather{}",
  },
  {
    format: HARMONY,
    template: "<|start|>assistant<|channel|>analysis<|message|>",
    thought: "<|channel|>analysis<|message|>Hm, Paris.<|end|>",
    text: "<|start|>assistant<|channel|>commentary<|message|>Let me look.<|end|>",
    one: TO("weather", JSON_WEATHER),
    none: TO("now", "{}"),
    hard: TO("write", JSON_HARD),
    lookalike: "It writes to=functions.weather and then {}",
  },
  { format: GLM_4_5, ...glm("\n") },
  { format: GLM_4_7, ...glm("") },
  {
    format: KIMI_K2,
    template: "<|tool_calls_section_begin|> … <|tool_call_begin|>{{ formatted_id }}<|tool_call_argument_begin|>",
    thought: "<think>Hm, Paris.</think>",
    one: kimi(KIMI("weather:0", JSON_WEATHER)),
    two: kimi(KIMI("weather:0", JSON_WEATHER), KIMI("weather_map:1", JSON_MAP)),
    none: kimi(KIMI("now:0", "{}")),
    hard: kimi(KIMI("write:0", JSON_HARD)),
    lookalike: "<|tool_calls_section_begin|> begins calls",
  },
  {
    format: MINIMAX_M2,
    template: "toolcall_begin_token = '<minimax:tool_call>' … '<invoke name=\"' + tool_call.name + '\">'",
    thought: THINK,
    one: minimax(MINIMAX("weather", MINIMAX_ARG("city", "Paris") + MINIMAX_ARG("days", "3"))),
    two: minimax(
      MINIMAX("weather", MINIMAX_ARG("city", "Paris") + MINIMAX_ARG("days", "3")),
      MINIMAX("weather_map", MINIMAX_ARG("city", "Rome")),
    ),
    none: minimax(MINIMAX("now", "")),
    hard: minimax(MINIMAX("write", MINIMAX_ARG("text", HARD) + MINIMAX_ARG("tags", TAGS))),
    lookalike: '<minimax:tool_call>\n<invoke name="NAME">\n</invoke>',
  },
  {
    format: COMMAND,
    template: "<|START_ACTION|>[ … \"tool_name\": \"{{ tc['function']['name'] }}\"",
    thought: "<|START_THINKING|>Hm, Paris.<|END_THINKING|>",
    one: action(ACTION(0, "weather", JSON_WEATHER)),
    two: action(ACTION(0, "weather", JSON_WEATHER), ACTION(1, "weather_map", JSON_MAP)),
    none: action(ACTION(0, "now", "{}")),
    hard: action(ACTION(0, "write", JSON_HARD)),
    lookalike: "<|START_ACTION|>[]<|END_ACTION|>",
  },
  {
    format: SEED_OSS,
    template: "toolcall_begin_token = '<seed:tool_call>' … <function=example_function_name>\\n<parameter=example_parameter_1>",
    thought: "<seed:think>Hm, Paris.</seed:think>\n",
    one: SEED("weather", SEED_ARG("city", "Paris") + SEED_ARG("days", "3")),
    two: `${SEED("weather", SEED_ARG("city", "Paris") + SEED_ARG("days", "3"))}\n${SEED("weather_map", SEED_ARG("city", "Rome"))}`,
    none: SEED("now", ""),
    hard: SEED("write", SEED_ARG("text", HARD) + SEED_ARG("tags", TAGS)),
    lookalike: "<seed:tool_call>\n<function=NAME>\n</function>\n</seed:tool_call>",
  },
  {
    format: PHI_4_MINI,
    template: "'<|tool|>' + message['tools'] + '<|/tool|>'",
    one: `<|tool_call|>[${LISTED("weather", JSON_WEATHER)}]<|/tool_call|>`,
    two: `<|tool_call|>[${LISTED("weather", JSON_WEATHER)},${LISTED("weather_map", JSON_MAP)}]<|/tool_call|>`,
    none: `<|tool_call|>[${LISTED("now", "{}")}]<|/tool_call|>`,
    hard: `<|tool_call|>[${LISTED("write", JSON_HARD)}]<|/tool_call|>`,
    lookalike: "<|tool_call|> begins a call",
  },
  {
    format: LFM2,
    template: "'List of tools: <|tool_list_start|>['",
    thought: "<think>Hm, Paris.</think>",
    one: '<|tool_call_start|>[weather(city="Paris", days=3)]<|tool_call_end|>',
    two: "<|tool_call_start|>[weather(city=\"Paris\", days=3), weather_map(city='Rome')]<|tool_call_end|>",
    none: "<|tool_call_start|>[now()]<|tool_call_end|>",
    hard: `<|tool_call_start|>[write(text=${JSON.stringify(HARD)}, tags=['</a>', 'b\\n'])]<|tool_call_end|>`,
    lookalike: "<|tool_call_start|>[1, 2]<|tool_call_end|>",
  },
  {
    format: NEMOTRON_2,
    template: "{{- '<TOOLCALL>[' -}}",
    one: `<TOOLCALL>[${LISTED("weather", JSON_WEATHER)}]</TOOLCALL>`,
    two: `<TOOLCALL>[${LISTED("weather", JSON_WEATHER)}, ${LISTED("weather_map", JSON_MAP)}]</TOOLCALL>`,
    none: `<TOOLCALL>[${LISTED("now", "{}")}]</TOOLCALL>`,
    hard: `<TOOLCALL>[${LISTED("write", JSON_HARD)}]</TOOLCALL>`,
    lookalike: "<TOOLCALL> begins a list",
  },
  {
    format: APRIEL,
    template: "{{- '\n<tool_calls>[' -}}",
    one: `<tool_calls>[{"name": "weather", "arguments": ${JSON_WEATHER}, "id": "abc123"}]</tool_calls>`,
    two: `<tool_calls>[${LISTED("weather", JSON_WEATHER)}, ${LISTED("weather_map", JSON_MAP)}]</tool_calls>`,
    none: `<tool_calls>[${LISTED("now", "{}")}]</tool_calls>`,
    hard: `<tool_calls>[${LISTED("write", JSON_HARD)}]</tool_calls>`,
    lookalike: "<tool_calls> begins a list",
  },
  {
    format: FIREFUNCTION,
    template: "' functools[' + tool.calls | join(', ') + ']'",
    one: `functools[${LISTED("weather", JSON_WEATHER)}]`,
    two: `functools[${LISTED("weather", JSON_WEATHER)}, ${LISTED("weather_map", JSON_MAP)}]`,
    none: `functools[${LISTED("now", "{}")}]`,
    hard: `functools[${LISTED("write", JSON_HARD)}]`,
    lookalike: "functools is a module of Python",
  },
];
