/**
 * What is asked of a model beside generation: vectors, scores, tokens of a text and back. Called by main.ts with each `ask`; answers with
 * one `answer`. Made for encoders instead of a loop, for others beside it.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { LlamaModel } from "../llama/model.ts";
import { Embedder, type EmbedderOptions, type EmbedPooling } from "./embedder.ts";
import { EmbeddingTexts } from "./embedding-texts.ts";
import type { Answer, AskMessage, FromEngine, Question } from "./ipc.ts";

/** How long texts are tokenized before everything else has a turn. */
const TURN_MS = 8;

type Vectors = Extract<Question, { kind: "embed" | "score" }>;

export class Questions {
  readonly #model: LlamaModel;
  readonly #embedder: Embedder;
  readonly #texts: EmbeddingTexts;
  readonly #send: (message: FromEngine) => void;
  /** Those that are being tokenized. */
  readonly #reading = new Set<number>();

  constructor(model: LlamaModel, options: EmbedderOptions, send: (message: FromEngine) => void) {
    this.#model = model;
    this.#send = send;
    this.#embedder = new Embedder(model, options, (bytes) => send({ type: "embedding", bytes }));
    this.#texts = new EmbeddingTexts(model, this.#embedder.limit);
    if (!options.generates) this.#embedder.prepare();
  }

  /** Most tokens of a text. */
  get limit(): number {
    return this.#embedder.limit;
  }

  ask({ id, question }: AskMessage & { readonly question: Question }): void {
    void this.#answer(id, question).catch((error: unknown) => this.#settle(id, ShimmyError.from(error)));
  }

  abort(id: number): void {
    this.#reading.delete(id);
    this.#embedder.abort(id);
  }

  /** Before the model is freed. */
  free(): void {
    this.#embedder.free();
  }

  async #answer(id: number, question: Question): Promise<void> {
    if (question.kind === "tokenize") this.#settle(id, this.#tokens(question));
    else if (question.kind === "detokenize") this.#settle(id, { kind: "text", text: this.#textOf(question.tokens) });
    else await this.#embed(id, question);
  }

  async #embed(id: number, question: Vectors): Promise<void> {
    const pooling = this.#poolingFor(question);
    const since = performance.now();
    const inputs = await this.#read(id, question);
    if (!inputs) return;
    const settle = (result: Answer | ShimmyError) => this.#settle(id, result);
    if (inputs.length === 0) return settle({ kind: "vectors", width: 0, values: new Float32Array(), tokens: [] });
    const { priority = 0 } = question;
    this.#embedder.add({ id, inputs, pooling, priority, since, begun: 0, vectors: [], done: 0, settle });
  }

  #poolingFor(question: Vectors): EmbedPooling {
    const own = this.#embedder.pooling;
    if ((question.kind === "score") !== (own === "rank")) throw new Error(`${question.kind} of a model that pools by ${own}`);
    return question.kind === "score" ? own : (question.pooling ?? own);
  }

  /** Undefined: aborted. */
  async #read(id: number, question: Vectors): Promise<number[][] | undefined> {
    const inputs: number[][] = [];
    this.#reading.add(id);
    try {
      const count = question.kind === "embed" ? question.inputs.length : question.pairs.length;
      for (let turnAt = performance.now(); inputs.length < count; ) {
        inputs.push(this.#tokensOf(question, inputs.length));
        if (performance.now() - turnAt < TURN_MS) continue;
        await new Promise((resolve) => setImmediate(resolve));
        if (!this.#reading.has(id)) return undefined;
        turnAt = performance.now();
      }
      return inputs;
    } finally {
      this.#reading.delete(id);
    }
  }

  #tokensOf(question: Vectors, index: number): number[] {
    if (question.kind === "embed") return this.#texts.input(question.inputs[index]!, index, question);
    const { query, document } = question.pairs[index]!;
    return this.#texts.pair(query, document, question);
  }

  #tokens({ text, options }: Extract<Question, { kind: "tokenize" }>): Answer {
    const ids = Int32Array.from(this.#model.textTokens(text, options));
    const spelled = Array.from(ids, (token) => this.#model.spelling(token));
    return { kind: "tokens", ids, lengths: Int32Array.from(spelled, ({ length }) => length), bytes: Buffer.concat(spelled) };
  }

  #textOf(tokens: readonly number[]): string {
    const strange = tokens.find((token) => !this.#model.isToken(token));
    if (strange !== undefined)
      throw new ShimmyError("invalid_value", { param: "tokens", reason: `${strange} is not a token of this model` });
    return Buffer.concat(tokens.map((token) => this.#model.spelling(token))).toString("utf8");
  }

  #settle(id: number, result: Answer | ShimmyError): void {
    if (result instanceof ShimmyError) {
      const { code, details } = result;
      this.#send({ type: "answer", id, error: { code, details } });
    } else this.#send({ type: "answer", id, answer: result });
  }
}
