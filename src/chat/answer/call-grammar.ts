/**
 * The arguments of tools as parts of one grammar. Called by grammar.ts, used by the files of formats/. What a tool's schema asks and a
 * grammar cannot promise is an error where the tool is strict; else the tool gets a weaker promise and a warning.
 */
import { ShimmyError } from "../../contract/errors.ts";
import type { Tool } from "../../contract/generation.ts";
import { Compiler, type Member } from "../../grammar/compile.ts";
import { type Expression, text } from "../../grammar/expression.ts";
import { factored } from "../../grammar/factor.ts";
import type { Grammar } from "../../grammar/gbnf.ts";
import { Json } from "../../grammar/json.ts";
import { refusal } from "../../grammar/refusal.ts";
import { untilText } from "../../grammar/until.ts";
import type { CallGrammar, PropertyGrammar } from "./format.ts";

/** Keywords of a schema without properties that ask for nothing: `{"type": "object"}` is how a tool without arguments is written. */
const SAYS_NOTHING = ["type", "title", "description", "$schema", "$id", "properties", "required", "additionalProperties"];

export class ToolGrammar implements CallGrammar {
  readonly warnings: string[] = [];
  readonly #grammar: Grammar;
  readonly #json: Json;
  readonly #tools: readonly Tool[];
  readonly #arguments = new Map<Tool, Expression>();
  /** By the mark that ends them: properties have many, and marks few. */
  readonly #texts = new Map<string, Expression>();

  /** @param tools all of the request: their places in it name them in errors */
  constructor(grammar: Grammar, tools: readonly Tool[]) {
    this.#grammar = grammar;
    this.#json = new Json(grammar);
    this.#tools = tools;
  }

  arguments(tool: Tool): Expression {
    const known = this.#arguments.get(tool);
    if (known) return known;
    const built = takesNothing(tool) ? text("{}") : this.#promised(tool, () => this.#object(tool), this.#json.anyOf("object"));
    this.#arguments.set(tool, built);
    return built;
  }

  properties(tool: Tool): readonly PropertyGrammar[] {
    return takesNothing(tool) ? [] : this.#promised(tool, () => this.#members(tool), []);
  }

  until(end: string): Expression {
    const known = this.#texts.get(end);
    if (known) return known;
    const built = untilText(end, this.#grammar);
    this.#texts.set(end, built);
    return built;
  }

  anyValue(): Expression {
    return this.#json.value;
  }

  share(expression: Expression): Expression {
    return this.#grammar.share(factored(expression));
  }

  #object(tool: Tool): Expression {
    return this.#grammar.share(this.#compiler(tool).whole({ type: "object" }));
  }

  #members(tool: Tool): PropertyGrammar[] {
    const compiler = this.#compiler(tool);
    compiler.whole({ type: "object" }); // what it refuses as a whole
    return compiler.members().map((member) => this.#property(tool, member, compiler));
  }

  #property(tool: Tool, { name, required, schemas, text }: Member, compiler: Compiler): PropertyGrammar {
    const [bound] = text?.bounds ?? [];
    if (bound !== undefined) this.#weaken(tool, refusal(bound, "it cannot be enforced in the format of this model's tool calls"));
    const json = this.#grammar.share(compiler.all(schemas));
    return { name, required, json, ...(text && { raw: text.values ? { choices: text.values } : {} }) };
  }

  #compiler(tool: Tool): Compiler {
    return new Compiler(tool.function.parameters, `${this.#pathOf(tool)}.parameters`, this.#grammar);
  }

  #promised<T>(tool: Tool, build: () => T, otherwise: T): T {
    try {
      return this.#grammar.attempt(build);
    } catch (error) {
      this.#weaken(tool, error);
      return otherwise;
    }
  }

  /** @throws the error itself, where the tool is strict or the error is none of its schema */
  #weaken(tool: Tool, error: unknown): void {
    if (!(error instanceof ShimmyError) || error.code !== "invalid_value" || tool.function.strict === true) throw error;
    this.warnings.push(`${tool.function.name} may be called with other arguments than its schema allows: ${error.message}`);
  }

  #pathOf(tool: Tool): string {
    return `tools[${this.#tools.indexOf(tool)}].function`;
  }
}

function takesNothing({ function: { parameters } }: Tool): boolean {
  if (parameters === undefined || parameters === null) return true;
  if (typeof parameters !== "object" || Array.isArray(parameters)) return false;
  const { properties, required, additionalProperties, type } = parameters as Readonly<Record<string, unknown>>;
  const empty = (value: unknown) => value === undefined || value === null || Object.keys(value).length === 0;
  const quiet = Object.keys(parameters).every((key) => SAYS_NOTHING.includes(key));
  return quiet && empty(properties) && empty(required) && !additionalProperties && (type === undefined || type === "object");
}
