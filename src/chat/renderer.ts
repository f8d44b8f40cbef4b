/**
 * One template of one vocabulary: renders messages exactly as given, guards the caller's text, continues a last
 * assistant message, and says which messages the template left out. Called by template.ts, which changes the messages.
 */
import type { Prompt, PromptSegment } from "../contract/generation.ts";
import { type ControlTexts, Guard, randomDigits } from "./guard.ts";
import { GLOBAL_NAMES, JinjaTemplate, TemplateRefusal, type Variables } from "./jinja.ts";
import { failingLine } from "./line.ts";
import { type MessageForm, type TemplateMessage, toForm, toolCalls } from "./messages.ts";
import { type Printed, ThoughtSwitches } from "./thought-switches.ts";
import { type PlainTraits, plainTraits, printsTools, printsWith, type ToolTraits, toolTraits } from "./traits.ts";

export interface Vocabulary {
  readonly bosToken: string;
  readonly eosToken: string;
  readonly controlTexts: ControlTexts;
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

export class Renderer {
  readonly #template: JinjaTemplate;
  readonly #vocabulary: Vocabulary;
  readonly #traits: PlainTraits;
  readonly #seams: readonly string[];
  #toolTraits: ToolTraits | "none" | undefined;
  #printsTools: boolean | undefined;
  #switches: ThoughtSwitches | undefined;

  /** @throws when the engine cannot parse the source or cannot render one plain message with it. */
  constructor(source: string, vocabulary: Vocabulary) {
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
      const rendered = task.continueLast
        ? this.#continued(messages, task, guard)
        : this.#run(this.#forms(messages, guard), task, guard, task.prompt.addGenerationPrompt ?? true);
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
    this.#printsTools ??= printsTools(this.#render, this.#traits);
    return this.#printsTools;
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
    const content = guard.protect(last.content, true);
    const end = randomDigits();
    let failure: unknown;
    try {
      const forms = this.#forms(messages, guard);
      const marked = [
        ...forms.slice(0, -1),
        { ...forms.at(-1), content: this.#traits.content === "parts" ? [{ type: "text", text: content + end }] : content + end },
      ];
      const rendered = this.#run(marked, task, guard, false);
      const cut = rendered.lastIndexOf(end);
      if (cut !== -1) return closeThought(rendered.slice(0, cut), content);
    } catch (error) {
      failure = error;
    }
    try {
      const opened = this.#run(this.#forms(messages.slice(0, -1), guard), task, guard, true);
      return closeThought(opened + content, content);
    } catch (error) {
      throw failure ?? error;
    }
  }

  #run(messages: readonly unknown[], { prompt, now }: Task, guard: Guard, addGenerationPrompt: boolean): string {
    const tools = prompt.tools?.length ? guard.protectDeep(prompt.tools) : this.#traits.absentTools;
    const options = Object.entries(prompt.templateOptions ?? {}).filter(([name]) => !RESERVED.includes(name) && !GLOBAL_NAMES.has(name));
    const variables: Variables = {
      ...Object.fromEntries(options.map(([name, value]) => [name, guard.protectDeep(value)])),
      messages,
      ...(tools === undefined ? {} : { tools }),
      add_generation_prompt: addGenerationPrompt,
    };
    try {
      return this.#render(variables, now);
    } catch (cause) {
      const reason = guard.plain(cause instanceof Error ? cause.message : String(cause)).slice(0, 300);
      throw new RenderFailure(reason, () => failingLine(this.source, this.#withTokens(variables)), { cause });
    }
  }

  readonly #render = (variables: Variables, now?: Date): string => this.#template.render(this.#withTokens(variables), now);

  #withTokens(variables: Variables): Variables {
    return { bos_token: this.#vocabulary.bosToken, eos_token: this.#vocabulary.eosToken, ...variables };
  }

  #forms(messages: readonly TemplateMessage[], guard: Guard): Record<string, unknown>[] {
    const hasCalls = messages.some((message) => toolCalls(message).length > 0);
    const traits = (hasCalls && this.#tools()) || ({ toolArguments: "object", emptyContent: "" } as const);
    const form: MessageForm = { content: this.#traits.content, ...traits };
    const protect = {
      text: (text: string, readable: boolean) => guard.protect(text, readable),
      deep: (value: unknown) => guard.protectDeep(value),
    };
    return messages.map((message) => toForm(message, form, protect));
  }

  #tools(): ToolTraits | undefined {
    this.#toolTraits ??= toolTraits(this.#render, this.#traits) ?? "none";
    return this.#toolTraits === "none" ? undefined : this.#toolTraits;
  }

  /**
   * Instructions and questions that are not in the text. A template may change a content it prints, so what was not
   * found is rendered once more with a mark in its middle: only a mark that is gone proves the loss.
   */
  #missing(messages: readonly TemplateMessage[], text: string, task: Task): TemplateMessage[] {
    const lost = messages.filter((message) => toolCalls(message).length > 0 && !this.#tools());
    const suspects = new Map<TemplateMessage, string>();
    let from = 0;
    for (const message of messages) {
      const content = message.content.trim();
      if (message.role === "assistant" || content === "") continue;
      const found = text.indexOf(content, from);
      if (found !== -1) from = found + content.length;
      else if (!text.includes(content)) suspects.set(message, randomDigits());
    }
    if (suspects.size === 0) return lost;
    const marked = messages.map((message) => {
      const middle = Math.floor(message.content.length / 2);
      return { ...message, content: message.content.slice(0, middle) + (suspects.get(message) ?? "") + message.content.slice(middle) };
    });
    try {
      const guard = new Guard(this.#vocabulary.controlTexts, this.#seams);
      const again = guard.plain(this.#run(this.#forms(marked, guard), task, guard, true));
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
