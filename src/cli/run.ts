/** `shimmy run`: an answer on the terminal, or a chat. Text alone goes to stdout, so that it can be piped. */
import { createInterface } from "node:readline";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { type ChatMessage, type ChatPrompt, nameOf, type ResolvedModel } from "../contract/generation.ts";
import { splitAdapter } from "../models/adapters.ts";
import { findByName } from "../models/resolve.ts";
import type { LocalPool } from "../pool/lazy-pool.ts";
import { ask, tellFallback } from "./ask.ts";
import { openToLoad } from "./open.ts";
import { reportError, ThoughtOnTerminal, writeAnswer } from "./output.ts";

interface Flags {
  system?: string;
  maxTokens?: number;
  /** commander's `--no-think`. */
  think?: boolean;
}

export async function run(loaded: LoadedConfig, first: string | undefined, second: string | undefined, flags: Flags): Promise<void> {
  const { pool, catalogue, aliases } = await openToLoad(loaded);
  try {
    const models = await catalogue.list();
    const table = await aliases.current();
    const named = (name: string) => findByName(name, models, table) ?? findByName(splitAdapter(name)?.base ?? name, models, table);
    const onlyPrompt = first !== undefined && second === undefined && !named(first);
    const [name, given] = onlyPrompt ? ["", first] : [first ?? "", second];
    const model = await pool.resolve(name);
    tellFallback(model);
    const prompt = given ?? (process.stdin.isTTY ? undefined : (await readStdin()).trim());
    if (prompt === undefined) await chat(pool, model, flags);
    else if (prompt === "") throw new ShimmyError("invalid_value", { param: "prompt", reason: "nothing came from stdin" });
    else await answer(pool, model, [...system(flags), { role: "user", content: prompt }], flags, new AbortController().signal);
  } finally {
    await pool.stop();
  }
}

/** Streams one answer to stdout, and its thought to a terminal behind stderr. @returns its text, as far as it came when the signal ended it. */
async function answer(
  pool: LocalPool,
  model: ResolvedModel,
  messages: readonly ChatMessage[],
  { maxTokens, think }: Flags,
  signal: AbortSignal,
): Promise<string> {
  let text = "";
  const prompt: ChatPrompt = { kind: "chat", messages, ...(think === false && { reasoning: { enabled: false } }) };
  const question = { prompt, ...(maxTokens !== undefined && { maxTokens }) };
  const thought = new ThoughtOnTerminal();
  try {
    for await (const event of ask(pool, model, question, signal)) {
      if (event.type === "reasoning") thought.write(event.text);
      if (event.type !== "text") continue;
      thought.end();
      text += event.text;
      writeAnswer(event.text);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    thought.end();
    if (text !== "") process.stdout.write("\n");
  }
  return text;
}

/** Turn by turn until end of file. Ctrl-C stops the answer; with no answer running it ends the chat. */
async function chat(pool: LocalPool, model: ResolvedModel, flags: Flags): Promise<void> {
  process.stderr.write(`${nameOf(model)}: type a message; Ctrl-C stops an answer, Ctrl-D ends.\n`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr, prompt: "> " });
  const messages: ChatMessage[] = [...system(flags)];
  const ended = new AbortController();
  let stop: AbortController | undefined;
  terminal.on("SIGINT", () => (stop ? stop.abort() : terminal.close()));
  terminal.once("close", () => ended.abort());
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim() !== "") {
      stop = new AbortController();
      const signal = AbortSignal.any([stop.signal, ended.signal]);
      messages.push(...(await turn(pool, model, messages, line, flags, signal)));
      stop = undefined;
    }
    if (!ended.signal.aborted) terminal.prompt();
  }
}

/** @returns what the history gains: what was said, and as much of the answer as was shown. A turn without an answer is forgotten. */
async function turn(
  pool: LocalPool,
  model: ResolvedModel,
  history: readonly ChatMessage[],
  content: string,
  flags: Flags,
  signal: AbortSignal,
): Promise<ChatMessage[]> {
  const asked: ChatMessage = { role: "user", content };
  try {
    const text = await answer(pool, model, [...history, asked], flags, signal);
    return text === "" ? [] : [asked, { role: "assistant", content: text }];
  } catch (error) {
    reportError(error);
    return [];
  }
}

function system({ system }: Flags): ChatMessage[] {
  return system === undefined ? [] : [{ role: "system", content: system }];
}

async function readStdin(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) text += chunk;
  return text;
}
