/**
 * Log probabilities as OpenAI's two endpoints tell them → ours. Called by answer.ts. Ids are not told there: they are −1. A token that is
 * a part of a character has its bytes beside it in chats, and is spelled "bytes:\xe2\x82" in the older endpoint.
 */
import type { TokenLogprob } from "../contract/generation.ts";
import { isFields } from "./failure.ts";

const NO_ID = -1;
const encoder = new TextEncoder();

/** `logprobs` of a choice, of either endpoint; undefined: none are there. What cannot be read is left out. */
export function logprobsOf(value: unknown): readonly TokenLogprob[] | undefined {
  if (!isFields(value)) return undefined;
  if (Array.isArray(value.content))
    return value.content.filter(isFields).map((entry) => ({ ...one(entry), top: topOf(entry.top_logprobs) }));
  const { tokens, token_logprobs: logprobs, top_logprobs: tops } = value;
  if (!Array.isArray(tokens) || !Array.isArray(logprobs)) return undefined;
  return tokens.map((token, index) => {
    const top = Array.isArray(tops) && isFields(tops[index]) ? Object.entries(tops[index]) : [];
    const alternatives = top.map(([text, logprob]) => one({ token: text, logprob }));
    return { ...one({ token, logprob: logprobs[index] }), top: alternatives };
  });
}

function topOf(list: unknown): TokenLogprob["top"] {
  return Array.isArray(list) ? list.filter(isFields).map(one) : [];
}

function one({ token, bytes, logprob }: Readonly<Record<string, unknown>>) {
  const text = typeof token === "string" ? token : "";
  const told = Array.isArray(bytes) && bytes.every((byte) => Number.isInteger(byte)) ? Uint8Array.from(bytes as number[]) : undefined;
  return { token: NO_ID, bytes: told ?? bytesOf(text), logprob: typeof logprob === "number" ? logprob : Number.NaN };
}

function bytesOf(text: string): Uint8Array {
  const spelled = /^bytes:((?:\\x[0-9a-f]{2})+)$/i.exec(text)?.[1];
  return spelled === undefined ? encoder.encode(text) : Uint8Array.from(Buffer.from(spelled.replaceAll("\\x", ""), "hex"));
}
