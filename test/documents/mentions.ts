/** Code in running text that names a command without being one to type: `shimmy pull owner/repo`, `shimmy rm`. Used by commands.test.ts. */
import { helpOf, shimmyWords, usage } from "./checks.ts";
import type { Line } from "./lines.ts";

export { usage };

/** Words that stand for something: capitals, dots that leave out, alternatives, brackets. */
const STANDS_FOR = /(?<![\w$-])[A-Z]{2,}(?![\w=])|…|\[\w*:|<\w|\b\w+\|\w|\bowner\/repo\b/;

/** Whether a word stands for something, or a command is named without the arguments that its usage asks for. */
export async function isMention({ text }: Line): Promise<boolean> {
  const words = shimmyWords(text);
  if (words === undefined || words[0]?.startsWith("-")) return false;
  if (words.length === 0) return true;
  if (STANDS_FOR.test(text)) return true;
  const [name, ...rest] = words as [string, ...string[]];
  const below = name === "engine" ? rest.slice(0, 1) : [];
  if (rest.slice(below.length).some((word) => !word.startsWith("-"))) return false;
  const [usageLine = ""] = (await helpOf([name, ...below])).split("\n");
  return / </.test(usageLine) || /\[command\]/.test(usageLine);
}
