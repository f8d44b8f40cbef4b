/**
 * `tools`, `tool_choice`, `parallel_tool_calls` and their ancestors `functions` and `function_call` → what the model may call and must.
 * Called by the chat decoder. It must not know how any model writes a call.
 */
import type { ChatPrompt, Tool } from "../../../contract/generation.ts";
import { invalid } from "../validate.ts";
import type { ChatFields, ToolChoiceFields } from "./schema.ts";

export type ToolUse = Pick<ChatPrompt, "tools" | "toolChoice" | "parallelToolCalls">;

/** Schemas are walked by recursion later on. */
const MAX_DEPTH = 200;

/** @throws invalid_value for tools without sense: two of one name, or a choice of what is not there. */
export function toolUse(fields: ChatFields): ToolUse {
  const tools = knownTools(fields);
  const [param, choice] = isGiven(fields.tool_choice) ? ["tool_choice", fields.tool_choice] : ["function_call", fields.function_call];
  const wish = isGiven(choice) ? wishOf(choice, param) : AUTO;
  const names = new Set(tools.map((tool) => tool.function.name));
  const unknown = wish.names?.find((name) => !names.has(name));
  if (unknown !== undefined) throw invalid(param, `there is no function '${unknown.slice(0, 64)}' in tools`);
  // What may not be called is not shown either: nothing else keeps a model from it while its text is free.
  const callable = wish.mode === "named" || !wish.names ? names : new Set(wish.names);
  const allowed = tools.filter((tool) => callable.has(tool.function.name));
  if (wish.mode === "required" && allowed.length === 0) throw invalid(param, "a call is required and there are no tools");
  if (wish.mode === "none" || allowed.length === 0) return {};
  return {
    tools: allowed,
    ...(wish.mode === "required" && { toolChoice: "required" }),
    ...(wish.mode === "named" && { toolChoice: { name: wish.names![0]! } }),
    // The legacy answer has room for one.
    ...((fields.parallel_tool_calls === false || isLegacy(fields)) && { parallelToolCalls: false }),
  };
}

/** The caller knows `functions` only, so the answer has one `function_call` and no `tool_calls`. */
export function isLegacy({ functions }: ChatFields): boolean {
  return (functions ?? []).length > 0;
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

type Definition = NonNullable<ChatFields["functions"]>[number];

function knownTools({ tools, functions }: ChatFields): Tool[] {
  if (tools?.length && functions?.length) throw invalid("functions", "it cannot be combined with tools");
  const given = functions?.length
    ? functions.map((definition, index) => ({ definition, at: `functions[${index}]` }))
    : (tools ?? []).map((tool, index) => ({ definition: definitionOf(tool), at: `tools[${index}].function` }));
  const seen = new Set<string>();
  return given.flatMap(({ definition, at }) => {
    if (!definition) return [];
    if (seen.has(definition.name)) throw invalid(`${at}.name`, `there are two functions '${definition.name}'`);
    seen.add(definition.name);
    if (!isShallow(definition)) throw invalid(`${at}.parameters`, `is nested deeper than ${MAX_DEPTH} levels`);
    return [{ type: "function", function: withoutNulls(definition) }];
  });
}

/** Absent: a tool that is not ours. */
function definitionOf(tool: NonNullable<ChatFields["tools"]>[number]): Definition | undefined {
  return isGiven(tool.type) && tool.type !== "function" ? undefined : (tool.function as Definition);
}

/** Templates print what is there, `null` included. */
function withoutNulls(definition: Definition): Tool["function"] {
  return Object.fromEntries(Object.entries(definition).filter(([, value]) => value !== null)) as Tool["function"];
}

function isShallow(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return false;
    level = level.flatMap((each) => (typeof each === "object" && each !== null ? Object.values(each) : []));
  }
  return true;
}

interface Wish {
  readonly mode: "auto" | "none" | "required" | "named";
  /** The one that must be called, or all that may be. Absent: all. */
  readonly names?: readonly string[];
}

const AUTO: Wish = { mode: "auto" };

function wishOf(choice: string | ToolChoiceFields | { readonly name: string }, param: string): Wish {
  if (typeof choice === "string") return { mode: modeOf(choice, param) };
  const { type, ...fields }: ToolChoiceFields = { ...choice };
  if (type === "allowed_tools") return allowedTools(fields, param);
  const name = nameOf(fields);
  if (name !== undefined) return { mode: "named", names: [name] };
  if (isGiven(type) && type !== "function") return { mode: modeOf(type, param) };
  throw invalid(`${param}.function.name`, "it is required");
}

function modeOf(mode: string, param: string): "auto" | "none" | "required" {
  switch (mode) {
    case "none":
    case "auto":
    case "required":
      return mode;
    case "any": // Mistral's and Anthropic's word
      return "required";
    default:
      throw invalid(param, "must be 'none', 'auto', 'required' or name a function");
  }
}

function allowedTools({ allowed_tools: wrapped, ...flat }: ToolChoiceFields, param: string): Wish {
  const { mode, tools } = wrapped ?? flat;
  const at = `${param}.allowed_tools`;
  if (!tools) throw invalid(`${at}.tools`, "it is required");
  const names = tools.map((tool, index) => {
    const name = nameOf(tool);
    if (name === undefined) throw invalid(`${at}.tools[${index}].function.name`, "it is required");
    return name;
  });
  return { mode: modeOf(mode ?? "auto", `${at}.mode`), names };
}

function nameOf({ function: wrapped, name }: Pick<ToolChoiceFields, "function" | "name">): string | undefined {
  return wrapped?.name ?? name ?? undefined;
}
