/** Numbers and tables as text, for terminal and page alike. Pure; knows no figure. */

/** Columns as wide as their widest cell; numbers to the right. */
export function table(rows: ReadonlyArray<readonly string[]>): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (text: string) => /^[\d.–-]+$/.test(text);
  return rows
    .map((row) =>
      row
        .map((cell, i) => (isNumber(cell) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "-";
  return value >= 100 || value === Math.round(value) ? value.toFixed(0) : value.toFixed(1);
}

/** For ratios and counts of a few: two places below ten. */
export function precise(value: number): string {
  return value < 10 ? value.toFixed(2) : number(value);
}
