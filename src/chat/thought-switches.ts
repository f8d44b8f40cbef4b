/**
 * How a template is told whether its model shall think, found by rendering one question with each of the variables that templates use:
 * one that changes nothing is none. Called by the renderer, once a model, when somebody asks.
 */
import type { ReasoningWish } from "../contract/generation.ts";
import type { Variables } from "./jinja.ts";
import { NEEDLE } from "./traits.ts";

/** What the template prints for a short question with these variables; undefined when it refuses them. */
export type Printed = (variables: Variables) => string | undefined;

interface Switch {
  readonly name: string;
  readonly on: unknown;
  /** The first that changes how the answer begins is taken, else the last that changes anything. */
  readonly off: readonly unknown[];
}

const SWITCHES: readonly Switch[] = [
  { name: "enable_thinking", on: true, off: [false] }, // Qwen3, GLM, Nemotron 3, SmolLM3
  { name: "thinking", on: true, off: [false] }, // DeepSeek V3.1, Granite, Kimi K3
  { name: "reasoning", on: true, off: [false] }, // Command A
  { name: "thinking_mode", on: "enabled", off: ["disabled"] }, // MiniMax M3
  { name: "thinking_budget", on: -1, off: [0] }, // Seed-OSS
  { name: "reasoning_effort", on: "high", off: ["none", "no_think", "minimal", "low"] }, // Hunyuan 3, Solar; gpt-oss cannot do without
];
const EFFORTS = ["reasoning_effort", "thinking_effort"];
const BUDGET = "thinking_budget";

/** What stands behind the question: the beginning of the answer. */
function ending(text: string): string {
  return text.slice(text.lastIndexOf(NEEDLE));
}

export class ThoughtSwitches {
  readonly #source: string;
  readonly #printed: Printed;
  #found: { readonly on: Variables; readonly off: Variables } | undefined;

  constructor(source: string, printed: Printed) {
    this.#source = source;
    this.#printed = printed;
  }

  /** Whether the template can be told not to think. */
  get exist(): boolean {
    return Object.keys(this.#switches().off).length > 0;
  }

  /** The variables for this wish. */
  variables({ enabled, effort, budgetTokens }: ReasoningWish): Variables {
    const { on, off } = enabled === undefined ? { on: {}, off: {} } : this.#switches();
    if (enabled === false) return off;
    const efforts = effort === undefined ? [] : EFFORTS.map((name) => [name, effort] as const);
    const budgets = budgetTokens === undefined ? [] : [[BUDGET, budgetTokens] as const];
    const taken = [...efforts, ...budgets].filter(([name, value]) => this.#reads(name) && this.#printed({ [name]: value }) !== undefined);
    return { ...on, ...Object.fromEntries(taken) };
  }

  #switches(): { readonly on: Variables; readonly off: Variables } {
    if (this.#found) return this.#found;
    const found = SWITCHES.filter(({ name }) => this.#reads(name)).flatMap(({ name, on, off }) => {
      const value = this.#effective(name, on, off);
      return value === undefined ? [] : [{ name, on, off: value }];
    });
    const usual = ending(this.#printed({}) ?? "");
    this.#found = {
      // A level is for a model that would not think without one: where it does, how much is its authors' to say.
      on: Object.fromEntries(
        found
          .filter(({ name, on }) => !EFFORTS.includes(name) || ending(this.#printed({ [name]: on }) ?? "") !== usual)
          .map(({ name, on }) => [name, on]),
      ),
      off: Object.fromEntries(found.map(({ name, off }) => [name, off])),
    };
    return this.#found;
  }

  #effective(name: string, on: unknown, off: readonly unknown[]): unknown {
    const thinking = this.#printed({ [name]: on });
    if (thinking === undefined) return undefined;
    const printed = off.map((value) => ({ value, text: this.#printed({ [name]: value }) })).filter(({ text }) => text !== undefined);
    const answersAtOnce = printed.find(({ text }) => ending(text!) !== ending(thinking));
    return (answersAtOnce ?? printed.findLast(({ text }) => text !== thinking))?.value;
  }

  #reads(name: string): boolean {
    return this.#source.includes(name);
  }
}
