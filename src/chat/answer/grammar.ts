/**
 * The grammar of one answer: of its calls, of its text, or of both. Called by pool/compile-grammar.ts, which may do it in another
 * thread. Pure.
 *
 *     tools                    free text; behind a trigger the calls
 *     tools, required          calls from the start
 *     tools and a constraint   calls or the constrained text, from the start
 */
import type { EngineConstraint } from "../../contract/answer.ts";
import { ShimmyError } from "../../contract/errors.ts";
import type { ChatPrompt, Constraint, Tool } from "../../contract/generation.ts";
import { Compiler, compileSchema } from "../../grammar/compile.ts";
import { choice, type Expression, rule } from "../../grammar/expression.ts";
import { factored } from "../../grammar/factor.ts";
import { Grammar } from "../../grammar/gbnf.ts";
import { withPrefix } from "../../grammar/rename.ts";
import { ToolGrammar } from "./call-grammar.ts";
import type { AnswerFormat, CallFormat } from "./format.ts";
import { callsOf, formatNamed } from "./formats/index.ts";

/** Plain data, which can go to another thread. */
export interface GrammarJob {
  /** Name of the answer's format. */
  readonly format: string;
  readonly tools: readonly Tool[];
  readonly toolChoice?: ChatPrompt["toolChoice"];
  readonly parallel: boolean;
  readonly constraint?: Constraint;
}

export interface CompiledAnswer {
  readonly constraint: EngineConstraint;
  /** What is not promised. */
  readonly warnings: readonly string[];
}

/** Rules of a caller's grammar, where it is a part of ours. */
const GIVEN = "given-";

/** @throws invalid_value for a schema that cannot be promised, naming the place in the request */
export function compileAnswer(job: GrammarJob): CompiledAnswer {
  const format = formatNamed(job.format);
  if (job.tools.length > 0) return compileCalls(job, format, callsOf(format));
  const { constraint } = job;
  if (!constraint) throw new Error("nothing to compile");
  return { constraint: { gbnf: compileText(constraint, format) }, warnings: [] };
}

function compileText(constraint: Constraint, format: AnswerFormat): string {
  if (format.framed) {
    const grammar = new Grammar("gbnf" in constraint ? "grammar" : constraint.param);
    return grammar.render(format.framed(textOf(constraint, grammar)));
  }
  return "gbnf" in constraint ? constraint.gbnf : compileSchema(constraint.schema, constraint.param);
}

function compileCalls(job: GrammarJob, format: AnswerFormat, calls: CallFormat): CompiledAnswer {
  const grammar = new Grammar("tools");
  const arguments_ = new ToolGrammar(grammar, job.tools);
  const tools = chosen(job);
  const done = (root: Expression, how: Omit<EngineConstraint, "gbnf"> = {}): CompiledAnswer => ({
    constraint: { gbnf: grammar.render(factored(root)), ...how },
    warnings: arguments_.warnings,
  });
  // One that is named is called once.
  if (job.toolChoice) return done(calls.whole(arguments_, tools, job.parallel && job.toolChoice === "required"), { calls: true });
  const triggers = calls.triggers(tools);
  if (!job.constraint) return done(calls.behind(arguments_, tools, job.parallel), { triggers, ...(!job.parallel && { once: true }) });
  const text = textOf(job.constraint, grammar);
  return done(choice(format.framed?.(text) ?? text, calls.whole(arguments_, tools, job.parallel)));
}

/** @throws invalid_value when the named tool is not there */
function chosen({ tools, toolChoice }: GrammarJob): readonly Tool[] {
  if (toolChoice === undefined || toolChoice === "required") return tools;
  const named = tools.filter((tool) => tool.function.name === toolChoice.name);
  if (named.length > 0) return named;
  throw new ShimmyError("invalid_value", { param: "tool_choice", reason: `there is no tool '${toolChoice.name}' in tools` });
}

function textOf(constraint: Constraint, grammar: Grammar): Expression {
  if (!("gbnf" in constraint)) return new Compiler(constraint.schema, constraint.param, grammar).whole();
  grammar.addRules(`${withPrefix(constraint.gbnf, GIVEN)}\n`);
  return rule(`${GIVEN}root`);
}
