/**
 * Where in an answer the model is: in a thought, in free text, under a grammar; what that means for the next token, and in which of its
 * text stop strings are looked for. Moved token by token by answer-source.ts. Pure: grammars are handed in as an interface.
 *
 *   opening ──open──▶ thought ──close──▶ gap ──text──▶ free ──trigger──▶ held ──▶ end, or free again
 *      │                 └──budget──▶ closing ──▶ gap └──────▶ held (no triggers: then an end in a thought closes it, as the budget does)
 *      └── anything else: as behind the gap
 */
import type { ThoughtMarks, Trigger } from "../contract/answer.ts";
import { MOST_WHITE, readOn, type Stretch, type TextPhase } from "./answer-phases.ts";
import type { StopSearch, TextPart } from "./text.ts";
import { binary, Triggers, withoutWhite } from "./triggers.ts";
import { BETWEEN_CHARACTERS, continueUtf8, type Utf8State } from "./utf8.ts";

/** A grammar in the middle of a text. */
export interface GrammarRun {
  /** Whether this token may follow, an end of generation included. */
  allows(token: number): boolean;
  /** Goes on by the token that was allowed last. */
  accept(token: number): void;
  /** Goes on by these bytes, whatever tokens they came in; false: they are refused, and it is good for nothing any more. */
  spell(bytes: Buffer): boolean;
  /** Whether the text may end here; whether it must. */
  readonly mayEnd: boolean;
  readonly complete: boolean;
  free(): void;
}

export interface AnswerRules<G extends GrammarRun> {
  readonly thought?: ThoughtMarks | undefined;
  /** The tokens of what closes a thought in the model's name. */
  readonly closing?: () => readonly number[];
  readonly constraint?: ConstraintRules<G> | undefined;
}

interface ConstraintRules<G> {
  /** A new run, from the beginning of the grammar. */
  readonly begin: () => G;
  /** Empty: it holds from the start. */
  readonly triggers: readonly Trigger[];
  readonly once: boolean;
  /** Its text is calls. */
  readonly calls: boolean;
}

/** A token as the state sees it. `ends`: an end of generation. */
export interface Written {
  readonly token: number;
  readonly bytes: Buffer;
  readonly ends: boolean;
}

type Phase =
  | TextPhase
  /** `read`: all text so far, of which the mark of a thought may come. */
  | { readonly kind: "opening"; readonly read: string }
  | { readonly kind: "closing"; readonly left: readonly number[] }
  | { readonly kind: "held" };

export class AnswerState<G extends GrammarRun> {
  readonly #rules: AnswerRules<G>;
  /** The constraint, if it holds from the start. */
  readonly #strict: ConstraintRules<G> | undefined;
  /** What holds where the answer begins; undefined: the grammar. */
  readonly #answer: TextPhase | undefined;
  readonly #open: string;
  readonly #close: string;
  #phase: Phase;
  /** Held: what the next token must go on. Opening and gap: what it may go on beside mark and white space. */
  #grammar: G | undefined;
  #utf8: Utf8State = BETWEEN_CHARACTERS;
  #tokens = 0;
  /** Tokens between the marks so far. */
  #used = 0;
  /** Tokens of the thought, those of its marks included; absent: no thought is expected. */
  thoughtTokens: number | undefined;
  /** The grammar has ended, and the answer with it. */
  ended = false;

  constructor(rules: AnswerRules<G>) {
    const { thought, constraint } = rules;
    const mayThink = thought !== undefined && thought.open !== "";
    this.#rules = rules;
    this.#strict = constraint?.triggers.length === 0 ? constraint : undefined;
    this.#answer = this.#strict ? undefined : { kind: "free", triggers: constraint && Triggers.of(constraint.triggers) };
    this.#open = binary(thought?.open ?? "");
    this.#close = binary(thought?.close ?? "");
    if (thought) this.thoughtTokens = 0;
    if (thought?.opened) this.#phase = { kind: "thought", tail: "" };
    else {
      this.#grammar = this.#strict?.begin();
      this.#phase = mayThink ? { kind: "opening", read: "" } : (this.#answer ?? { kind: "held" });
    }
    this.#closeInTime();
  }

  /** Tokens that are taken without a draw: they close a thought. */
  get forced(): readonly number[] {
    return this.#phase.kind === "closing" ? this.#phase.left : [];
  }

  /** The grammar that the next token must go on. */
  get held(): G | undefined {
    return this.#phase.kind === "held" ? this.#grammar : undefined;
  }

  /** The grammar that it may go on, beside the mark of a thought or white space. */
  get possible(): G | undefined {
    return this.#grammar;
  }

  /** Whether only what a grammar or a mark begins with may come: one holds as soon as the text begins, and no thought is open. */
  get strict(): boolean {
    return this.#strict !== undefined && this.#phase.kind !== "thought";
  }

  /** Whether a text that comes next is a part of the mark that opens a thought, or all of it. */
  opens(bytes: Buffer): boolean {
    if (this.#phase.kind !== "opening" || bytes.length === 0) return false;
    const begun = withoutWhite(this.#phase.read + bytes.toString("latin1"));
    return begun !== "" && (this.#open.startsWith(begun) || begun.startsWith(this.#open));
  }

  /** Goes on by this token. @returns the parts of its text; undefined: it must not follow, and nothing has changed. */
  take(written: Written): readonly TextPart[] | undefined {
    if (written.ends) return this.#mayEnd(written.token) ? [] : undefined;
    const before = this.#phase.kind;
    const parts = this.#move(written);
    if (parts) this.#count(before, written.bytes);
    return parts;
  }

  /**
   * The model would end its answer within a thought. Where a grammar waits behind it that ends the thought alone.
   * @returns whether the thought is closed: `forced` says how
   */
  endThought(): boolean {
    return this.#phase.kind === "thought" && this.#strict !== undefined && this.#beginClosing();
  }

  free(): void {
    this.#grammar?.free();
    this.#grammar = undefined;
  }

  #mayEnd(token: number): boolean {
    if (this.#phase.kind !== "held" && !this.#strict) return true;
    return this.#grammar?.allows(token) ?? false;
  }

  #move(written: Written): readonly TextPart[] | undefined {
    const phase = this.#phase;
    const text = written.bytes.toString("latin1");
    if (phase.kind === "opening") return this.#begin(written, phase.read, text);
    if (phase.kind === "closing") return this.#force(written, phase.left);
    if (phase.kind === "held") return this.#hold(written, text);
    // No text and yet a token: a control token that is none of the answer's.
    if (text === "") return phase.kind === "gap" && this.#strict ? undefined : [];
    return this.#read(written, phase, text, { own: 0, at: 0 });
  }

  /** The first text of an answer: the mark of a thought, or not. */
  #begin(written: Written, read: string, own: string): readonly TextPart[] | undefined {
    const text = read + own;
    const begun = withoutWhite(text);
    if (begun.startsWith(this.#open)) {
      const at = text.length - begun.length + this.#open.length;
      const parts = this.#read(written, { kind: "thought", tail: "" }, text, { own: read.length, at });
      if (parts) this.thoughtTokens = this.#tokens + 1;
      return parts;
    }
    const undecided = begun === "" ? text.length <= MOST_WHITE : this.#open.startsWith(begun);
    if (!undecided && !this.#strict) return this.#read(written, this.#answer!, text, { own: read.length, at: 0 });
    const allowed = this.#grammar?.allows(written.token) ?? false;
    if (this.#strict && !allowed && (!undecided || begun === "" || own === "")) return undefined;
    if (allowed) this.#grammar!.accept(written.token);
    else this.free();
    if (undecided) this.#phase = { kind: "opening", read: text };
    else this.#settle(this.#grammar!);
    return [{ bytes: written.bytes, search: undecided ? "later" : this.#searchHeld }];
  }

  #force({ token, bytes }: Written, left: readonly number[]): readonly TextPart[] {
    if (token !== left[0]) throw new Error(`token ${token} instead of ${left[0]}`);
    if (left.length > 1) this.#phase = { kind: "closing", left: left.slice(1) };
    else this.#stay({ kind: "gap", white: 0 });
    return [{ bytes, search: "not" }];
  }

  #hold(written: Written, text: string): readonly TextPart[] | undefined {
    const grammar = this.#grammar!;
    const { triggers, once } = this.#rules.constraint!;
    if (grammar.allows(written.token)) {
      grammar.accept(written.token);
      this.#settle(grammar);
      return [{ bytes: written.bytes, search: this.#searchHeld }];
    }
    if (this.#strict || once || text === "" || !grammar.mayEnd) return undefined;
    // The grammar could end here, so it has, and this is free text.
    return this.#read(written, { kind: "free", triggers: Triggers.of(triggers, { behind: true }) }, text, { own: 0, at: 0 });
  }

  /** Within a call of a tool a stop string ends nothing; a text that is under a grammar as a whole is one like any other. */
  get #searchHeld(): StopSearch {
    return this.#strict && !this.#strict.calls ? "now" : "not";
  }

  /** `own`: where in the text the token's own begins; what is before came earlier. `at`: from where it is read. */
  #read(written: Written, from: TextPhase, text: string, { own, at }: { own: number; at: number }): readonly TextPart[] | undefined {
    const { stretches, phase, written: spelled } = readOn(from, text, at, { close: this.#close, answer: this.#answer });
    const all: Stretch[] = [{ end: at, search: "not" }, ...stretches];
    if (phase) this.#stay(phase);
    else {
      const begins = all.at(-1)!.end;
      const grammar = this.#enter(written, Buffer.from(spelled + text.slice(begins), "latin1"), begins === own);
      if (!grammar) return undefined;
      this.#settle(grammar);
      all.push({ end: text.length, search: this.#searchHeld });
    }
    return partsOf(written.bytes, all, own);
  }

  /** No grammar holds, or it holds as soon as the gap is over. */
  #stay(phase: TextPhase): void {
    const fresh = phase.kind === "gap" && this.#phase.kind === "gap";
    this.#phase = phase;
    if (fresh) return;
    this.free();
    if (phase.kind === "gap") this.#grammar = this.#strict?.begin();
  }

  /** A grammar at its beginning, moved on by the rest of a token, or by all of it; undefined: it refuses that. */
  #enter({ token }: Written, rest: Buffer, whole: boolean): G | undefined {
    if (whole && this.#strict && this.#grammar) {
      if (!this.#grammar.allows(token)) return undefined;
      this.#grammar.accept(token);
      return this.#grammar;
    }
    const grammar = this.#rules.constraint!.begin();
    if (rest.length === 0 || grammar.spell(rest)) return grammar;
    grammar.free();
    return undefined;
  }

  /** Under this grammar, or behind its end. */
  #settle(grammar: G): void {
    if (this.#grammar !== grammar) this.free();
    this.#grammar = grammar;
    this.#phase = { kind: "held" };
    if (!grammar.complete) return;
    const { triggers, once } = this.#rules.constraint!;
    if (this.#strict || once) this.ended = true;
    else this.#stay({ kind: "free", triggers: Triggers.of(triggers, { behind: true }) });
  }

  #count(before: Phase["kind"], bytes: Buffer): void {
    this.#tokens++;
    if (before === "thought" || before === "closing") this.thoughtTokens! += 1;
    if (before === "thought") this.#used++;
    if (this.#phase.kind !== "thought") return;
    this.#utf8 = continueUtf8(this.#utf8, bytes) ?? BETWEEN_CHARACTERS;
    this.#closeInTime();
  }

  /** Not within a character. */
  #closeInTime(): void {
    const { budgetTokens = Number.POSITIVE_INFINITY } = this.#rules.thought ?? {};
    if (this.#phase.kind === "thought" && this.#used >= budgetTokens) this.#beginClosing();
  }

  #beginClosing(): boolean {
    const left = this.#utf8.missing > 0 ? [] : (this.#rules.closing?.() ?? []);
    if (left.length > 0) this.#phase = { kind: "closing", left };
    return left.length > 0;
  }
}

/** What the stretches of a text are of the token at its end. */
function partsOf(bytes: Buffer, stretches: readonly Stretch[], own: number): TextPart[] {
  const parts: TextPart[] = [];
  let from = own;
  for (const { end, search } of stretches) {
    if (end <= from) continue;
    parts.push({ bytes: bytes.subarray(from - own, end - own), search });
    from = end;
  }
  return parts;
}
