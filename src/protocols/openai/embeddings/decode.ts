/** The body of POST /v1/embeddings → an `EmbeddingCall`. Called by the server with parsed JSON. */
import type { EmbeddingCreateParams } from "openai/resources/embeddings";
import * as z from "zod/mini";
import type { EmbeddingInput, EmbeddingRequest } from "../../../contract/embedding.ts";
import { documentedAs } from "../../document.ts";
import type { DecodeContext, VectorCall } from "../../protocol.ts";
import { tokenId, tokenList, wholeRange } from "../schema.ts";
import { invalid, validate } from "../validate.ts";
import { commonRequest, MAX_INPUTS, vectorFields } from "../vectors.ts";

export interface EmbeddingCall extends VectorCall {
  readonly request: EmbeddingRequest;
  readonly format: "float" | "base64";
  /** Values that are wanted of each vector; absent: all. */
  readonly dimensions?: number;
}

const text = z.string().check(z.minLength(1));
const tokens = z.array(tokenId).check(z.minLength(1));
/** What `inputsOf` takes. */
const shownInput = z
  .union([text, tokens, z.array(z.union([text, tokens])).check(z.minLength(1), z.maxLength(MAX_INPUTS))])
  .check(z.describe("A text, its tokens, or a list of either."));

export const embeddingSchema = z.object({
  ...vectorFields,
  input: documentedAs(z.union([z.string(), z.array(z.unknown())], { error: "must be a string or an array" }), shownInput),
  encoding_format: z.nullish(z.literal(["float", "base64"])),
  /** The first so many values of each vector, made as long as 1 again: for models that were trained to be cut so (Matryoshka). */
  dimensions: wholeRange(1, 2 ** 20),
  /** How the vectors of the tokens become one; absent: as the model's file says. */
  pooling: z.nullish(z.literal(["mean", "cls", "last"])),
});

/** Everything OpenAI's own client may send is accepted. */
type Accepted<Body extends z.input<typeof embeddingSchema>> = Body;
export type EmbeddingBody = Accepted<EmbeddingCreateParams>;

export function decodeEmbedding(body: unknown, context: DecodeContext): EmbeddingCall {
  const fields = validate(embeddingSchema, body);
  const { pooling, dimensions } = fields;
  const inputs = inputsOf(fields.input);
  return {
    request: { ...commonRequest(fields, context), inputs, ...(pooling && { pooling }) },
    format: fields.encoding_format ?? "float",
    ...(typeof dimensions === "number" && { dimensions }),
  };
}

function inputsOf(input: string | readonly unknown[]): EmbeddingInput[] {
  if (typeof input === "string") return [textInput(input, "input")];
  if (input.length === 0) throw invalid("input", "must not be empty");
  if (typeof input[0] === "number") return [tokenInput(input, "input")];
  if (input.length > MAX_INPUTS) throw invalid("input", `must have at most ${MAX_INPUTS} items`);
  // One by one, so that the first wrong item ends the work.
  return input.map((item, index) => {
    const at = `input[${index}]`;
    if (typeof item === "string") return textInput(item, at);
    if (Array.isArray(item)) return tokenInput(item, at);
    throw invalid(at, "must be a string or an array of token ids");
  });
}

function textInput(text: string, at: string): EmbeddingInput {
  if (text === "") throw invalid(at, "must not be an empty string");
  return { text };
}

function tokenInput(items: readonly unknown[], at: string): EmbeddingInput {
  if (items.length === 0) throw invalid(at, "must not be empty");
  return { tokens: tokenList(items, at) };
}
