/**
 * Texts and pairs of texts to the tokens that a model makes vectors of, checked and cut. Called by questions.ts. What a user writes never
 * becomes a control token.
 */
import type { EmbeddingInput } from "../contract/embedding.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { LlamaModel } from "../llama/model.ts";
import type { Cut } from "./ipc.ts";

const PLAIN = { addSpecial: false, parseSpecial: false };
/** Texts up to here are tokenized in a few milliseconds. */
const SOON_TOKENIZED_BYTES = 64 * 1024;

export class EmbeddingTexts {
  readonly #model: LlamaModel;
  /** Most tokens of a text. */
  readonly #limit: number;
  #controlTexts: readonly string[] | undefined;

  constructor(model: LlamaModel, limit: number) {
    this.#model = model;
    this.#limit = limit;
  }

  /** @param index of the input, for errors. @throws invalid_value, context_length_exceeded */
  input(input: EmbeddingInput, index: number, cut: Cut): number[] {
    const param = `input[${index}]`;
    if ("tokens" in input) {
      if (input.tokens.length === 0) throw invalid(param, "must not be empty");
      const strange = input.tokens.find((token) => !this.#model.isToken(token));
      if (strange !== undefined) throw invalid(param, `${strange} is not a token of this model`);
      return this.#fitting([...input.tokens], cut, 0);
    }
    if (input.text === "") throw invalid(param, "must not be empty");
    const tokens = this.#model.textTokens(this.#readable(input.text, cut), { addSpecial: true, parseSpecial: false });
    if (tokens.length === 0) throw invalid(param, "it holds no tokens");
    const { eos, sep } = this.#model.marks;
    const last = tokens.at(-1);
    return this.#fitting(tokens, cut, last === eos || last === sep ? 1 : 0);
  }

  /**
   * As llama-server's format_prompt_rerank (tools/server/server-common.cpp, v0.4.0) has it: by the template "rerank" of the file, else
   * BOS query EOS SEP document EOS, of which a vocabulary has some. What is too long is cut at the end of the document.
   */
  pair(query: string, document: string, cut: Cut): number[] {
    const template = this.#model.template("rerank");
    if (template !== undefined) return this.#templated(template, this.#readable(query, {}), this.#readable(document, cut), cut);
    const [before, after] = this.#around(query);
    const text = this.#model.textTokens(this.#readable(document, cut), PLAIN);
    const most = this.#most(cut) - before.length - after.length;
    if (text.length > most && (!isCut(cut) || most < 1)) throw this.#tooLong(before.length + text.length + after.length);
    const tokens = [...before, ...text.slice(0, most), ...after];
    if (tokens.length === 0) throw invalid("documents", "it holds no tokens");
    return tokens;
  }

  #around(query: string): [before: number[], after: number[]] {
    const { bos, eos, sep } = this.#model.marks;
    const present = (...tokens: Array<number | undefined>) => tokens.filter((token) => token !== undefined);
    return [[...present(bos), ...this.#model.textTokens(this.#readable(query, {}), PLAIN), ...present(eos, sep)], present(eos)];
  }

  #templated(template: string, query: string, document: string, cut: Cut): number[] {
    for (let text = document; ; ) {
      const tokens = this.#rendered(template, { query, document: text });
      const excess = tokens.length - this.#most(cut);
      if (excess <= 0) return tokens;
      const kept = this.#model.textTokens(text, PLAIN);
      if (!isCut(cut) || kept.length <= 1) throw this.#tooLong(tokens.length);
      // Half a character at the end becomes a token more; then it goes around once more.
      text = Buffer.concat(kept.slice(0, Math.max(1, kept.length - excess)).map((token) => this.#model.spelling(token))).toString("utf8");
    }
  }

  /** As one text, so that words and the spaces before them meet; where the user's part spells a control token, each part by itself. */
  #rendered(template: string, values: { readonly query: string; readonly document: string }): number[] {
    this.#controlTexts ??= this.#model.controlTexts();
    const parts = template.split(/(\{query\}|\{document\})/).map((part) => ({
      text: part === "{query}" ? values.query : part === "{document}" ? values.document : part,
      parseSpecial: part !== "{query}" && part !== "{document}",
    }));
    const forged = parts.some(({ text, parseSpecial }) => !parseSpecial && this.#controlTexts!.some((control) => text.includes(control)));
    const pieces = forged ? parts : [{ text: parts.map(({ text }) => text).join(""), parseSpecial: true }];
    return pieces.flatMap(({ text, parseSpecial }) => this.#model.textTokens(text, { addSpecial: false, parseSpecial }));
  }

  #fitting(tokens: number[], cut: Cut, closing: number): number[] {
    const most = this.#most(cut);
    if (tokens.length <= most) return tokens;
    if (!isCut(cut)) throw this.#tooLong(tokens.length);
    return [...tokens.slice(0, most - closing), ...tokens.slice(tokens.length - closing)].slice(-most);
  }

  #most({ truncateTo = this.#limit }: Cut): number {
    return Math.min(truncateTo, this.#limit);
  }

  /**
   * Everybody waits while a text is tokenized: of one that is far too long only the beginning is read, or nothing. Vocabularies that drop
   * spaces or take whole unknown words for a token say nothing by the length of a text.
   */
  #readable(text: string, cut: Cut): string {
    const bytes = text.length <= SOON_TOKENIZED_BYTES / 4 ? 0 : Buffer.byteLength(text);
    if (bytes <= SOON_TOKENIZED_BYTES || !this.#keepsBytes) return text;
    const least = Math.ceil(bytes / this.#model.longestPiece);
    if (least <= this.#limit) return text;
    if (!isCut(cut)) throw this.#tooLong(least);
    return text.slice(0, (this.#limit + 1) * this.#model.longestPiece);
  }

  get #keepsBytes(): boolean {
    return !["bert", "t5"].includes(this.#model.metadata("tokenizer.ggml.model") ?? "");
  }

  #tooLong(tokens: number): ShimmyError {
    return new ShimmyError("context_length_exceeded", { n_prompt_tokens: tokens, n_ctx: this.#limit });
  }
}

function isCut({ truncate = false, truncateTo }: Cut): boolean {
  return truncate || truncateTo !== undefined;
}

function invalid(param: string, reason: string): ShimmyError {
  return new ShimmyError("invalid_value", { param, reason });
}
