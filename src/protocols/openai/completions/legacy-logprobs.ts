/**
 * Log probabilities as legacy completions have them: four lists, as long as the tokens. Called by the encoder. The prompt's come first,
 * where it is echoed; evaluation harnesses read them by the number of the token.
 */
import type { CompletionChoice } from "openai/resources/completions";
import type { TokenLogprob } from "../../../contract/generation.ts";
import { finite } from "../logprobs.ts";

/** `ignoreBOM` keeps a byte order mark that a model writes; the decoder would swallow it. */
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** The lists for one choice; `text_offset` counts code points from the start of its text, over all calls. */
export class LegacyLogprobs {
  private offset = 0;

  /**
   * Those of the prompt, whose first token has nothing before it: null, as OpenAI has it. `text`: the prompt as it is told. Its end is the end
   * of the last token; a vocabulary may put something in front of the first (a space, a token of its own), which begins at 0 too.
   */
  prompt(tokens: readonly TokenLogprob[], text: string): Required<CompletionChoice.Logprobs> {
    const length = [...text].length;
    const surplus = tokens.reduce((sum, { bytes }) => sum + charactersIn(bytes), 0) - length;
    const lists = this.next(tokens);
    this.offset = length;
    const nothing = (token: TokenLogprob) => Number.isNaN(token.logprob);
    return {
      ...lists,
      // OpenAI's types have no null here, its answers do.
      token_logprobs: lists.token_logprobs.map((logprob, i) => (nothing(tokens[i]!) ? null : logprob)) as number[],
      top_logprobs: lists.top_logprobs.map((top, i) => (nothing(tokens[i]!) ? null : top)) as Record<string, number>[],
      text_offset: lists.text_offset.map((offset) => Math.max(0, offset - surplus)),
    };
  }

  next(tokens: readonly TokenLogprob[]): Required<CompletionChoice.Logprobs> {
    return {
      tokens: tokens.map((token) => legacyToken(token.bytes)),
      token_logprobs: tokens.map((token) => finite(token.logprob)),
      top_logprobs: tokens.map(legacyTop),
      text_offset: tokens.map((token) => this.advance(token.bytes)),
    };
  }

  private advance(bytes: Uint8Array): number {
    const start = this.offset;
    this.offset += charactersIn(bytes);
    // A token that goes on with a character stands where that character began.
    return bytes.length > 0 && !startsCharacter(bytes[0]!) ? Math.max(0, start - 1) : start;
  }
}

/** The text of tokens; part of a character at its end or beginning becomes U+FFFD. */
export function textOf(tokens: readonly TokenLogprob[]): string {
  return lenient.decode(Uint8Array.from(tokens.flatMap(({ bytes }) => [...bytes])));
}

/** Those that begin in these bytes. */
function charactersIn(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (startsCharacter(byte)) count++;
  return count;
}

/** OpenAI lists the chosen token too, whether or not it is among the best. */
function legacyTop(token: TokenLogprob): Record<string, number> {
  return Object.fromEntries([...token.top, token].map(({ bytes, logprob }) => [legacyToken(bytes), finite(logprob)]));
}

/** There is no `bytes` in this shape, so OpenAI spells parts of a character `bytes:\xe2\x80`, which also keeps the keys apart. */
function legacyToken(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
}

/** False for the second to fourth byte of a character in UTF-8. */
function startsCharacter(byte: number): boolean {
  return (byte & 0xc0) !== 0x80;
}
