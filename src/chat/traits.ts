/**
 * What one template wants to see, found by rendering small conversations: templates differ in this and say so nowhere.
 * Called by the renderer, once a model.
 */
import type { Variables } from "./jinja.ts";
import { type MessageForm, type Protect, type TemplateMessage, THOUGHT, toForm } from "./messages.ts";

type Render = (variables: Variables) => string;

export interface PlainTraits {
  readonly content: MessageForm["content"];
  /** What `tools` is when there are none: some templates only run with an empty list. */
  readonly absentTools: undefined | readonly [];
}

export type ToolTraits = Pick<MessageForm, "toolArguments" | "emptyContent">;

/** What most templates want. */
export const PLAIN_FORM: MessageForm = { content: "string", toolArguments: "object", emptyContent: "", thought: THOUGHT };

/** The question of these conversations. */
export const NEEDLE = "shimmyprobe";

/** @throws what the template threw, when it cannot print even one user's message. */
export function plainTraits(render: Render): PlainTraits {
  let failure: unknown;
  for (const absentTools of [undefined, []] as const) {
    for (const content of ["string", "parts"] as const) {
      try {
        const messages = [{ role: "user", content: NEEDLE }];
        if (print(render, messages, { ...PLAIN_FORM, content }, absentTools).includes(NEEDLE)) {
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
        if (print(render, messages, { ...PLAIN_FORM, content, toolArguments, emptyContent }, absentTools).includes(NEEDLE)) {
          return { toolArguments, emptyContent };
        }
      } catch {
        // A refusal is the answer to this question: try the next form.
      }
    }
  }
  return undefined;
}

/** Names of thoughts in messages: of OpenAI's gpt-oss, OpenRouter's clients, Apriel, Cohere. */
const THOUGHT_NAMES = [THOUGHT, "thinking", "reasoning", "thought", "tool_plan"];

/** How a thought of the present turn must look so that it is printed; the usual one, where nothing prints it. */
export function thoughtForm(source: string, render: Render, plain: PlainTraits): MessageForm["thought"] {
  const named = THOUGHT_NAMES.filter((name) => source.includes(name));
  const forms = [...named, ...(source.includes("thinking") ? [{ part: "thinking" }] : [])];
  return forms.find((thought) => printsThought(thought, render, plain)) ?? THOUGHT;
}

function printsThought(thought: MessageForm["thought"], render: Render, { content, absentTools }: PlainTraits): boolean {
  const call = { id: "abcdef123", type: "function", function: { name: "probe", arguments: {} } };
  const question = { role: "user", content: "a" };
  const answer = { role: "assistant", content: "b", [THOUGHT]: NEEDLE };
  const conversations = [
    [question, { ...answer, content: "", tool_calls: [call] }, { role: "tool", content: "c", name: "probe", tool_call_id: call.id }],
    [question, answer],
  ];
  return conversations.some((messages) => {
    try {
      const text = print(render, messages, { ...PLAIN_FORM, content, thought }, absentTools);
      // A list of parts that is printed as it is was not read.
      return text.includes(NEEDLE) && !/['"]type['"]/.test(text);
    } catch {
      // The answer to this question.
      return false;
    }
  });
}

/** What it prints for one question with these variables; undefined when it refuses them. */
export function printsWith(render: Render, { content, absentTools }: PlainTraits, options: Variables): string | undefined {
  try {
    return print(render, [{ role: "user", content: NEEDLE }], { ...PLAIN_FORM, content }, absentTools, options);
  } catch {
    // The answer to this question.
    return undefined;
  }
}

export const UNPROTECTED: Protect = { text: (text: string) => text, deep: (value: unknown) => value };

function print(render: Render, messages: readonly TemplateMessage[], form: MessageForm, tools: unknown, options: Variables = {}): string {
  const variables = { ...options, messages: messages.map((message) => toForm(message, form, UNPROTECTED)), add_generation_prompt: true };
  return render(tools === undefined ? variables : { ...variables, tools });
}
