/**
 * The vocabulary as a forest: a token's parent is the longest other token that it begins with. A grammar that refuses a token
 * refuses everything below it, so where a grammar leaves little choice the allowed tokens are found by asking about some
 * hundred instead of all. Built once a model, in pieces between two steps, since 49 k tokens take 45 ms. Used by grammar-text.ts.
 */
export interface Vocabulary {
  readonly vocabSize: number;
  /** Bytes as a binary string; "" for a token without text, which is left out. */
  binaryPiece(token: number): string;
}

/** Tokens looked at in one go: about 3 ms. */
const PORTION = 4096;

export class TokenForest {
  readonly #vocabulary: Vocabulary;
  #pieces: string[] = [];
  #ids = new Map<string, number>();
  #placed = 0;
  readonly #roots: number[] = [];
  readonly #children = new Map<number, number[]>();

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /** Whether it can be used. */
  get grown(): boolean {
    return this.#placed > 0 && this.#placed === this.#vocabulary.vocabSize;
  }

  /** Does a portion of the work that is left, if any. @returns whether nothing was left. */
  grow(): boolean {
    const { vocabSize } = this.#vocabulary;
    if (this.#pieces.length < vocabSize && this.#placed === 0) this.#read(Math.min(vocabSize, this.#pieces.length + PORTION));
    else if (this.#placed < vocabSize) this.#place(Math.min(vocabSize, this.#placed + PORTION));
    else return true;
    return false;
  }

  get roots(): readonly number[] {
    return this.#roots;
  }

  /** All tokens that `filter` lets pass; it is called for each depth, with the tokens whose parents have passed. */
  select(filter: (tokens: readonly number[]) => readonly number[], passedRoots: readonly number[]): number[] {
    const selected: number[] = [];
    for (let passed = passedRoots; passed.length > 0; ) {
      const next: number[] = [];
      for (const token of passed) {
        selected.push(token);
        for (const child of this.#children.get(token) ?? []) next.push(child);
      }
      passed = filter(next);
    }
    return selected;
  }

  #read(until: number): void {
    for (let token = this.#pieces.length; token < until; token++) {
      const piece = this.#vocabulary.binaryPiece(token);
      this.#pieces.push(piece);
      if (!this.#ids.has(piece)) this.#ids.set(piece, token);
    }
  }

  #place(until: number): void {
    for (; this.#placed < until; this.#placed++) {
      const piece = this.#pieces[this.#placed]!;
      if (piece !== "") this.#add(this.#placed, this.#parentOf(this.#placed, piece));
    }
    if (until < this.#vocabulary.vocabSize) return;
    this.#pieces = []; // megabytes that are not needed any more
    this.#ids = new Map();
  }

  #add(token: number, parent: number | undefined): void {
    const siblings = parent === undefined ? this.#roots : this.#children.get(parent);
    if (siblings) siblings.push(token);
    else this.#children.set(parent!, [token]);
  }

  /** Of two tokens with the same text the second one hangs below the first. */
  #parentOf(token: number, piece: string): number | undefined {
    const first = this.#ids.get(piece)!;
    if (first !== token) return first;
    for (let length = piece.length - 1; length > 0; length--) {
      const parent = this.#ids.get(piece.slice(0, length));
      if (parent !== undefined) return parent;
    }
    return undefined;
  }
}
