/**
 * The classes of @huggingface/jinja with types: the package's own declarations import without file endings, which
 * TypeScript cannot follow for ES modules, so they are all `any`. Only what this room uses is declared.
 */
import * as engine from "@huggingface/jinja";

export interface Value {
  type: string;
  readonly value: unknown;
  toString(): string;
}

export interface Node {
  readonly type: string;
}

export type Program = Node & { readonly body: readonly Node[] };

export interface Environment {
  readonly variables: Map<string, Value>;
  /** Converts a plain value and declares it; throws when the name is taken. */
  set(name: string, value: unknown): Value;
}

export interface Interpreter {
  run(program: Program): Value;
  evaluate(node: Node | undefined, environment: Environment): Value;
  evaluateBlock(statements: readonly Node[], environment: Environment): Value;
}

interface Engine {
  readonly Environment: new () => Environment;
  readonly Interpreter: new (environment: Environment) => Interpreter;
  parse(tokens: readonly unknown[]): Program;
  tokenize(source: string, options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean }): readonly unknown[];
}

export const { Environment, Interpreter, parse, tokenize } = engine as unknown as Engine;
