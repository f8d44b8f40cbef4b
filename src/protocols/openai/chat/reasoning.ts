/**
 * The switches by which callers of many servers ask for thoughts, or for none → one wish. Called by the chat decoder.
 * Where they contradict each other an explicit "off" wins: who says it anywhere wants an answer at once. It must not know any model.
 */
import type { ReasoningWish } from "../../../contract/generation.ts";
import type { ChatFields } from "./schema.ts";

type Options = Readonly<Record<string, unknown>>;

/** Template variables of Qwen, DeepSeek, Granite and others that mean the same as our wish. */
const TEMPLATE_SWITCHES = ["enable_thinking", "thinking"] as const;

/** Absent: nothing was said. */
export function reasoningWish(fields: ChatFields): ReasoningWish | undefined {
  const levels = levelsOf(fields);
  const budgets = budgetsOf(fields);
  const inText = fields.reasoning_format === "none" || fields.reasoning_format === "raw";
  const shape = inText ? { inText } : {};
  const decided = levels.filter((level) => level !== "minimal").map((level) => level !== "none");
  const said = [...switchesOf(fields), ...decided, ...budgets.map((budget) => budget !== 0)];
  if (said.includes(false)) return { enabled: false, ...shape };
  const [effort] = levels;
  const limits = budgets.filter((budget) => budget > 0);
  const wish: ReasoningWish = {
    ...(said.length > 0 && { enabled: true }),
    ...(effort !== undefined && { effort }),
    ...(limits.length > 0 && { budgetTokens: Math.min(...limits) }),
    ...shape,
  };
  return Object.keys(wish).length > 0 ? wish : undefined;
}

/** The caller's own variables, in which a switch that the wish overrules says the same as the wish. */
export function templateOptions(fields: ChatFields, wish: ReasoningWish | undefined): Options | undefined {
  const options = fields.chat_template_kwargs;
  if (!options || wish?.enabled !== false) return options ?? undefined;
  const overruled = TEMPLATE_SWITCHES.filter((name) => options[name] === true);
  return overruled.length === 0 ? options : { ...options, ...Object.fromEntries(overruled.map((name) => [name, false])) };
}

/** Thoughts are not told: OpenRouter's `exclude`, Groq's "hidden". */
export function hidesReasoning({ reasoning, include_reasoning: include, reasoning_format: format }: ChatFields): boolean {
  return reasoning?.exclude === true || include === false || format === "hidden";
}

function switchesOf({ reasoning, think, enable_thinking: enable, thinking, chat_template_kwargs: options }: ChatFields): boolean[] {
  const type = typeof thinking === "object" ? thinking?.type : undefined;
  const said = [
    reasoning?.enabled,
    think,
    enable,
    thinking,
    type === "disabled" ? false : type === "enabled" ? true : undefined,
    ...TEMPLATE_SWITCHES.map((name) => options?.[name]),
  ];
  return said.filter((each) => typeof each === "boolean");
}

/** Levels of effort; "default" says nothing, and "minimal" leaves it to the template whether there is a thought at all. */
function levelsOf({ reasoning_effort: effort, reasoning, think }: ChatFields): string[] {
  const said = [effort, reasoning?.effort, typeof think === "string" ? think : undefined];
  return said.filter((level) => level !== undefined && level !== null && level !== "default");
}

function budgetsOf(fields: ChatFields): number[] {
  const { thinking } = fields;
  const said = [
    fields.reasoning?.max_tokens,
    fields.thinking_budget,
    fields.thinking_budget_tokens,
    fields.reasoning_budget,
    typeof thinking === "object" ? thinking?.budget_tokens : undefined,
  ];
  return said.filter((budget): budget is number => typeof budget === "number" && budget >= 0);
}
