/**
 * Messages → prompt text of one model: its own chat template, with normalised messages where it refuses some, or a
 * built-in format where it has none that runs. The pool keeps one `ChatTemplate` a model; it is pure and has no I/O.
 *
 * The text is rendered faithfully, a leading BOS included where the template prints one. The engine adds the BOS of the
 * vocabulary only if the text does not begin with it, so there are never two.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { Prompt, PromptSegment, Tool } from "../contract/generation.ts";
import { withToolsDescribed } from "./answer/describe-tools.ts";
import type { AnswerFormat, Marks } from "./answer/format.ts";
import { generic } from "./answer/formats/generic.ts";
import { callsOf, formatOf } from "./answer/formats/index.ts";
import { type AnswerPlan, planAnswer, thoughtMarks } from "./answer/plan.ts";
import { writeHermes } from "./answer/written-calls.ts";
import { builtInTemplate } from "./built-in.ts";
import { ControlTexts } from "./guard.ts";
import { type TemplateMessage, toolCalls, toTemplateMessages } from "./messages.ts";
import { developerToSystem, type Step, stepsFor } from "./normalise.ts";
import { Renderer, RenderFailure, type Rendering, type Task } from "./renderer.ts";

export type ChatPrompt = Extract<Prompt, { kind: "chat" }>;

export interface ChatTemplateOptions {
  /** `tokenizer.chat_template` of the GGUF. */
  readonly source?: string | undefined;
  /** For errors. */
  readonly model: string;
  /** Family or architecture: chooses a built-in format. */
  readonly family: string;
  readonly bosToken: string;
  readonly eosToken: string;
  /** Texts of the vocabulary's control tokens. */
  readonly controlTokens: readonly string[];
  readonly now?: () => Date;
}

export interface RenderedPrompt {
  readonly segments: PromptSegment[];
  /** What a developer would want to know: a built-in format was used, messages were changed, tools were described in the system message. */
  readonly warnings: string[];
  /** How the answer will be written, and what reads it. */
  readonly answer: AnswerPlan;
}

/** A template that can be run, and how its model answers. */
interface Runnable {
  readonly renderer: Renderer;
  readonly format: AnswerFormat;
  readonly marks: Marks | undefined;
}

export class ChatTemplate {
  readonly #options: ChatTemplateOptions;
  readonly #controlTokens: ReadonlySet<string>;
  #compiled: (Runnable & { readonly warning?: string }) | undefined;
  #builtIn: (Runnable & { readonly name: string }) | undefined;
  #controlTexts: ControlTexts | undefined;

  constructor(options: ChatTemplateOptions) {
    this.#options = options;
    this.#controlTokens = new Set([...options.controlTokens, options.bosToken, options.eosToken].filter((text) => text !== ""));
  }

  /** What prompts are rendered with: the model's own template, or the built-in one in its place. */
  get source(): string {
    return this.#own().renderer.source;
  }

  /** @throws ShimmyError template_error: the template refuses these messages however they are put. */
  render(prompt: ChatPrompt): RenderedPrompt {
    const own = this.#own();
    const warnings = own.warning === undefined ? [] : [own.warning];
    try {
      return this.#with(own, prompt, warnings);
    } catch (error) {
      if (!(error instanceof RenderFailure)) throw error;
      const builtIn = this.#fallback();
      if (!error.isEngineGap || own.renderer === builtIn.renderer) throw this.#asShimmyError(error);
      return this.#with(builtIn, prompt, [`${this.#replacement(error.message)}; for this request`]);
    }
  }

  #with({ renderer, format: own, marks }: Runnable, prompt: ChatPrompt, warnings: readonly string[]): RenderedPrompt {
    const notes = [...warnings];
    const { reasoning } = prompt;
    const tools = (prompt.tools ?? []).map(complete);
    const described = tools.length > 0 && !renderer.printsTools;
    if (described) notes.push(`The template of ${this.#options.model} prints no tools; the system message describes them`);
    const messages = described ? withToolsDescribed(prompt.messages, tools, own.calls?.describe) : prompt.messages;
    const format = described && !own.calls?.describe ? generic : own;
    const given = withoutEmptyEnd(toTemplateMessages(messages));
    const last = given.at(-1);
    const continueLast = last?.role === "assistant" && toolCalls(last).length === 0;
    const asked = {
      ...prompt,
      tools: described ? [] : tools,
      ...(reasoning && { templateOptions: { ...renderer.switches.variables(reasoning), ...prompt.templateOptions } }),
    };
    const task = { prompt: asked, continueLast, now: this.#options.now?.() ?? new Date() };
    const { rendering, steps } = climb(renderer, developerToSystem.apply(given), task, stepsFor(callsOf(format).write ?? writeHermes));
    if (steps.length > 0)
      notes.push(`The messages were changed for the template of ${this.#options.model}: ${steps.map((step) => step.name).join(", ")}`);
    if (rendering.missing.length > 0) {
      notes.push(
        `The template of ${this.#options.model} leaves out messages of: ${rendering.missing.map((message) => message.role).join(", ")}`,
      );
    }
    const { plan, appended } = planAnswer(format, marks, {
      prompt,
      text: rendering.segments.map(({ text }) => text).join(""),
      continued: continueLast,
      switched: reasoning?.enabled === false && renderer.switches.exist,
    });
    return { segments: withEnd(rendering.segments, appended), warnings: notes, answer: plan };
  }

  /** The model's own template if it runs at all, compiled at the first request. */
  #own(): Runnable & { readonly warning?: string } {
    this.#compiled ??= this.#compile();
    return this.#compiled;
  }

  #compile(): Runnable & { readonly warning?: string } {
    const { source, model } = this.#options;
    if (source === undefined || source.trim() === "") {
      const builtIn = this.#fallback();
      return { ...builtIn, warning: `${model} has no chat template; the built-in '${builtIn.name}' is used` };
    }
    try {
      return this.#runnable(source);
    } catch (error) {
      return { ...this.#fallback(), warning: this.#replacement(error instanceof Error ? error.message : String(error)) };
    }
  }

  #replacement(reason: string): string {
    return `The chat template of ${this.#options.model} cannot be run (${reason}); the built-in '${this.#fallback().name}' is used`;
  }

  #fallback(): Runnable & { readonly name: string } {
    if (!this.#builtIn) {
      const { name, source } = builtInTemplate(`${this.#options.family} ${this.#options.model}`, this.#controlTokens);
      this.#builtIn = { name, ...this.#runnable(source) };
    }
    return this.#builtIn;
  }

  #runnable(source: string): Runnable {
    this.#controlTexts ??= new ControlTexts(this.#controlTokens);
    const { bosToken, eosToken } = this.#options;
    const format = formatOf(source);
    const marks = thoughtMarks(source, format);
    const thinks = marks !== undefined && !marks.onRequest;
    return { renderer: new Renderer(source, { bosToken, eosToken, controlTexts: this.#controlTexts }, { thinks }), format, marks };
  }

  #asShimmyError(failure: RenderFailure): ShimmyError {
    return new ShimmyError(
      "template_error",
      { param: "messages", model: this.#options.model, line: failure.line(), reason: failure.message },
      { cause: failure },
    );
  }
}

interface Outcome {
  readonly rendering: Rendering;
  readonly steps: readonly Step[];
}

/**
 * As given, else with more and more steps until nothing throws and nothing is left out; then without the earlier steps
 * that were not needed. If nothing helps against what is left out, the least changed rendering.
 * @throws RenderFailure, the last, when every rendering threw
 */
function climb(renderer: Renderer, messages: readonly TemplateMessage[], task: Task, ladder: readonly Step[]): Outcome {
  let failure: unknown;
  let incomplete: Outcome | undefined;
  const attempt = (steps: readonly Step[], changed: readonly TemplateMessage[]): Outcome | undefined => {
    try {
      const outcome = { rendering: renderer.render(changed, task), steps };
      if (outcome.rendering.missing.length === 0) return outcome;
      incomplete ??= outcome;
    } catch (error) {
      failure = error;
    }
    return undefined;
  };

  let steps: readonly Step[] = [];
  let changed = messages;
  let found = attempt(steps, changed);
  for (const step of ladder) {
    if (found) break;
    const next = step.apply(changed);
    if (next === changed) continue;
    changed = next;
    steps = [...steps, step];
    found = attempt(steps, changed);
  }
  if (!found) {
    if (incomplete) return incomplete;
    throw failure;
  }
  for (const step of found.steps.slice(0, -1).reverse()) {
    const fewer: readonly Step[] = found.steps.filter((other) => other !== step);
    found =
      attempt(
        fewer,
        fewer.reduce((before, each) => each.apply(before), messages),
      ) ?? found;
  }
  return found;
}

/** Templates put the description and the parameters to other text, and stumble where there are none. As llama.cpp fills them in. */
function complete(tool: Tool): Tool {
  const { name, description, parameters, ...rest } = tool.function ?? {};
  if (name === undefined || (typeof description === "string" && parameters)) return tool;
  return { ...tool, function: { name, description: description ?? "", parameters: parameters ?? {}, ...rest } };
}

/** Behind the prompt of a template: marks, which are meant. */
function withEnd(segments: readonly PromptSegment[], end: string): PromptSegment[] {
  const last = segments.at(-1);
  if (end === "") return [...segments];
  if (!last?.parseSpecial) return [...segments, { text: end, parseSpecial: true }];
  return [...segments.slice(0, -1), { text: last.text + end, parseSpecial: true }];
}

/** An empty answer at the end asks for an answer: the template opens the turn itself. */
function withoutEmptyEnd(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  const end = messages.findLastIndex(
    (message) =>
      message.role !== "assistant" || message.content.trim() !== "" || toolCalls(message).length > 0 || Boolean(message.reasoning_content),
  );
  return messages.slice(0, end + 1);
}
