/**
 * The command line of `shimmy serve` where it is written plainly, as supervisors write it: commander and the descriptions of all commands
 * would take 0.8 of the 5 MB that an idle server may use. Called by main.ts. It judges nothing: what it does not know is commander's, which
 * says what is wrong.
 */
import { flagsFor } from "../config/describe.ts";
import type { FlagValues } from "../config/load.ts";

export interface PlainServe {
  readonly flags: FlagValues;
  readonly json?: boolean;
}

/** @param words after `shimmy`. Undefined: commander has to read them. */
export function plainServe([name, ...words]: readonly string[]): PlainServe | undefined {
  if (name !== "serve") return undefined;
  const known = new Map(flagsFor("serve").map((flag) => [flag.syntax.split(" ", 1)[0], flag]));
  const flags: Record<string, string | boolean | string[]> = {};
  let json = false;
  for (let i = 0; i < words.length; i++) {
    const { flag, joined } = apart(words[i]!);
    const spec = known.get(flag);
    if (flag === "--json" && joined === undefined) json = true;
    else if (!spec) return undefined;
    else if (!spec.syntax.includes(" ")) {
      if (joined !== undefined) return undefined;
      flags[spec.key] = !spec.syntax.startsWith("--no-");
    } else {
      const value = joined ?? words[++i];
      if (value === undefined) return undefined;
      flags[spec.key] = spec.repeatable ? [...((flags[spec.key] as string[] | undefined) ?? []), value] : value;
    }
  }
  return json ? { flags, json } : { flags };
}

/** `--port=80` is `--port` and `80`. */
function apart(word: string): { flag: string; joined?: string } {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at < 0 ? { flag: word } : { flag: word.slice(0, at), joined: word.slice(at + 1) };
}
