/** How the command line speaks: answers on stdout, everything else on stderr. */
import { ShimmyError } from "../contract/errors.ts";

/**
 * Names, licences and templates come from files of strangers, and a terminal obeys control characters. So all of them are shown as
 * escapes: C0 and C1 controls, and the invisible ones that turn the direction of text or hide in it. `lines` leaves line ends and tabs.
 */
export function printable(text: string, { lines = false } = {}): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    lines && /[\n\t]/.test(character) ? character : escaped(character),
  );
}

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  return code < 0x1_0000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
}

/** The escapes are those of JSON, so it stays the same value. */
export function printJson(value: unknown): void {
  const text = JSON.stringify(value, null, 2);
  const spell = (character: string) => (character === "\n" ? character : character.replace(/[\s\S]/g, escaped));
  process.stdout.write(`${text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, spell)}\n`);
}

/**
 * Ends a command whose output cannot be written. A reader that has gone (`shimmy list | head`) has what it wanted, and the exit code is what it
 * would have been; a full disk under `> rules.yaml` leaves half a file, which must not pass for a whole one.
 */
export function endUnread({ code }: NodeJS.ErrnoException): void {
  if (code === "EPIPE") process.exit();
  process.stderr.write(`error: the output cannot be written (${code})\n`);
  process.exit(1);
}

/** Columns as wide as their longest cell. Cells may hold text of anybody. */
export function printTable(given: ReadonlyArray<readonly string[]>): void {
  const rows = given.map((row) => row.map((cell) => printable(cell)));
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    process.stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd()}\n`,
    );
}

/** Told once each. @param places what `writableByAll` found */
export function warnOfWriters(places: ReadonlyArray<string | undefined>): void {
  for (const place of new Set(places))
    if (place !== undefined) process.stderr.write(`warning: everybody on this machine can write ${place}\n`);
}

/** @returns the exit code: 2 for what the user typed or configured wrongly, else 1. */
export function reportError(thrown: unknown): number {
  const error = ShimmyError.from(thrown);
  const cause = error.code === "internal" ? error.cause : undefined;
  const refused = OF_THE_MACHINE.has(String((cause as NodeJS.ErrnoException | undefined)?.code));
  const text = cause instanceof Error ? (!refused && cause.stack) || cause.message : error.message;
  const hint = refused ? "`shimmy doctor` looks for folders that cannot be used, and says what to type." : error.hint;
  process.stderr.write(`error: ${printable(text, { lines: true })}\n`);
  if (hint) process.stderr.write(`hint: ${hint}\n`);
  return USAGE.has(error.code) || isFlag(error) ? 2 : 1;
}

/** What the system refuses is no fault of ours: where it happened in the code helps nobody. */
const OF_THE_MACHINE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "ENAMETOOLONG", "EMFILE"]);

const USAGE: ReadonlySet<string> = new Set([
  "invalid_setting",
  "unknown_setting",
  "config_file",
  "insecure_bind",
  "confirmation_needed",
  "unknown_template",
  "unknown_workload",
  "flags_needed",
]);

/** A value that was typed behind a flag; over HTTP parameters have no dashes. */
function isFlag({ code, details }: ShimmyError): boolean {
  return code === "invalid_value" && String(details.param).startsWith("--");
}

/** What a model writes may hold escape sequences, which a terminal would obey: there they are left out. A pipe gets every byte. */
export function writeAnswer(text: string): void {
  process.stdout.write(process.stdout.isTTY ? withoutControls(text) : text);
}

/** The model's thought in dim letters, for people only: on stderr, and only if that is a terminal. */
export class ThoughtOnTerminal {
  #open = false;

  write(text: string): void {
    if (!process.stderr.isTTY) return;
    if (!this.#open) process.stderr.write("\u001b[2m");
    this.#open = true;
    process.stderr.write(withoutControls(text));
  }

  /** The answer begins; further calls do nothing. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    process.stderr.write("\u001b[22m\n\n");
  }
}

/** All control characters but tab and line feed. */
export function withoutControls(text: string): string {
  return text.replace(/(?![\t\n])\p{Cc}/gu, "");
}
