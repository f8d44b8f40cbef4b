/**
 * A Jinja template as chat models use it: compiled once, rendered with plain values.
 * Called by the renderer and the probes of this room; it knows nothing of messages or tokens.
 * @huggingface/jinja does the work. Its own `Template` cannot be given another clock and stops on a variable
 * that is called like a global, so the environment is built here.
 */
import { Environment, type Program, parse, tokenize } from "./jinja-engine.ts";
import { ChatInterpreter } from "./jinja-gaps.ts";
import { strftime } from "./strftime.ts";

/** The template itself refused, by `raise_exception`. All else that is thrown is an error of the engine or of types. */
export class TemplateRefusal extends Error {
  override readonly name = "TemplateRefusal";
}

export type Variables = Readonly<Record<string, unknown>>;

export class JinjaTemplate {
  readonly #program: Program;

  /** @throws SyntaxError when the source uses what the engine cannot parse. */
  constructor(readonly source: string) {
    this.#program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  }

  /** @throws TemplateRefusal, or any error of the engine. */
  render(variables: Variables, now: Date = new Date()): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries(globals(now))) environment.set(name, value);
    for (const [name, value] of Object.entries(variables)) {
      // A variable named like a global replaces it, as in Python; `set` alone would refuse.
      environment.variables.delete(name);
      environment.set(name, value);
    }
    return String(new ChatInterpreter(environment).run(this.#program).value);
  }
}

/** Names that a template may rely on; they are no caller's to replace. */
export const GLOBAL_NAMES: ReadonlySet<string> = new Set(["namespace", ...Object.keys(globals(new Date(0)))]);

function globals(now: Date): Record<string, unknown> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range,
    strftime_now: (format: string) => strftime(now, format),
    raise_exception: (message: unknown) => {
      throw new TemplateRefusal(String(message));
    },
  };
}

function range(from: number, to?: number, step = 1): number[] {
  const [start, stop] = to === undefined ? [0, from] : [from, to];
  if (step === 0) throw new Error("range() step must not be zero");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  return Array.from({ length }, (_, index) => start + index * step);
}
