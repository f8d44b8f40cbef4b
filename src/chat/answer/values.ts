/** Questions about values that formats without JSON ask. Pure. */
import type { Tool } from "../../contract/generation.ts";
import { Compiler } from "../../grammar/compile.ts";

/** The arguments that can only be strings: such formats print them raw. Decided as the grammar of calls decides it (call-grammar.ts). */
export function stringProperties({ function: { parameters } }: Tool): ReadonlySet<string> {
  if (parameters === undefined || parameters === null) return new Set();
  try {
    const members = new Compiler(parameters, "parameters").members();
    return new Set(members.filter(({ text }) => text).map(({ name }) => name));
  } catch {
    // A schema that promises nothing: its arguments are taken as they look.
    return new Set();
  }
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // That is the answer.
    return false;
  }
}
