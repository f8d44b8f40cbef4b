/**
 * Keeps text that a caller wrote from becoming control tokens, through a template that knows nothing of it.
 * Before rendering, a cut mark (random digits, which survive trimming, case changes and JSON) goes into every control
 * text a caller wrote and wherever a caller's text could join its surroundings to form one:
 *
 *   hi <|im_end|>   →   hi <7204…|im_end|>   →   rendered   →   "…hi " true · "<|im_end|>" false · "…" true
 *
 * After rendering the marks are taken out, and every control text that lies across one becomes a segment of its own
 * with `parseSpecial: false`. Control texts without a mark are the template's own. Tokens are matched within one
 * segment only, so a boundary inside a control text is always enough.
 */
import type { PromptSegment } from "../contract/generation.ts";
import { randomDigits, splitAtMeant } from "./meant.ts";

/** The control texts of one vocabulary, indexed. Texts of one character are left out: no mark fits inside. */
export class ControlTexts {
  readonly #any: RegExp | undefined;
  readonly #here: RegExp | undefined;
  readonly #firstChars: ReadonlySet<number>;
  readonly #lastChars: ReadonlySet<number>;
  readonly #sorted: readonly string[];
  readonly #sortedReversed: readonly string[];
  readonly #longest: number;

  constructor(texts: Iterable<string>) {
    const all = [...new Set(texts)].filter((text) => text.length > 1);
    this.#sorted = all.toSorted(byCodeUnit);
    this.#sortedReversed = all.map(reversed).sort(byCodeUnit);
    this.#firstChars = new Set(all.map((text) => text.charCodeAt(0)));
    this.#lastChars = new Set(all.map((text) => text.charCodeAt(text.length - 1)));
    this.#longest = Math.max(0, ...all.map((text) => text.length));
    if (all.length === 0) return;
    const pattern = all
      .toSorted((a, b) => b.length - a.length || byCodeUnit(a, b))
      .map(escaped)
      .join("|");
    this.#any = new RegExp(pattern, "g");
    this.#here = new RegExp(pattern, "y");
  }

  /** Every place where a control text begins, overlapping ones too, with the longest text that begins there. */
  *occurrences(text: string): Generator<{ readonly at: number; readonly text: string }> {
    if (!this.#any) return;
    let from = 0;
    for (;;) {
      // Set anew each time: the expression is shared, and another search may run between two steps of this one.
      this.#any.lastIndex = from;
      const match = this.#any.exec(text);
      if (!match) return;
      yield { at: match.index, text: match[0] };
      from = match.index + 1;
    }
  }

  /** A control text with `position` strictly inside, that begins no earlier than `floor`. */
  across(text: string, position: number, floor: number): { readonly start: number; readonly end: number } | undefined {
    for (let start = position - 1; start >= Math.max(floor, position - this.#longest + 1); start--) {
      if (!this.#here || !this.#firstChars.has(text.charCodeAt(start))) continue;
      this.#here.lastIndex = start;
      const end = start + (this.#here.exec(text)?.[0].length ?? 0);
      if (end > position) return { start, end };
    }
    return undefined;
  }

  /** Whether a control text could lie across `position` if what is on one side of it were followed by other text. */
  canJoinAt(text: string, position: number): boolean {
    for (let start = position - 1; start > position - this.#longest && start >= 0; start--) {
      if (this.#firstChars.has(text.charCodeAt(start)) && hasPrefix(this.#sorted, text.slice(start, position))) return true;
    }
    for (let end = position + 1; end < position + this.#longest && end <= text.length; end++) {
      if (this.#lastChars.has(text.charCodeAt(end - 1)) && hasPrefix(this.#sortedReversed, reversed(text.slice(position, end))))
        return true;
    }
    return false;
  }
}

/** The marks of one rendering. */
export class Guard {
  readonly #mark = randomDigits();
  readonly #texts: ControlTexts;
  readonly #seams: RegExp | undefined;
  readonly #seamTexts: ReadonlySet<string>;

  /** @param seams strings at which the template cuts a message (`split`, `replace`): pieces around them may be joined. */
  constructor(texts: ControlTexts, seams: readonly string[] = []) {
    this.#texts = texts;
    this.#seamTexts = new Set(seams);
    this.#seams = seams.length > 0 ? new RegExp(seams.map(escaped).join("|"), "g") : undefined;
  }

  /**
   * `text` with marks. `readable`: control texts at which the template itself cuts (`</think>`) stay whole, because
   * the template must find them; for a model's own turns only. Marks that are meant stay whole in any turn.
   */
  protect(text: string, readable = false): string {
    const parts = splitAtMeant(text);
    return parts.map((part, index) => (index % 2 === 1 ? part : this.#marked(part, readable))).join("");
  }

  #marked(text: string, readable: boolean): string {
    const cuts = new Set<number>();
    for (const found of this.#texts.occurrences(text)) {
      if (!(readable && this.#seamTexts.has(found.text))) cuts.add(found.at + 1);
    }
    for (const boundary of this.#boundaries(text)) {
      if (!cuts.has(boundary) && this.#texts.canJoinAt(text, boundary)) cuts.add(boundary);
    }
    return cuts.size === 0 ? text : insertAll(text, cuts, this.#mark);
  }

  /** A copy of any JSON value with every string and key protected. */
  protectDeep(value: unknown): unknown {
    if (typeof value === "string") return this.protect(value);
    if (Array.isArray(value)) return value.map((item) => this.protectDeep(item));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.protect(key), this.protectDeep(item)]));
  }

  /** The rendered text without marks. */
  plain(rendered: string): string {
    return rendered.replaceAll(this.#mark, "");
  }

  /** The rendered text as the engine must tokenize it. */
  segments(rendered: string): PromptSegment[] {
    const pieces = rendered.split(this.#mark);
    const text = pieces.join("");
    const segments: PromptSegment[] = [];
    let done = 0;
    let position = 0;
    for (const piece of pieces.slice(0, -1)) {
      position += piece.length;
      const forged = position > done ? this.#texts.across(text, position, done) : undefined;
      if (!forged) continue;
      if (forged.start > done) segments.push({ text: text.slice(done, forged.start), parseSpecial: true });
      segments.push({ text: text.slice(forged.start, forged.end), parseSpecial: false });
      done = forged.end;
    }
    if (done < text.length) segments.push({ text: text.slice(done), parseSpecial: true });
    return segments;
  }

  /** Where the template may cut this text: its ends, and both sides of a seam, with and without the white space there. */
  #boundaries(text: string): Set<number> {
    const boundaries = new Set<number>();
    const add = (position: number) => {
      boundaries.add(position);
      boundaries.add(text.slice(0, position).trimEnd().length);
      boundaries.add(text.length - text.slice(position).trimStart().length);
    };
    add(0);
    add(text.length);
    for (const seam of this.#seams ? text.matchAll(this.#seams) : []) {
      add(seam.index);
      add(seam.index + seam[0].length);
    }
    return boundaries;
  }
}

function insertAll(text: string, positions: ReadonlySet<number>, inserted: string): string {
  let result = "";
  let from = 0;
  for (const position of [...positions].sort((a, b) => a - b)) {
    result += text.slice(from, position) + inserted;
    from = position;
  }
  return result + text.slice(from);
}

/** Whether some string of the sorted list is longer than `prefix` and begins with it. */
function hasPrefix(sorted: readonly string[], prefix: string): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= prefix) low = middle + 1;
    else high = middle;
  }
  return sorted[low]?.startsWith(prefix) ?? false;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function reversed(text: string): string {
  let result = "";
  for (let at = text.length - 1; at >= 0; at--) result += text[at];
  return result;
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
