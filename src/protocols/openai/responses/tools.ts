/**
 * Tools of the Responses API → functions that a model can call, and what was called back to what the caller knows. Called by decode.ts; the
 * table goes with the call to the encoders.
 *
 *     function {name}                       → name                         → function_call
 *     custom {name} (free text)             → name {input: string}         → custom_tool_call
 *     namespace {name, tools} (MCP servers) → namespace__name, each of them → function_call with `namespace`
 *     all that OpenAI runs itself (web_search, local_shell, …) is skipped with a warning: sessions send them along and never need them
 */
import * as z from "zod/mini";
import type { ChatPrompt, Tool } from "../../../contract/generation.ts";
import { invalid, validate } from "../validate.ts";
import type { ResponseFields } from "./schema.ts";

const typedSchema = z.looseObject({ type: z.string() });
const name = z.string().check(z.regex(/^[\w.-]{1,128}$/, "must be 1 to 128 letters, digits, '_', '-' or '.'"));
const functionSchema = z.looseObject({
  name,
  description: z.nullish(z.string()),
  parameters: z.nullish(z.record(z.string(), z.unknown(), { error: "must be a JSON Schema object" })),
  strict: z.nullish(z.boolean()),
});
const customSchema = z.looseObject({
  name,
  description: z.nullish(z.string()),
  format: z.nullish(z.looseObject({ type: z.string(), syntax: z.nullish(z.string()), definition: z.nullish(z.string()) })),
});
const namespaceSchema = z.looseObject({ name, tools: z.array(z.unknown()) });

/** What stands behind a name that the model calls. */
export interface KnownTool {
  readonly tool: Tool;
  /** As the caller wrote them. */
  readonly name: string;
  readonly namespace?: string;
  /** Its input is a text, not an object. */
  readonly custom: boolean;
}

export type ToolTable = ReadonlyMap<string, KnownTool>;

/** @param at Where the list stands. @throws invalid_value for a tool that cannot be read, or a second one of the same name. */
export function toolTable(tools: readonly unknown[], at: string, warn: (warning: string) => void): ToolTable {
  const table = new Map<string, KnownTool>();
  const add = (tool: unknown, place: string, namespace?: string): void => {
    const { type } = validate(typedSchema, tool, place);
    if (type === "namespace" && namespace === undefined) {
      const inner = validate(namespaceSchema, tool, place);
      inner.tools.forEach((each, index) => {
        add(each, `${place}.tools[${index}]`, inner.name);
      });
      return;
    }
    if (type !== "function" && type !== "custom") {
      warn(`${place}: tools of type '${shown(type)}' are not served here; it was skipped`);
      return;
    }
    const known = type === "custom" ? customTool(tool, place, namespace) : functionTool(tool, place, namespace);
    const called = known.tool.function.name;
    if (table.has(called)) throw invalid(`${place}.name`, `there is another tool '${called}'`);
    table.set(called, known);
  };
  tools.forEach((tool, index) => {
    add(tool, `${at}[${index}]`);
  });
  return table;
}

/** The name under which the model knows a tool of a namespace. */
export function flatName(tool: string, namespace?: string | null): string {
  if (!namespace) return tool;
  return namespace.endsWith("__") ? `${namespace}${tool}` : `${namespace}__${tool}`;
}

function functionTool(given: unknown, at: string, namespace?: string): KnownTool {
  const { name, description, parameters, strict } = validate(functionSchema, given, at);
  const tool: Tool = {
    type: "function",
    function: {
      name: flatName(name, namespace),
      ...(description && { description }),
      ...(parameters && { parameters }),
      ...(strict && { strict }),
    },
  };
  return { tool, name, ...(namespace !== undefined && { namespace }), custom: false };
}

function customTool(given: unknown, at: string, namespace?: string): KnownTool {
  const { name, description, format } = validate(customSchema, given, at);
  const grammar = format?.definition ? `The input must match this ${format.syntax ?? ""} grammar:\n${format.definition}` : undefined;
  const tool: Tool = {
    type: "function",
    function: {
      name: flatName(name, namespace),
      description: [description, grammar].filter(Boolean).join("\n\n") || "Takes free text.",
      parameters: {
        type: "object",
        properties: { input: { type: "string", description: "The whole input of the tool, as plain text." } },
        required: ["input"],
        additionalProperties: false,
      },
    },
  };
  return { tool, name, ...(namespace !== undefined && { namespace }), custom: true };
}

type ToolPart = Pick<ChatPrompt, "tools" | "toolChoice" | "parallelToolCalls">;

/** What of the tools goes into the prompt. @throws invalid_value for a choice that nothing can fulfil. */
export function toolPart(table: ToolTable, { tool_choice: choice, parallel_tool_calls: parallel }: ToolFields): ToolPart {
  if (choice === "none") return {};
  const part = chosen(table, choice ?? "auto");
  if (part.toolChoice !== undefined && !part.tools?.length) throw invalid("tool_choice", "a tool is required and there is none");
  if (!part.tools?.length) return {};
  return { ...part, ...(parallel === false && { parallelToolCalls: false }) };
}

type ToolFields = Pick<ResponseFields, "tool_choice" | "parallel_tool_calls">;

function chosen(table: ToolTable, choice: NonNullable<ToolFields["tool_choice"]>): ToolPart {
  const all = [...table.values()].map(({ tool }) => tool);
  if (choice === "auto") return { tools: all };
  if (choice === "required") return { tools: all, toolChoice: "required" };
  if (typeof choice === "string") throw invalid("tool_choice", "must be 'none', 'auto', 'required' or an object");
  switch (choice.type) {
    case "function":
    case "custom":
      return { tools: all, toolChoice: { name: calledName(table, choice, "tool_choice") } };
    case "allowed_tools":
      return allowed(table, choice);
    default:
      throw invalid("tool_choice.type", `tools of type '${shown(choice.type)}' are not served here, so none can be chosen`);
  }
}

const allowedSchema = z.looseObject({ mode: z.nullish(z.enum(["auto", "required"])), tools: z.array(z.unknown()) });

function allowed(table: ToolTable, choice: unknown): ToolPart {
  const { mode, tools } = validate(allowedSchema, choice, "tool_choice");
  const names = new Set<string>();
  tools.forEach((tool, index) => {
    const at = `tool_choice.tools[${index}]`;
    const typed = validate(typedSchema, tool, at);
    // What is not served cannot be called anyway.
    if (typed.type === "function" || typed.type === "custom") names.add(calledName(table, typed, at));
  });
  const kept = [...table].filter(([called]) => names.has(called)).map(([, { tool }]) => tool);
  return { tools: kept, ...(mode === "required" && { toolChoice: "required" as const }) };
}

const namedSchema = z.looseObject({ name: z.string(), namespace: z.nullish(z.string()) });

function calledName(table: ToolTable, choice: unknown, at: string): string {
  const { name, namespace } = validate(namedSchema, choice, at);
  const called = flatName(name, namespace);
  if (!table.has(called)) throw invalid(`${at}.name`, `there is no tool '${shown(name)}'`);
  return called;
}

/** A word of the caller's in a message. */
function shown(word: string): string {
  return word.length > 64 ? `${word.slice(0, 64)}…` : word;
}
