/** What would change in a file, for people: the hunks of a unified diff. Called by write.ts; it must not know disks. */

/** Lines around a change, as `diff -u` has them. */
const AROUND = 3;
/** The table of two texts has so many places at most; larger ones are told as replaced whole. */
const MOST_PLACES = 4_000_000;

interface Line {
  readonly sign: " " | "-" | "+";
  readonly text: string;
}

/** @returns "" where they are equal. Line ends count: a missing last one is told as `diff` tells it. */
export function unifiedDiff(path: string, before: string, after: string): string {
  if (before === after) return "";
  const lines = compare(linesOf(before), linesOf(after));
  return [`--- ${path} (as it is)`, `+++ ${path} (as it would be written)`, ...hunks(lines)].join("\n");
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  else lines[lines.length - 1] += "\n\\ No newline at end of file";
  return lines;
}

/** Equal ends are set apart first: what is left of two versions of a file is small. */
function compare(before: readonly string[], after: readonly string[]): Line[] {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < shorter - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  const same = (texts: readonly string[]) => texts.map((text): Line => ({ sign: " ", text }));
  const middle = changes(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
  return [...same(before.slice(0, head)), ...middle, ...same(before.slice(before.length - tail))];
}

/** By the longest common subsequence. */
function changes(before: readonly string[], after: readonly string[]): Line[] {
  const removed = (text: string): Line => ({ sign: "-", text });
  const added = (text: string): Line => ({ sign: "+", text });
  const width = after.length + 1;
  if ((before.length + 1) * width > MOST_PLACES) return [...before.map(removed), ...after.map(added)];
  const longest = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      longest[i * width + j] =
        before[i] === after[j]
          ? longest[(i + 1) * width + j + 1]! + 1
          : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!);
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ sign: " ", text: before[i++]! });
      j++;
    } else if (j === after.length || (i < before.length && longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!))
      lines.push(removed(before[i++]!));
    else lines.push(added(after[j++]!));
  }
  return lines;
}

function hunks(lines: readonly Line[]): string[] {
  const near = lines.map((_, at) => lines.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(({ sign }) => sign !== " "));
  const texts: string[] = [];
  let old = 1;
  let now = 1;
  for (let at = 0; at < lines.length; at++) {
    if (near[at] && !near[at - 1]) {
      const end = near.indexOf(false, at);
      texts.push(header(lines.slice(at, end < 0 ? lines.length : end), old, now));
    }
    const { sign, text } = lines[at]!;
    if (near[at]) texts.push(sign + text);
    if (sign !== "+") old++;
    if (sign !== "-") now++;
  }
  return texts;
}

/** Of an empty side `diff` tells the line before it. */
function header(hunk: readonly Line[], old: number, now: number): string {
  const removed = hunk.filter(({ sign }) => sign !== "+").length;
  const added = hunk.filter(({ sign }) => sign !== "-").length;
  const range = (start: number, count: number) => `${count === 0 ? start - 1 : start},${count}`;
  return `@@ -${range(old, removed)} +${range(now, added)} @@`;
}
