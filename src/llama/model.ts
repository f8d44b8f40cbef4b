/**
 * A loaded model and its vocabulary. Called by the engine; it must not know sequences, requests or templates.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { PromptSegment } from "../contract/generation.ts";
import type { Placement } from "../contract/hardware.ts";
import { type Library, library, type ModelPointer, type VocabPointer } from "./library.ts";
import { nativePlacement } from "./placement.ts";
import { watchProgress } from "./progress.ts";
import { withDefaults } from "./structs.ts";

/** Bits of `llama_token_attr` in llama.h. */
const ATTRIBUTE_UNKNOWN = 1 << 0;
const ATTRIBUTE_CONTROL = 1 << 3;

/** Tokens for filling in the middle; absent: the vocabulary has none. */
export interface InfillTokens {
  readonly prefix?: number;
  readonly suffix?: number;
  readonly middle?: number;
  /** Before the name of a repository. */
  readonly repository?: number;
  /** Before the name of a file. */
  readonly separator?: number;
}

export interface LoadOptions {
  /** Absent: as libllama likes it, which is the processor where there is no GPU. */
  readonly placement?: Placement;
  /** Told some hundred times while the weights are read: 0 to 1. It must not throw. */
  readonly onProgress?: (fraction: number) => void;
}

export interface TextMarks {
  readonly bos?: number;
  readonly eos?: number;
  readonly sep?: number;
}

export class LlamaModel {
  readonly vocab: VocabPointer;
  readonly vocabSize: number;
  readonly contextTrain: number;
  readonly #lib: Library;
  readonly #pieces = new Map<number, Buffer>();
  #ends: readonly number[] | undefined;
  #tokens = new Int32Array(4096);
  #piece = Buffer.alloc(256);
  #longestPiece = 0;

  private constructor(
    lib: Library,
    readonly pointer: ModelPointer,
  ) {
    this.#lib = lib;
    this.vocab = lib.modelVocab(pointer);
    this.vocabSize = lib.vocabSize(this.vocab);
    this.contextTrain = lib.modelContextTrain(pointer);
  }

  /** @throws model_load_failed; a file that libllama asserts on ends the process, so headers are checked before. */
  static load(path: string, model: string, options: LoadOptions = {}): LlamaModel {
    const lib = library();
    const placed = options.placement && nativePlacement(lib, options.placement);
    const watcher = options.onProgress && watchProgress(options.onProgress);
    const params = withDefaults(lib.modelDefaultParams(), {
      ...placed?.params,
      ...(watcher && { progress_callback: watcher.pointer }),
    });
    const pointer = lib.modelLoad(path, params);
    watcher?.end();
    placed?.free();
    if (!pointer) throw new ShimmyError("model_load_failed", { model, reason: "libllama refused the file" });
    return new LlamaModel(lib, pointer);
  }

  free(): void {
    this.#lib.modelFree(this.pointer);
  }

  /** Encoder-only models crash `llama_decode` and `llama_encode`, so the engine asks before it makes a context. */
  get generative(): boolean {
    return this.#lib.modelHasDecoder(this.pointer) && !this.#lib.modelHasEncoder(this.pointer);
  }

  /** Width of an attention head, about: some architectures set it apart. */
  get headSize(): number {
    return this.#lib.modelEmbedding(this.pointer) / Math.max(1, this.#lib.modelHeads(this.pointer));
  }

  /** Whether a sequence can lose its end and keep its beginning; the state of recurrent layers has no positions to go back to. */
  get canCut(): boolean {
    return !this.#lib.modelIsRecurrent(this.pointer) && !this.#lib.modelIsHybrid(this.pointer);
  }

  isEndOfGeneration(token: number): boolean {
    return this.#lib.vocabIsEog(this.vocab, token);
  }

  isToken(token: number): boolean {
    return Number.isInteger(token) && token >= 0 && token < this.vocabSize;
  }

  /** The text of the token as a template writes it (control tokens too); "" when the vocabulary has no such token. */
  get bosText(): string {
    return this.#textOf(this.#lib.vocabBos(this.vocab));
  }

  get eosText(): string {
    return this.#textOf(this.#lib.vocabEos(this.vocab));
  }

  /** What the vocabulary has for filling in the middle; it is found by metadata or by well-known names. */
  get infillTokens(): InfillTokens {
    const lib = this.#lib;
    const found = {
      prefix: lib.vocabFimPrefix(this.vocab),
      suffix: lib.vocabFimSuffix(this.vocab),
      middle: lib.vocabFimMiddle(this.vocab),
      repository: lib.vocabFimRepository(this.vocab),
      separator: lib.vocabFimSeparator(this.vocab),
    };
    return Object.fromEntries(Object.entries(found).filter(([, token]) => this.isToken(token)));
  }

  /** The token that the vocabulary puts in front of a text, if it does. */
  get addedBos(): number | undefined {
    const bos = this.#lib.vocabBos(this.vocab);
    return this.#lib.vocabAddBos(this.vocab) && bos >= 0 ? bos : undefined;
  }

  /** Ids of a piece of a prompt: nothing is put in front, and no text is a control token. */
  plainTokens(text: string): number[] {
    return [...this.#tokenizeOne(text, false)];
  }

  /** Texts that are control tokens when parsed: what the text of a user must not be able to spell. */
  controlTexts(): string[] {
    const texts: string[] = [];
    for (let token = 0; token < this.vocabSize; token++) {
      if (this.#lib.vocabAttributes(this.vocab, token) & (ATTRIBUTE_CONTROL | ATTRIBUTE_UNKNOWN)) texts.push(this.#textOf(token));
    }
    return texts.filter((text) => text !== "");
  }

  /**
   * Token ids of a prompt. The vocabulary's BOS is put in front unless the text already begins with it (T32); an EOS that
   * a vocabulary adds is for encoders, so it is left out. Lone surrogates become U+FFFD; NUL bytes are text.
   */
  tokenize(segments: readonly PromptSegment[]): number[] {
    const tokens: number[] = [];
    for (const { text, parseSpecial } of segments) for (const token of this.#tokenizeOne(text, parseSpecial)) tokens.push(token);
    const bos = this.addedBos;
    if (bos !== undefined && tokens[0] !== bos) tokens.unshift(bos);
    return tokens;
  }

  /** Token ids of a text. `addSpecial`: with all that the vocabulary puts around a text. */
  textTokens(text: string, { addSpecial, parseSpecial }: { readonly addSpecial: boolean; readonly parseSpecial: boolean }): number[] {
    return [...this.#tokenizeBytes(Buffer.from(text, "utf8"), parseSpecial, addSpecial)];
  }

  /** What the vocabulary puts around texts: before, between two, and behind; undefined where it does not. */
  get marks(): TextMarks {
    const { vocabBos, vocabEos, vocabSep, vocabAddBos, vocabAddEos, vocabAddSep } = this.#lib;
    const [bos, eos, sep] = [vocabBos(this.vocab), vocabEos(this.vocab), vocabSep(this.vocab)];
    const end = eos >= 0 ? eos : sep;
    return {
      ...(vocabAddBos(this.vocab) && bos >= 0 && { bos }),
      ...(vocabAddEos(this.vocab) && end >= 0 && { eos: end }),
      ...(vocabAddSep(this.vocab) && sep >= 0 && { sep }),
    };
  }

  /** Values in the output's vector of a token. */
  get vectorWidth(): number {
    return this.#lib.modelVectorWidth(this.pointer);
  }

  /** Attention heads of a layer. */
  get heads(): number {
    return this.#lib.modelHeads(this.pointer);
  }

  /** A value of the file's metadata that is no array, as text. */
  metadata(key: string): string | undefined {
    const out = Buffer.alloc(256);
    const bytes = this.#lib.modelMetaText(this.pointer, key, out, out.length);
    return bytes < 0 || bytes >= out.length ? undefined : out.toString("utf8", 0, bytes);
  }

  /** One of the file's templates, by its name. */
  template(name: string): string | undefined {
    return this.#lib.modelTemplate(this.pointer, name) ?? undefined;
  }

  /** Bytes of the longest token: a text has at least its bytes divided by this as tokens. Found once, in some 20 ms. */
  get longestPiece(): number {
    if (this.#longestPiece === 0)
      for (let token = 0; token < this.vocabSize; token++)
        this.#longestPiece = Math.max(this.#longestPiece, this.#pieceBytes(token, true).length);
    return this.#longestPiece;
  }

  /** Tokens whose pieces are exactly this text; none where the tokenizer would change it. Control tokens are not parsed. */
  tokensOf(text: Buffer): number[] {
    const tokens = this.roughTokensOf(text);
    const spells = (some: readonly number[]) => Buffer.concat(some.map((token) => this.piece(token))).equals(text);
    if (spells(tokens)) return tokens;
    const behind = tokens.slice(1); // SentencePiece puts a space in front, sometimes as a token of its own
    return spells(behind) ? behind : [];
  }

  /** The same as the tokenizer has it: there may be a space in front. */
  roughTokensOf(text: Buffer): number[] {
    return text.length === 0 ? [] : [...this.#tokenizeBytes(text, false)];
  }

  /** The control token that has this text as its name; undefined: it is text, or there is none. */
  controlToken(name: string): number | undefined {
    const [token, more] = this.#tokenizeOne(name, true);
    if (token === undefined || more !== undefined || this.piece(token).length > 0) return undefined;
    return this.#textOf(token) === name ? token : undefined;
  }

  /** Bytes of a token, which may be part of a character; control tokens have none. Cached: a call costs 0.4 µs, a view less. */
  piece(token: number): Buffer {
    let bytes = this.#pieces.get(token);
    if (!bytes) {
      bytes = this.#pieceBytes(token, false);
      this.#pieces.set(token, bytes);
    }
    return bytes;
  }

  /** As `piece`, but of a control token its name: what a prompt is spelled as. Not cached. */
  spelling(token: number): Buffer {
    return this.#pieceBytes(token, true);
  }

  /** A token that ends an answer; undefined when the vocabulary has none. */
  get endOfGeneration(): number | undefined {
    const eos = this.#lib.vocabEos(this.vocab);
    if (eos >= 0 && this.isEndOfGeneration(eos)) return eos;
    for (let token = 0; token < this.vocabSize; token++) if (this.isEndOfGeneration(token)) return token;
    return undefined;
  }

  /** All of them. Looked for once: a large vocabulary takes 50 ms. */
  get endsOfGeneration(): readonly number[] {
    this.#ends ??= Array.from({ length: this.vocabSize }, (_, token) => token).filter((token) => this.isEndOfGeneration(token));
    return this.#ends;
  }

  /** The bytes of a token as a binary string; not cached, for those who look at all of them. */
  binaryPiece(token: number): string {
    return this.#pieceBytes(token, false).toString("latin1");
  }

  #tokenizeOne(text: string, parseSpecial: boolean): Int32Array {
    return this.#tokenizeBytes(Buffer.from(text, "utf8"), parseSpecial);
  }

  #tokenizeBytes(bytes: Buffer, parseSpecial: boolean, addSpecial = false): Int32Array {
    // A token is at least a byte; a prefix space may be added.
    if (this.#tokens.length < bytes.length + 8) this.#tokens = new Int32Array(bytes.length + 8);
    const tokenize = () => this.#lib.tokenize(this.vocab, bytes, bytes.length, this.#tokens, this.#tokens.length, addSpecial, parseSpecial);
    let n = tokenize();
    if (n < 0) {
      // Tokenizers that take characters apart (WordPiece) may make more of a text than it has bytes.
      this.#tokens = new Int32Array(-n);
      n = tokenize();
    }
    if (n < 0) throw new Error(`llama_tokenize wants ${-n} places for ${bytes.length} bytes`);
    return this.#tokens.subarray(0, n);
  }

  #textOf(token: number): string {
    return token < 0 ? "" : this.#pieceBytes(token, true).toString("utf8");
  }

  #pieceBytes(token: number, special: boolean): Buffer {
    let n = this.#lib.tokenToPiece(this.vocab, token, this.#piece, this.#piece.length, 0, special);
    if (n < 0) {
      this.#piece = Buffer.alloc(-n);
      n = this.#lib.tokenToPiece(this.vocab, token, this.#piece, this.#piece.length, 0, special);
    }
    return Buffer.from(this.#piece.subarray(0, n));
  }
}
