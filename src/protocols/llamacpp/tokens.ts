/**
 * The bodies and answers of llama-server's POST /tokenize and POST /detokenize (tools/server/README.md of llama.cpp). Called by the routes
 * of server/api/native.ts with parsed JSON. It must not know which model answers.
 */
import { isUtf8 } from "node:buffer";
import * as z from "zod/mini";
import type { TokenizeOptions, VocabularyToken } from "../../contract/embedding.ts";
import { UNNAMED_MODEL } from "../openai/request.ts";
import { isTokenId, tokenId } from "../openai/schema.ts";
import { list, validate } from "../openai/validate.ts";

/** More than the context of any model. */
const MAX_TOKENS = 2 ** 20;

const model = z.nullish(z.string()).check(z.describe("Absent: the server's default model."));

export const tokenizeSchema = z.object({
  model,
  content: z.string().check(z.describe("The text.")),
  add_special: z.nullish(z.boolean()).check(z.describe("Adds what the vocabulary puts around a text, such as BOS. Default: false.")),
  parse_special: z.nullish(z.boolean()).check(z.describe("Control tokens spelled in the text become those tokens. Default: true.")),
  with_pieces: z.nullish(z.boolean()).check(z.describe("Tells the text of each token too. Default: false.")),
});

export const detokenizeSchema = z.object({ model, tokens: list(tokenId, MAX_TOKENS, isTokenId) });

/** A piece that is no whole text is told as its bytes. */
const piece = z.union([z.string(), z.array(z.int().check(z.gte(0), z.lte(255)))]);

export const tokenizeAnswer = z.object({ tokens: z.array(z.union([z.int(), z.object({ id: z.int(), piece })])) });
export const detokenizeAnswer = z.object({ content: z.string() });

export interface TokenizeCall {
  readonly model: string;
  readonly text: string;
  readonly options: TokenizeOptions;
  readonly withPieces: boolean;
}

export function decodeTokenize(body: unknown): TokenizeCall {
  const { model, content, add_special, parse_special, with_pieces } = validate(tokenizeSchema, body);
  const options = { addSpecial: add_special ?? false, parseSpecial: parse_special ?? true, ...(!with_pieces && { pieces: false }) };
  return { model: model || UNNAMED_MODEL, text: content, options, withPieces: with_pieces ?? false };
}

export function encodeTokens({ withPieces }: TokenizeCall, tokens: readonly VocabularyToken[]): z.output<typeof tokenizeAnswer> {
  return { tokens: withPieces ? tokens.map(({ id, bytes }) => ({ id, piece: pieceOf(bytes) })) : tokens.map(({ id }) => id) };
}

export function decodeDetokenize(body: unknown): { readonly model: string; readonly tokens: readonly number[] } {
  const { model, tokens } = validate(detokenizeSchema, body);
  return { model: model || UNNAMED_MODEL, tokens };
}

function pieceOf(bytes: Uint8Array): string | number[] {
  return isUtf8(bytes) ? Buffer.from(bytes).toString("utf8") : [...bytes];
}
