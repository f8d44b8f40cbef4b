/**
 * Messages → prompt text of one model: its own chat template, with normalised messages where it refuses some, or a
 * built-in format where it has none that runs. The pool keeps one `ChatTemplate` a model; it is pure and has no I/O.
 *
 * The text is rendered faithfully, a leading BOS included where the template prints one. The engine adds the BOS of the
 * vocabulary only if the text does not begin with it, so there are never two.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { Prompt, PromptSegment } from "../contract/generation.ts";
import { builtInTemplate } from "./built-in.ts";
import { ControlTexts } from "./guard.ts";
import { type TemplateMessage, toolCalls, toTemplateMessages } from "./messages.ts";
import { developerToSystem, STEPS, type Step } from "./normalise.ts";
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
  /** What a developer would want to know: a built-in format was used, messages were changed, tools were ignored. */
  readonly warnings: string[];
}

export class ChatTemplate {
  readonly #options: ChatTemplateOptions;
  readonly #controlTokens: ReadonlySet<string>;
  #compiled: { readonly renderer: Renderer; readonly warning?: string } | undefined;
  #builtIn: { readonly name: string; readonly renderer: Renderer } | undefined;
  #controlTexts: ControlTexts | undefined;

  constructor(options: ChatTemplateOptions) {
    this.#options = options;
    this.#controlTokens = new Set([...options.controlTokens, options.bosToken, options.eosToken].filter((text) => text !== ""));
  }

  /** @throws ShimmyError template_error: the template refuses these messages however they are put. */
  render(prompt: ChatPrompt): RenderedPrompt {
    const { renderer, warning } = this.#own();
    const warnings = warning === undefined ? [] : [warning];
    try {
      return this.#with(renderer, prompt, warnings);
    } catch (error) {
      if (!(error instanceof RenderFailure)) throw error;
      const builtIn = this.#fallback();
      if (!error.isEngineGap || renderer === builtIn.renderer) throw this.#asShimmyError(error);
      return this.#with(builtIn.renderer, prompt, [`${this.#replacement(error.message)}; for this request`]);
    }
  }

  #with(renderer: Renderer, prompt: ChatPrompt, warnings: readonly string[]): RenderedPrompt {
    const given = withoutEmptyEnd(toTemplateMessages(prompt.messages));
    const last = given.at(-1);
    const continueLast = last?.role === "assistant" && toolCalls(last).length === 0;
    const task = { prompt, continueLast, now: this.#options.now?.() ?? new Date() };
    const messages = renderer.source.includes("developer") ? given : developerToSystem.apply(given);
    const { rendering, steps } = climb(renderer, messages, task);
    const notes = [...warnings];
    if (steps.length > 0)
      notes.push(`The messages were changed for the template of ${this.#options.model}: ${steps.map((step) => step.name).join(", ")}`);
    if (rendering.missing.length > 0) {
      notes.push(
        `The template of ${this.#options.model} leaves out messages of: ${rendering.missing.map((message) => message.role).join(", ")}`,
      );
    }
    if (prompt.tools?.length && !renderer.printsTools) notes.push(`The template of ${this.#options.model} ignores tools`);
    return { segments: [...rendering.segments], warnings: notes };
  }

  /** The model's own template if it runs at all, compiled at the first request. */
  #own(): { readonly renderer: Renderer; readonly warning?: string } {
    this.#compiled ??= this.#compile();
    return this.#compiled;
  }

  #compile(): { readonly renderer: Renderer; readonly warning?: string } {
    const { source, model } = this.#options;
    if (source === undefined || source.trim() === "") {
      const { name, renderer } = this.#fallback();
      return { renderer, warning: `${model} has no chat template; the built-in '${name}' is used` };
    }
    try {
      return { renderer: this.#renderer(source) };
    } catch (error) {
      return { renderer: this.#fallback().renderer, warning: this.#replacement(error instanceof Error ? error.message : String(error)) };
    }
  }

  #replacement(reason: string): string {
    return `The chat template of ${this.#options.model} cannot be run (${reason}); the built-in '${this.#fallback().name}' is used`;
  }

  #fallback(): { readonly name: string; readonly renderer: Renderer } {
    if (!this.#builtIn) {
      const { name, source } = builtInTemplate(`${this.#options.family} ${this.#options.model}`, this.#controlTokens);
      this.#builtIn = { name, renderer: this.#renderer(source) };
    }
    return this.#builtIn;
  }

  #renderer(source: string): Renderer {
    this.#controlTexts ??= new ControlTexts(this.#controlTokens);
    const { bosToken, eosToken } = this.#options;
    return new Renderer(source, { bosToken, eosToken, controlTexts: this.#controlTexts });
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
function climb(renderer: Renderer, messages: readonly TemplateMessage[], task: Task): Outcome {
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
  for (const step of STEPS) {
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

/** An empty answer at the end asks for an answer: the template opens the turn itself. */
function withoutEmptyEnd(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  const end = messages.findLastIndex(
    (message) =>
      message.role !== "assistant" || message.content.trim() !== "" || toolCalls(message).length > 0 || Boolean(message.reasoning_content),
  );
  return messages.slice(0, end + 1);
}
