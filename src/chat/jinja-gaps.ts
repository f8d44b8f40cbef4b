/**
 * What real chat templates use and @huggingface/jinja lacks or does otherwise than Python, found by rendering 65 templates
 * with 0.5.11. Called by jinja.ts. When the package is raised, try each of these without: some may have become needless.
 */
import { Environment, Interpreter, type Node, type Value } from "./jinja-engine.ts";
import { pythonText } from "./python-text.ts";

export class ChatInterpreter extends Interpreter {
  override evaluate(node: Node | undefined, environment: Environment): Value {
    switch (node?.type) {
      case COMPUTED:
        return (node as Computed).value;
      case "TupleLiteral":
        return asList(super.evaluate(node, environment));
      case "CallExpression":
        return this.#call(node as Call, environment);
      case "FilterExpression":
        return this.#filter(node as Filter, environment);
      case "BinaryExpression":
        return this.#binary(node as Binary, environment);
      case "For":
        return this.#loop(node as Loop, environment);
      case "ObjectLiteral":
        return this.#dictionary(node as Dictionary, environment);
      case "MemberExpression":
        return this.#member(node as Member, environment);
      default:
        return super.evaluate(node, environment);
    }
  }

  /** Python prints lists, objects and truth values in its own spelling; the engine as JSON. */
  override evaluateBlock(statements: readonly Node[], environment: Environment): Value {
    return value(statements.map((statement) => pythonText(this.evaluate(statement, environment))).join(""));
  }

  #call(call: Call, environment: Environment): Value {
    const { callee, args } = call;
    const method = callee.type === "MemberExpression" && !callee.computed ? METHODS.get(callee.property.value) : undefined;
    if (!method || (args.length === 0 && !method.bare) || args.some((argument) => UNPLAIN_ARGUMENTS.has(argument.type))) {
      return super.evaluate(call, environment);
    }
    const target = this.evaluate(callee.object, environment);
    if (target.type !== method.on) return super.evaluate({ ...call, callee: { ...callee, object: computed(target) } } as Call, environment);
    return method.run(
      target,
      args.map((argument) => this.evaluate(argument, environment)),
    );
  }

  #filter(expression: Filter, environment: Environment): Value {
    const operand = this.evaluate(expression.operand, environment);
    const filter = expression.filter.type === "Identifier" ? FILTERS[operand.type]?.[expression.filter.value] : undefined;
    return filter?.(operand) ?? super.evaluate({ ...expression, operand: computed(operand) } as Filter, environment);
  }

  /** `~` joins an undefined value as nothing in Python, and truth values as Python spells them; the engine throws, and spells JSON. So does Python at `+`, but llama.cpp's engine joins there too. */
  #binary(expression: Binary, environment: Environment): Value {
    const { value: operator } = expression.operator;
    if (operator !== "~" && operator !== "+") return super.evaluate(expression, environment);
    const sides = [expression.left, expression.right].map((side) => this.evaluate(side, environment));
    const joins = operator === "~" || sides.some(({ type }) => type === "StringValue");
    const [left, right] = sides.map((side) => {
      if (joins && side.type === "UndefinedValue") return computed(value(""));
      return computed(operator === "~" ? value(pythonText(side)) : side);
    });
    return super.evaluate({ ...expression, left, right } as Binary, environment);
  }

  /** Keys that are numbers (Seed-OSS's budgets); the engine knows texts only. */
  #dictionary(dictionary: Dictionary, environment: Environment): Value {
    const entries = [...dictionary.value].map(([key, item]) => [this.evaluate(key, environment), item] as const);
    const numbered = entries.length > 0 && entries.every(([key]) => key.type === "IntegerValue");
    const keys = entries.map(([key, item]) => [computed(numbered ? value(String(key.value)) : key), item] as const);
    const result = super.evaluate({ ...dictionary, value: new Map(keys) } as Dictionary, environment);
    if (numbered) NUMBERED.add(result);
    return result;
  }

  #member(member: Member, environment: Environment): Value {
    if (!member.computed || NUMBERED_BY_NATURE.has(member.property.type)) return super.evaluate(member, environment);
    const object = this.evaluate(member.object, environment);
    const known = { ...member, object: computed(object) } as Member;
    if (!NUMBERED.has(object)) return super.evaluate(known, environment);
    const key = this.evaluate(member.property, environment);
    return super.evaluate({ ...known, property: computed(value(String(key.value))) } as Member, environment);
  }

  /** Python's undefined has no items; the engine throws. */
  #loop(loop: Loop, environment: Environment): Value {
    if (loop.iterable.type === "SelectExpression") return super.evaluate(loop, environment);
    const iterable = this.evaluate(loop.iterable, environment);
    const list = iterable.type === "UndefinedValue" ? value([]) : iterable;
    return super.evaluate({ ...loop, iterable: computed(list) } as Loop, environment);
  }
}

/** The parts of the engine's syntax tree that are read here. */
interface Call extends Node {
  readonly callee: Node & { readonly object: Node; readonly property: { readonly value: string }; readonly computed: boolean };
  readonly args: readonly Node[];
}
interface Filter extends Node {
  readonly operand: Node;
  readonly filter: Node & { readonly value: string };
}
interface Binary extends Node {
  readonly operator: { readonly value: string };
  readonly left: Node;
  readonly right: Node;
}
interface Loop extends Node {
  readonly iterable: Node;
}
interface Dictionary extends Node {
  readonly value: ReadonlyMap<Node, Node>;
}
interface Member extends Node {
  readonly object: Node;
  readonly property: Node;
  readonly computed: boolean;
}

/** Dictionaries whose keys were numbers. */
const NUMBERED = new WeakSet<Value>();
/** `list[1:]`, whose parts are no expression. */
const NUMBERED_BY_NATURE = new Set(["SliceExpression"]);

/** Stands for an expression that was evaluated already: a second evaluation could pop a list twice. */
const COMPUTED = "ShimmyComputed";
interface Computed extends Node {
  readonly value: Value;
}
function computed(result: Value): Computed {
  return { type: COMPUTED, value: result };
}

const UNPLAIN_ARGUMENTS = new Set(["KeywordArgumentExpression", "SpreadExpression", "KeywordSpreadExpression"]);

interface Method {
  readonly on: string;
  /** Taken over when called without an argument, too. */
  readonly bare?: boolean;
  run(target: Value, args: readonly Value[]): Value;
}

/** `strip` and its kin ignore their argument in the engine; the others are absent. */
const METHODS: ReadonlyMap<string, Method> = new Map([
  ["strip", { on: "StringValue", run: (text, [chars]) => value(strip(text, chars, true, true)) }],
  ["lstrip", { on: "StringValue", run: (text, [chars]) => value(strip(text, chars, true, false)) }],
  ["rstrip", { on: "StringValue", run: (text, [chars]) => value(strip(text, chars, false, true)) }],
  ["format", { on: "StringValue", run: format }],
  ["append", { on: "ArrayValue", run: append }],
  ["pop", { on: "ArrayValue", bare: true, run: pop }],
  // Python stops there; llama.cpp finds nothing, and a tool without parameters is no reason to stop: `parameters.properties.items()`.
  ["items", { on: "UndefinedValue", bare: true, run: () => value([]) }],
  ["keys", { on: "UndefinedValue", bare: true, run: () => value([]) }],
  ["values", { on: "UndefinedValue", bare: true, run: () => value([]) }],
] as ReadonlyArray<[string, Method]>);

/** By the type of the operand. An undefined value prints as nothing and has length 0 in Python; the engine throws. */
const FILTERS: Readonly<Record<string, Readonly<Record<string, (operand: Value) => Value | undefined>>>> = {
  ObjectValue: { string: (operand) => value(pythonText(operand)), dictsort },
  ArrayValue: {
    string: (operand) => value(pythonText(operand)),
    min: (operand) => extreme(operand, -1),
    max: (operand) => extreme(operand, 1),
  },
  UndefinedValue: {
    string: () => value(""),
    trim: () => value(""),
    lower: () => value(""),
    upper: () => value(""),
    length: () => value(0),
    list: () => value([]),
    items: () => value([]),
    dictsort: () => value([]),
  },
};

/** A plain value as the engine's; its classes are not exported. */
function value(plain: unknown): Value {
  return new Environment().set("value", plain);
}

/** The engine can neither unpack a tuple in a loop nor write one as JSON; a list it can. */
function asList(tuple: Value): Value {
  tuple.type = "ArrayValue";
  return tuple;
}

function strip(text: Value, chars: Value | undefined, left: boolean, right: boolean): string {
  const unwanted = new Set(String(chars?.value ?? " \t\n\r\f\v"));
  const letters = Array.from(String(text.value));
  let start = 0;
  let end = letters.length;
  while (left && start < end && unwanted.has(letters[start]!)) start++;
  while (right && end > start && unwanted.has(letters[end - 1]!)) end--;
  return letters.slice(start, end).join("");
}

/** `'{}'.format(x)`: plain and numbered places only. */
function format(text: Value, args: readonly Value[]): Value {
  let next = 0;
  return value(String(text.value).replace(/\{(\d*)\}/g, (_, place: string) => String(args[place === "" ? next++ : Number(place)] ?? "")));
}

function append(list: Value, [item]: readonly Value[]): Value {
  items(list).push(item!);
  return value(null);
}

function pop(list: Value, [index]: readonly Value[]): Value {
  const removed = items(list).splice(index ? Number(index.value) : -1, 1)[0];
  if (!removed) throw new Error("pop index out of range");
  return removed;
}

/** By number, where the keys are numbers. */
function dictsort(dictionary: Value): Value | undefined {
  if (!NUMBERED.has(dictionary)) return undefined;
  const entries = [...(dictionary.value as ReadonlyMap<string, Value>)].sort(([a], [b]) => Number(a) - Number(b));
  const sorted = value([]);
  for (const [key, item] of entries) {
    const pair = value([]);
    items(pair).push(value(Number(key)), item);
    items(sorted).push(pair);
  }
  return sorted;
}

function extreme(list: Value, sign: 1 | -1): Value {
  const sorted = items(list).toSorted((a, b) => sign * (Number(b.value) - Number(a.value)));
  return sorted[0] ?? value(undefined);
}

function items(list: Value): Value[] {
  return list.value as Value[];
}
