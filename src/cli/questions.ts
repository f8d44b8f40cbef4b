/** Questions in a terminal, one line each. Called by `init`; it must not know what is asked for. */
import { createInterface } from "node:readline/promises";

export interface Question<Name extends string> {
  readonly name: Name;
  /** The flag that says the same. */
  readonly flag: string;
  readonly text: string;
  /** Taken where nothing is typed; absent: asked again. */
  readonly usual?: string;
  /** False: it is not missed where nobody can be asked. */
  readonly needed: boolean;
}

export function canAsk(): boolean {
  return process.stdin.isTTY === true;
}

/** On stderr, so that stdout stays for answers. An empty usual answer leaves it out. */
export async function ask<Name extends string>(questions: ReadonlyArray<Question<Name>>): Promise<Partial<Record<Name, string>>> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answers: Partial<Record<Name, string>> = {};
  try {
    for (const { name, text, usual } of questions) {
      const hint = usual === undefined ? "" : ` [${usual || "leave out"}]`;
      let answer = "";
      do answer = (await terminal.question(`${text}${hint}: `)).trim() || usual || "";
      while (answer === "" && usual === undefined);
      if (answer !== "") answers[name] = answer;
    }
  } finally {
    terminal.close();
  }
  return answers;
}
