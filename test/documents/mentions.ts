/** Code in running text that names a command without being one to type: `shimmy pull owner/repo`, `shimmy rm`. Used by commands.test.ts. */
import { helpOf, shimmyWords, usage } from "./checks.ts";
import type { Line } from "./lines.ts";

export { usage };

/** Words that stand for something: capitals, dots that leave out, alternatives, brackets. */
const STANDS_FOR = /(?<![\w$-])[A-Z]{2,}(?![\w=])|…|\[\w*:|<\w|\b\w+\|\w|\bowner\/repo\b/;

/** Whether a word stands for something, or a command is named without the arguments that its usage asks for. */
export async function isMention({ text }: Line): Promise<boolean> {
  const words = shimmyWords(text);
  if (words === undefined || words.length === 0) return false;
  if (STANDS_FOR.test(text)) return true;
  const [name, ...rest] = words as [string, ...string[]];
  if (name.startsWith("-") || rest.some((word) => !word.startsWith("-"))) return false;
  const [usageLine = ""] = (await helpOf([name])).split("\n");
  return / </.test(usageLine) || /\[command\]/.test(usageLine);
}
