/**
 * The vocabulary as the text of one request shows it: some control tokens are part of the text (llama.cpp calls them preserved
 * tokens), by their names; all others have none. Made by answer-source.ts for each request. It must not know grammars or phases.
 */
import type { LlamaModel } from "../llama/model.ts";

export interface Marker {
  readonly token: number;
  readonly text: Buffer;
}

type Vocabulary = Pick<LlamaModel, "piece" | "controlToken" | "isEndOfGeneration" | "tokensOf" | "roughTokensOf">;

export class MarkedVocabulary {
  readonly #model: Vocabulary;
  /** By token. */
  readonly #pieces = new Map<number, Buffer>();
  /** The longest first, so that none is taken for another that begins like it. */
  readonly markers: readonly Marker[];

  /** `names` that are no control tokens of this vocabulary are text anyway, and one that ends the generation is never told. */
  constructor(model: Vocabulary, names: Iterable<string>) {
    this.#model = model;
    for (const name of names) {
      const token = name === "" ? undefined : model.controlToken(name);
      if (token !== undefined && !model.isEndOfGeneration(token)) this.#pieces.set(token, Buffer.from(name));
    }
    this.markers = [...this.#pieces].map(([token, text]) => ({ token, text })).sort((a, b) => b.text.length - a.text.length);
  }

  /** What the token adds to the text, in bytes. */
  piece(token: number): Buffer {
    const bytes = this.#model.piece(token);
    return bytes.length > 0 ? bytes : (this.#pieces.get(token) ?? bytes);
  }

  /** Markers whose text begins with this and goes on. */
  beginningWith(text: Buffer): readonly Marker[] {
    return this.markers.filter((marker) => marker.text.length > text.length && marker.text.subarray(0, text.length).equals(text));
  }

  /** All of the text as tokens, the markers in it as control tokens; in front of it and behind markers there may be a space more. */
  write(text: Buffer): number[] {
    return this.#cut(text).flatMap((part) =>
      "token" in part ? [part.token] : (nonEmpty(this.#model.tokensOf(part.text)) ?? this.#model.roughTokensOf(part.text)),
    );
  }

  /**
   * The tokens that a text begins with, of which more may follow: without the last one, to which what follows may belong, and without
   * the beginning of a marker at its end.
   */
  begin(text: Buffer): number[] {
    let end = text.length;
    for (let from = text.length - 1; from >= 0; from--) if (this.beginningWith(text.subarray(from)).length > 0) end = from;
    const parts = this.#cut(text.subarray(0, end));
    const tokens: number[] = [];
    for (const [i, part] of parts.entries()) {
      if ("token" in part) tokens.push(part.token);
      else {
        const some = this.#model.tokensOf(part.text);
        if (some.length === 0) return tokens;
        tokens.push(...(i === parts.length - 1 ? some.slice(0, -1) : some));
      }
    }
    return tokens;
  }

  #cut(text: Buffer): Array<Marker | { readonly text: Buffer }> {
    const parts: Array<Marker | { readonly text: Buffer }> = [];
    let rest = text;
    for (;;) {
      const next = this.#first(rest);
      const before = rest.subarray(0, next?.at ?? rest.length);
      if (before.length > 0) parts.push({ text: before });
      if (!next) return parts;
      parts.push(next.marker);
      rest = rest.subarray(next.at + next.marker.text.length);
    }
  }

  #first(text: Buffer): { readonly at: number; readonly marker: Marker } | undefined {
    let first: { at: number; marker: Marker } | undefined;
    for (const marker of this.markers) {
      const at = text.indexOf(marker.text);
      if (at >= 0 && (!first || at < first.at)) first = { at, marker };
    }
    return first;
  }
}

function nonEmpty(tokens: number[]): number[] | undefined {
  return tokens.length > 0 ? tokens : undefined;
}
