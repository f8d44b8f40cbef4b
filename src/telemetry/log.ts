/**
 * Log lines to stderr, as text for people or as JSON with the field names of pino. Everyone may call it; it decides nothing.
 * Own code and not pino, which costs 1.1 MB of private memory at start and has no text format without a second package.
 * Prompts and keys are never logged: fields are flat by type, and a field that is named like one is masked.
 */
import type { Config } from "../config/table.ts";

export type LogLevel = Config["logLevel"];

/** Flat on purpose: nothing nested can carry a prompt in. An `Error` goes under `err`, as in pino. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined | Error>>;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: Config["logFormat"];
  /** Takes one line without its newline; default stderr. */
  readonly write?: (line: string) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** The numbers of pino. */
const NUMBERS = { error: 50, warn: 40, info: 30, debug: 20 } as const satisfies Record<LogLevel, number>;

const PRIVATE = /^(prompt|messages|content|text|input|output|authorization|cookie|password|secret|(x[-_]?)?api[-_]?keys?)$/i;
const LONGEST_VALUE = 4096;

/** Shared by a logger and its children, so that a change of level reaches all. */
interface Sink {
  level: LogLevel;
  readonly format: Config["logFormat"];
  readonly write: (line: string) => void;
  readonly now: () => number;
}

/**
 * @example const log = createLogger({ level: "info", format: "text" }); log.info("request", { model: "shimmy-tiny", ms: 12 });
 *          // 12:00:01 info  request model=shimmy-tiny ms=12
 */
export function createLogger({ level, format, write = writeToStderr, now = Date.now }: LogOptions): Logger {
  return new Logger({ level, format, write, now }, {});
}

export class Logger {
  readonly #sink: Sink;
  readonly #bound: LogFields;

  constructor(sink: Sink, bound: LogFields) {
    this.#sink = sink;
    this.#bound = bound;
  }

  /** May be changed at run time, for this logger and all its kin. */
  get level(): LogLevel {
    return this.#sink.level;
  }
  set level(level: LogLevel) {
    this.#sink.level = level;
  }

  /** To spare the work of collecting fields nobody will see. */
  enabled(level: LogLevel): boolean {
    return NUMBERS[level] >= NUMBERS[this.#sink.level];
  }

  error(message: string, fields: LogFields = {}): void {
    this.#log("error", message, fields);
  }
  warn(message: string, fields: LogFields = {}): void {
    this.#log("warn", message, fields);
  }
  info(message: string, fields: LogFields = {}): void {
    this.#log("info", message, fields);
  }
  debug(message: string, fields: LogFields = {}): void {
    this.#log("debug", message, fields);
  }

  /** A logger that adds these fields to each line. */
  child(fields: LogFields): Logger {
    return new Logger(this.#sink, { ...this.#bound, ...fields });
  }

  #log(level: LogLevel, message: string, fields: LogFields): void {
    if (!this.enabled(level)) return;
    const time = this.#sink.now();
    const all = Object.entries({ ...this.#bound, ...fields }).filter(([, value]) => value !== undefined);
    this.#sink.write(this.#sink.format === "json" ? jsonLine(level, time, message, all) : textLine(level, time, message, all));
  }
}

type Fields = ReadonlyArray<readonly [name: string, value: LogFields[string]]>;

function jsonLine(level: LogLevel, time: number, message: string, fields: Fields): string {
  const plain = fields.map(([name, value]) => [name, value instanceof Error ? errorFields(value) : clean(name, value)]);
  return JSON.stringify({ ...Object.fromEntries(plain), level: NUMBERS[level], time, pid: process.pid, msg: message });
}

/** As pino serializes an error: its causes are part of message and stack. */
function errorFields(error: Error): Readonly<Record<"type" | "message" | "stack", string>> {
  const chain = causes(error);
  return {
    type: error.name,
    message: chain
      .map(({ message }) => message)
      .join(": ")
      .slice(0, LONGEST_VALUE),
    stack: chain
      .map(({ stack, message }) => stack ?? message)
      .join("\ncaused by: ")
      .slice(0, LONGEST_VALUE),
  };
}

function causes(error: Error): Error[] {
  const chain: Error[] = [];
  for (let next: unknown = error; next instanceof Error && !chain.includes(next); next = next.cause) chain.push(next);
  return chain;
}

/** One line, except that an error logged as one brings its stack, indented below. */
function textLine(level: LogLevel, time: number, message: string, fields: Fields): string {
  const clock = new Date(time).toTimeString().slice(0, 8);
  const pairs = fields.map(([name, value]) => ` ${name}=${word(value instanceof Error ? errorFields(value).message : clean(name, value))}`);
  const stacks =
    level === "error" ? fields.flatMap(([, value]) => (value instanceof Error ? errorFields(value).stack.split("\n") : [])) : [];
  const below = stacks.map((line) => `\n    ${escapeControls(line.trim())}`);
  return `${clock} ${level.padEnd(5)} ${escapeControls(message)}${pairs.join("")}${below.join("")}`;
}

function clean(name: string, value: Exclude<LogFields[string], Error>): Exclude<LogFields[string], Error> {
  if (PRIVATE.test(name)) return "****";
  return typeof value === "string" ? value.slice(0, LONGEST_VALUE) : value;
}

function word(value: Exclude<LogFields[string], Error>): string {
  const text = String(value).slice(0, LONGEST_VALUE);
  return text === "" || /[\s"=\p{C}]/u.test(text) ? escapeControls(JSON.stringify(text)) : text;
}

/** A line stays one line, and a terminal obeys nobody who chose a model's name. */
function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (control) => `\\u${(control.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}

let guarded = false;

function writeToStderr(line: string): void {
  if (!guarded) {
    guarded = true;
    // A reader that went away (EPIPE) must not end the server, and there is nowhere left to say so.
    process.stderr.on("error", () => undefined);
  }
  process.stderr.write(`${line}\n`);
}
