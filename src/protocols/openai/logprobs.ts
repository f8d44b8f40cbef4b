/**
 * Log probabilities in the two shapes of OpenAI: chat's list with bytes, and the four parallel lists of legacy completions.
 * Called by the encoders.
 */
import type { ChatCompletionTokenLogprob } from "openai/resources/chat/completions";
import type { CompletionChoice } from "openai/resources/completions";
import type { TokenLogprob } from "../../contract/generation.ts";

/** `ignoreBOM` keeps a byte order mark that a model writes; the decoder would swallow it. */
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** A part of a character shows as U+FFFD in `token`; `bytes` has the truth. */
export function chatLogprobs(tokens: readonly TokenLogprob[]): { content: ChatCompletionTokenLogprob[]; refusal: null } {
  const content = tokens.map((token) => ({ ...chatEntry(token), top_logprobs: token.top.map(chatEntry) }));
  return { content, refusal: null };
}

function chatEntry({ bytes, logprob }: { readonly bytes: Uint8Array; readonly logprob: number }) {
  return { token: lenient.decode(bytes), logprob: finite(logprob), bytes: Array.from(bytes) };
}

/** The legacy lists for one choice; `text_offset` counts code points from the start of its text, over all calls. */
export class LegacyLogprobs {
  private offset = 0;

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
    for (const byte of bytes) if (startsCharacter(byte)) this.offset++;
    // A token that goes on with a character stands where that character began.
    return bytes.length > 0 && !startsCharacter(bytes[0]!) ? Math.max(0, start - 1) : start;
  }
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

/** JSON has no −∞; OpenAI writes −9999 for "very unlikely". */
function finite(logprob: number): number {
  return Number.isFinite(logprob) ? logprob : -9999;
}
