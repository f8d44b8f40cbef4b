/**
 * One template of one vocabulary: renders messages exactly as given, guards the caller's text, continues a last
 * assistant message, and says which messages the template left out. Called by template.ts, which changes the messages.
 */
import type { Prompt, PromptSegment } from "../contract/generation.ts";
import { givenVariables, preserved } from "./given.ts";
import { type ControlTexts, Guard } from "./guard.ts";
import { GLOBAL_NAMES, JinjaTemplate, TemplateRefusal, type Variables } from "./jinja.ts";
import { failingLine } from "./line.ts";
import { randomDigits, withoutFences } from "./meant.ts";
import { type MessageForm, type TemplateMessage, THOUGHT, toForm, toolCalls } from "./messages.ts";
import { type Printed, ThoughtSwitches } from "./thought-switches.ts";
import { wantsToolResponses, withToolResponses } from "./tool-responses.ts";
import { type ToolsForm, toolsForm } from "./tools-form.ts";
import { PLAIN_FORM, type PlainTraits, plainTraits, printsWith, type ToolTraits, thoughtForm, toolTraits, UNPROTECTED } from "./traits.ts";

export interface Vocabulary {
  readonly bosToken: string;
  readonly eosToken: string;
  readonly controlTexts: ControlTexts;
}

/** What is known of a template from its text. */
export interface TemplateKind {
  /** Its model thinks if nobody says otherwise. */
  readonly thinks: boolean;
}

/** What stays the same while the messages are changed until a template takes them. */
export interface Task {
  readonly prompt: Extract<Prompt, { kind: "chat" }>;
  /** The last message is an answer to be continued. */
  readonly continueLast: boolean;
  readonly now: Date;
}

export interface Rendering {
  readonly segments: readonly PromptSegment[];
  /** Messages whose content the template did not print. */
  readonly missing: readonly TemplateMessage[];
}

/** A rendering that threw. */
export class RenderFailure extends Error {
  override readonly name = "RenderFailure";
  constructor(
    reason: string,
    /** Found by rendering again, so only when it is told to somebody. */
    readonly line: () => number | "unknown",
    options: { cause: unknown },
  ) {
    super(reason, options);
  }

  /** The template uses what the engine does not have: no other order of messages would help. */
  get isEngineGap(): boolean {
    if (this.cause instanceof TemplateRefusal) return false;
    return /^Unknown \w* ?(filter|test|operator|node type)|not currently supported|not a function/.test(this.message);
  }
}

const RESERVED = ["messages", "tools", "add_generation_prompt", "bos_token", "eos_token"];
const PROBE: readonly TemplateMessage[] = [{ role: "user", content: "a" }];

export class Renderer {
  readonly #template: JinjaTemplate;
  readonly #vocabulary: Vocabulary;
  readonly #traits: PlainTraits;
  readonly #seams: readonly string[];
  readonly #thinks: boolean;
  #toolTraits: ToolTraits | "none" | undefined;
  #toolsForm: ToolsForm | "none" | undefined;
  #thoughtForm: MessageForm["thought"] | undefined;
  #switches: ThoughtSwitches | undefined;

  /** @throws when the engine cannot parse the source or cannot render one plain message with it. */
  constructor(source: string, vocabulary: Vocabulary, kind: TemplateKind) {
    this.#thinks = kind.thinks;
    this.#template = new JinjaTemplate(source);
    this.#vocabulary = vocabulary;
    this.#traits = plainTraits(this.#render);
    this.#seams = seamsOf(source);
  }

  get source(): string {
    return this.#template.source;
  }

  /** @throws RenderFailure */
  render(messages: readonly TemplateMessage[], task: Task): Rendering {
    try {
      const guard = new Guard(this.#vocabulary.controlTexts, this.#seams);
      const opens = task.prompt.addGenerationPrompt ?? true;
      const rendered = task.continueLast ? this.#continued(messages, task, guard) : this.#run(messages, task, guard, opens);
      const text = guard.plain(rendered);
      return { segments: guard.segments(rendered), missing: this.#missing(messages, text, task) };
    } catch (cause) {
      if (cause instanceof RenderFailure) throw cause;
      const reason = cause instanceof RangeError ? "a value is nested too deep" : String(cause);
      throw new RenderFailure(reason, () => "unknown", { cause });
    }
  }

  /** Whether the definitions of tools are printed at all. */
  get printsTools(): boolean {
    return this.#tools() !== undefined;
  }

  /** Whether calls of the past are. */
  get printsCalls(): boolean {
    return this.#calls() !== undefined;
  }

  /** The variables by which the template is told whether and how much to think. */
  get switches(): ThoughtSwitches {
    const prints: Printed = (options) => printsWith(this.#render, this.#traits, options);
    this.#switches ??= new ThoughtSwitches(this.source, prints);
    return this.#switches;
  }

  /** Up to and with the last message's content, so that the model goes on with it. */
  #continued(messages: readonly TemplateMessage[], task: Task, guard: Guard): string {
    const last = messages.at(-1)!;
    const end = randomDigits();
    const content = guard.protect(last.content + end, true).split(end, 1)[0]!;
    let failure: unknown;
    try {
      const rendered = this.#run([...messages.slice(0, -1), { ...last, content: last.content + end }], task, guard, false);
      const cut = rendered.lastIndexOf(end);
      if (cut !== -1) return closeThought(rendered.slice(0, cut), content);
    } catch (error) {
      failure = error;
    }
    try {
      const opened = this.#run(messages.slice(0, -1), task, guard, true);
      return closeThought(opened + content, content);
    } catch (error) {
      throw failure ?? error;
    }
  }

  #run(messages: readonly TemplateMessage[], { prompt, now }: Task, guard: Guard, addGenerationPrompt: boolean): string {
    const { tools = [], templateOptions = {} } = prompt;
    const form = tools.length > 0 ? this.#tools() : undefined;
    const options = Object.entries(templateOptions).filter(([name]) => !RESERVED.includes(name) && !GLOBAL_NAMES.has(name));
    const { absentTools } = this.#traits;
    const turns = wantsToolResponses(this.source) ? withToolResponses(messages) : messages;
    const variables: Variables = {
      ...preserved(templateOptions),
      ...Object.fromEntries(options.map(([name, value]) => [name, guard.protectDeep(value)])),
      ...(form?.variables(guard.protectDeep(tools) as unknown[]) ?? (absentTools && { tools: absentTools })),
      messages: this.#forms(form?.messages?.(turns, tools) ?? turns, guard),
      add_generation_prompt: addGenerationPrompt,
    };
    try {
      return this.#render(variables, now);
    } catch (cause) {
      const reason = guard.plain(cause instanceof Error ? cause.message : String(cause)).slice(0, 300);
      throw new RenderFailure(reason, () => failingLine(this.source, this.#given(variables, now)), { cause });
    }
  }

  readonly #render = (variables: Variables, now = new Date()): string => this.#template.render(this.#given(variables, now), now);

  #given(variables: Variables, now: Date): Variables {
    return {
      bos_token: this.#vocabulary.bosToken,
      eos_token: this.#vocabulary.eosToken,
      ...givenVariables(this.#thinks, now),
      ...variables,
    };
  }

  #forms(messages: readonly TemplateMessage[], guard: Guard): Record<string, unknown>[] {
    const calls = messages.some((message) => toolCalls(message).length > 0) ? this.#calls() : undefined;
    const thought = messages.some((message) => message[THOUGHT] !== undefined) ? this.#thoughts() : THOUGHT;
    const form: MessageForm = { ...PLAIN_FORM, content: this.#traits.content, ...calls, thought };
    const protect = {
      text: (text: string, readable: boolean) => guard.protect(text, readable),
      deep: (value: unknown) => guard.protectDeep(value),
    };
    return messages.map((message) => toForm(message, form, protect));
  }

  #tools(): ToolsForm | undefined {
    this.#toolsForm ??=
      toolsForm(this.source, (form, tools) => {
        const messages = form.messages?.(PROBE, tools) ?? PROBE;
        const forms = messages.map((message) => toForm(message, { ...PLAIN_FORM, content: this.#traits.content }, UNPROTECTED));
        return this.#render({ messages: forms, ...form.variables(tools), add_generation_prompt: true });
      }) ?? "none";
    return this.#toolsForm === "none" ? undefined : this.#toolsForm;
  }

  #thoughts(): MessageForm["thought"] {
    this.#thoughtForm ??= thoughtForm(this.source, this.#render, this.#traits);
    return this.#thoughtForm;
  }

  #calls(): ToolTraits | undefined {
    this.#toolTraits ??= toolTraits(this.#render, this.#traits) ?? "none";
    return this.#toolTraits === "none" ? undefined : this.#toolTraits;
  }

  /**
   * Instructions and questions that are not in the text. A template may change a content it prints, so what was not
   * found is rendered once more with a mark in its middle: only a mark that is gone proves the loss.
   */
  #missing(messages: readonly TemplateMessage[], text: string, task: Task): TemplateMessage[] {
    const lost = messages.filter((message) => toolCalls(message).length > 0 && !this.#calls());
    const suspects = new Map<TemplateMessage, string>();
    let from = 0;
    for (const message of messages) {
      const content = withoutFences(message.content).trim();
      if (message.role === "assistant" || content === "") continue;
      const found = text.indexOf(content, from);
      if (found !== -1) from = found + content.length;
      else if (!text.includes(content)) suspects.set(message, randomDigits());
    }
    if (suspects.size === 0) return lost;
    const marked = messages.map((message) => {
      const content = withoutFences(message.content);
      const middle = Math.floor(content.length / 2);
      return { ...message, content: content.slice(0, middle) + (suspects.get(message) ?? "") + content.slice(middle) };
    });
    try {
      const guard = new Guard(this.#vocabulary.controlTexts, this.#seams);
      const again = guard.plain(this.#run(marked, task, guard, true));
      return [...lost, ...[...suspects].filter(([, mark]) => !again.includes(mark)).map(([message]) => message)];
    } catch {
      // The mark itself may offend the template; then nothing is proven.
      return lost;
    }
  }
}

/** An answer that is continued is no thought: one that the template left open before it is closed. */
function closeThought(rendered: string, content: string): string {
  if (!rendered.endsWith(content)) return rendered;
  const head = rendered.slice(0, rendered.length - content.length);
  const open = /<([\w:]*think[\w:]*)>\s*$/.exec(head);
  return open && !content.includes(`</${open[1]}>`) ? `${head.trimEnd()}\n\n</${open[1]}>\n\n${content}` : rendered;
}

/** The strings at which a template cuts or replaces: `x.split('</think>')`, also through a variable that was set to one. */
function seamsOf(source: string): string[] {
  const literals = new Map(Array.from(source.matchAll(/\bset\s+(\w+)\s*=\s*(['"])(.+?)\2/g), (match) => [match[1]!, match[3]!]));
  const seams = Array.from(
    source.matchAll(/\b(?:split|replace)\(\s*(?:(['"])(.+?)\1|(\w+))/g),
    (match) => match[2] ?? literals.get(match[3]!),
  );
  return [...new Set(seams.filter((seam) => seam !== undefined))].map((seam) => seam.replaceAll("\\n", "\n").replaceAll("\\t", "\t"));
}
