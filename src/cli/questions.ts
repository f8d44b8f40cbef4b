/** Questions in a terminal, one line each. Called by `init`; it must not know what is asked for. */
import { createInterface } from "node:readline/promises";
import { ShimmyError } from "../contract/errors.ts";

export interface Question<Name extends string> {
  readonly name: Name;
  /** The flag that says the same. */
  readonly flag: string;
  readonly text: string;
  /** Taken where nothing is typed; absent: asked again. */
  readonly usual?: string;
  /** False: it is not missed where nobody can be asked. */
  readonly needed: boolean;
  /** Throws where an answer is of no use: it is asked again. */
  readonly check?: (answer: string) => void;
}

export function canAsk(): boolean {
  return process.stdin.isTTY === true;
}

/**
 * On stderr, so that stdout stays for answers. An empty usual answer leaves it out.
 * @throws flags_needed where the input ends before the last answer
 */
export async function ask<Name extends string>(questions: ReadonlyArray<Question<Name>>): Promise<Partial<Record<Name, string>>> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answers: Partial<Record<Name, string>> = {};
  const flags = questions.filter(({ needed }) => needed).map(({ flag }) => flag);
  const ended = new Promise<never>((_, reject) => {
    terminal.once("close", () => reject(new ShimmyError("flags_needed", { flags: flags.join(", ") })));
  });
  ended.catch(() => undefined); // closed at the end too
  // readline takes the key: without this a Ctrl-C would be an end of input.
  terminal.once("SIGINT", () => process.exit(130));
  try {
    for (const question of questions) {
      const answer = await answerTo(question, (text) => Promise.race([terminal.question(text), ended]));
      if (answer !== "") answers[question.name] = answer;
    }
  } catch (error) {
    // However this Node says that the input has ended.
    throw error instanceof Error && error.name === "AbortError" ? await ended.catch((reason: unknown) => reason) : error;
  } finally {
    terminal.close();
  }
  return answers;
}

async function answerTo<Name extends string>(
  { text, usual, check }: Question<Name>,
  put: (text: string) => Promise<string>,
): Promise<string> {
  const hint = usual === undefined ? "" : ` [${usual || "leave out"}]`;
  for (;;) {
    const answer = (await put(`${text}${hint}: `)).trim() || usual || "";
    if (answer === "" && usual === undefined) continue;
    try {
      check?.(answer);
      return answer;
    } catch (error) {
      process.stderr.write(`${ShimmyError.from(error).message}\n`);
    }
  }
}
