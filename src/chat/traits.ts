/**
 * What one template wants to see, found by rendering small conversations: templates differ in this and say so nowhere.
 * Called by the renderer, once a model.
 */
import type { Variables } from "./jinja.ts";
import { type MessageForm, type TemplateMessage, toForm } from "./messages.ts";

type Render = (variables: Variables) => string;

export interface PlainTraits {
  readonly content: MessageForm["content"];
  /** What `tools` is when there are none: some templates only run with an empty list. */
  readonly absentTools: undefined | readonly [];
}

export type ToolTraits = Pick<MessageForm, "toolArguments" | "emptyContent">;

/** The question of these conversations. */
export const NEEDLE = "shimmyprobe";

/** @throws what the template threw, when it cannot print even one user's message. */
export function plainTraits(render: Render): PlainTraits {
  let failure: unknown;
  for (const absentTools of [undefined, []] as const) {
    for (const content of ["string", "parts"] as const) {
      try {
        const messages = [{ role: "user", content: NEEDLE }];
        if (print(render, messages, { content, toolArguments: "object", emptyContent: "" }, absentTools).includes(NEEDLE)) {
          return { content, absentTools };
        }
      } catch (error) {
        failure ??= error;
      }
    }
  }
  throw failure ?? new Error("it does not print the user's message");
}

/** How tool calls in the history must look so that their arguments are printed; undefined: the template knows no calls. */
export function toolTraits(render: Render, { content, absentTools }: PlainTraits): ToolTraits | undefined {
  const call = { id: "abcdef123", type: "function", function: { name: "probe", arguments: { value: NEEDLE } } };
  const messages = [
    { role: "user", content: "a" },
    { role: "assistant", content: "", tool_calls: [call] },
    { role: "tool", content: "b", name: "probe", tool_call_id: call.id },
  ];
  for (const toolArguments of ["object", "json"] as const) {
    for (const emptyContent of ["", null] as const) {
      try {
        if (print(render, messages, { content, toolArguments, emptyContent }, absentTools).includes(NEEDLE)) {
          return { toolArguments, emptyContent };
        }
      } catch {
        // A refusal is the answer to this question: try the next form.
      }
    }
  }
  return undefined;
}

/** A template that only stumbles over the definition of this probe counts as one that prints them. */
export function printsTools(render: Render, { content }: PlainTraits): boolean {
  const parameters = { type: "object", properties: { value: { type: "string", description: "a" } }, required: ["value"] };
  const tools = [{ type: "function", function: { name: NEEDLE, description: "a", parameters } }];
  try {
    return print(render, [{ role: "user", content: "a" }], { content, toolArguments: "object", emptyContent: "" }, tools).includes(NEEDLE);
  } catch {
    return true;
  }
}

/** What it prints for one question with these variables; undefined when it refuses them. */
export function printsWith(render: Render, { content, absentTools }: PlainTraits, options: Variables): string | undefined {
  try {
    return print(render, [{ role: "user", content: NEEDLE }], { content, toolArguments: "object", emptyContent: "" }, absentTools, options);
  } catch {
    // The answer to this question.
    return undefined;
  }
}

const unprotected = { text: (text: string) => text, deep: (value: unknown) => value };

function print(render: Render, messages: readonly TemplateMessage[], form: MessageForm, tools: unknown, options: Variables = {}): string {
  const variables = { ...options, messages: messages.map((message) => toForm(message, form, unprotected)), add_generation_prompt: true };
  return render(tools === undefined ? variables : { ...variables, tools });
}
