/**
 * What an embedding context computes at once: inputs of several jobs, each a sequence, in batches of what a `decode` takes. Called by
 * embedder.ts. It must not know threads, memory or messages.
 */
import type { EmbeddingContext } from "../llama/embedding-context.ts";
import type { EmbedJob, EmbedPooling } from "./embedder.ts";

interface Part {
  readonly job: EmbedJob;
  readonly index: number;
  readonly tokens: readonly number[];
  /** How many are computed. */
  computed: number;
  /** Of the vectors of its tokens so far. */
  sum?: Float32Array;
}

export class Wave {
  readonly jobs: ReadonlySet<EmbedJob>;
  readonly #context: EmbeddingContext;
  readonly #pooling: EmbedPooling | undefined;
  readonly #parts: readonly Part[];
  #finished = 0;

  /** `pooling`: how the vectors of tokens become one; absent: libllama does it. */
  constructor(context: EmbeddingContext, parts: readonly Part[], pooling: EmbedPooling | undefined) {
    this.#context = context;
    this.#parts = parts;
    this.#pooling = pooling;
    this.jobs = new Set(parts.map(({ job }) => job));
  }

  get unfinished(): boolean {
    return this.#finished < this.#parts.length;
  }

  /** Computes one batch of at most so many tokens. @returns how many they were. */
  step(most: number): number {
    const taken: Array<{ part: Part; sequence: number; from: number; row: number }> = [];
    let rows = 0;
    for (const [sequence, part] of this.#parts.entries()) {
      const from = part.computed;
      const row = rows;
      for (; part.computed < part.tokens.length && rows < most; part.computed++, rows++)
        this.#context.add(part.tokens[part.computed]!, part.computed, sequence);
      if (part.computed > from) taken.push({ part, sequence, from, row });
    }
    this.#context.decode();
    const vectors = this.#pooling && this.#context.rows(rows);
    for (const { part, sequence, from, row } of taken) {
      if (vectors) pool(part, this.#pooling!, { vectors, width: vectors.length / rows, from, row });
      if (part.computed < part.tokens.length) continue;
      this.#finished++;
      this.#deliver(part, vectors ? part.sum! : this.#context.pooled(sequence));
    }
    return rows;
  }

  #deliver({ job, index }: Part, vector: Float32Array): void {
    job.vectors[index] = job.pooling === "rank" ? vector : normalised(vector);
    job.done++;
  }
}

/** As many waiting inputs as fit, an input of each job in turn, so that small requests do not wait for large ones. */
export function waveOf(jobs: readonly EmbedJob[], context: EmbeddingContext, pooling: EmbedPooling | undefined): Wave {
  const parts: Part[] = [];
  let cells = 0;
  for (let before = -1; before < parts.length && parts.length < context.sequences; ) {
    before = parts.length;
    for (const job of jobs) {
      const tokens = job.inputs[job.begun];
      if (!tokens || parts.length === context.sequences || cells + tokens.length > context.cells) continue;
      parts.push({ job, index: job.begun++, tokens, computed: 0 });
      cells += tokens.length;
    }
  }
  return new Wave(context, parts, pooling);
}

interface Rows {
  readonly vectors: Float32Array;
  readonly width: number;
  /** The first token of the part that was computed now, and the row of its vector. */
  readonly from: number;
  readonly row: number;
}

/** "mean" as a sum: it is made as long as 1 in the end. */
function pool(part: Part, pooling: EmbedPooling, { vectors, width, from, row }: Rows): void {
  const vectorOf = (token: number) => vectors.subarray((row + token - from) * width, (row + token - from + 1) * width);
  if (pooling === "cls") part.sum ??= vectorOf(0).slice();
  else if (pooling === "last") {
    if (part.computed === part.tokens.length) part.sum = vectorOf(part.computed - 1).slice();
  } else {
    part.sum ??= new Float32Array(width);
    const { sum } = part;
    for (let token = from; token < part.computed; token++) {
      const vector = vectorOf(token);
      for (let i = 0; i < width; i++) sum[i]! += vector[i]!;
    }
  }
}

/** Of length 1 (Euclid). One of zeros, or of what is no number, stays as it is. */
function normalised(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  return length > 0 && Number.isFinite(length) ? vector.map((value) => value / length) : vector;
}
