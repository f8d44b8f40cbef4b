/** How the command line speaks: answers on stdout, everything else on stderr. */
import { ShimmyError } from "../contract/errors.ts";

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Columns as wide as their longest cell. */
export function printTable(rows: ReadonlyArray<readonly string[]>): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    process.stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd()}\n`,
    );
}

/** @returns the exit code: 2 for what the user typed or configured wrongly, else 1. */
export function reportError(thrown: unknown): number {
  const error = ShimmyError.from(thrown);
  const cause = error.code === "internal" ? error.cause : undefined;
  process.stderr.write(`error: ${cause instanceof Error ? (cause.stack ?? cause.message) : error.message}\n`);
  if (error.hint) process.stderr.write(`hint: ${error.hint}\n`);
  return ["invalid_setting", "unknown_setting", "config_file", "insecure_bind", "confirmation_needed"].includes(error.code) ? 2 : 1;
}
