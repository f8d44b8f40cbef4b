/** Text into HTML: everything that a page shows passes through here. */

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char]!);
}

/** A table whose first `words` columns are text and the rest numbers. Cells are HTML already. */
export function htmlTable(head: readonly string[], rows: ReadonlyArray<readonly string[]>, words: number): string {
  const cells = (tag: "td" | "th", row: readonly string[]) =>
    row.map((cell, i) => `<${tag}${i >= words ? ' class="n"' : ""}>${cell}</${tag}>`).join("");
  const body = rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("\n");
  return `<div class="wide"><table>\n<thead><tr>${cells("th", head)}</tr></thead>\n<tbody>\n${body}\n</tbody></table></div>`;
}
