/**
 * Log probabilities as OpenAI's two endpoints tell them → ours. Called by answer.ts. Only llama-server tells ids there: others' are −1. A
 * token that is a part of a character has its bytes beside it in chats, and is spelled "bytes:\xe2\x82" in the older endpoint.
 */
import type { TokenLogprob } from "../contract/generation.ts";
import { isFields } from "./failure.ts";

const NO_ID = -1;
const encoder = new TextEncoder();

/**
 * `logprobs` of a choice, of either endpoint; undefined: none are there. What cannot be read is left out.
 * @param most alternatives a token: a server may tell more than it was asked for
 */
export function logprobsOf(value: unknown, most = Number.POSITIVE_INFINITY): readonly TokenLogprob[] | undefined {
  if (!isFields(value)) return undefined;
  if (Array.isArray(value.content))
    return value.content.filter(isFields).map((entry) => ({ ...one(entry), top: topOf(entry.top_logprobs).slice(0, most) }));
  const { tokens, token_logprobs: logprobs, top_logprobs: tops } = value;
  if (!Array.isArray(tokens) || !Array.isArray(logprobs)) return undefined;
  return tokens.map((token, index) => {
    const top = Array.isArray(tops) && isFields(tops[index]) ? Object.entries(tops[index]) : [];
    const alternatives = top.map(([text, logprob]) => one({ token: text, logprob }));
    return { ...one({ token, logprob: logprobs[index] }), top: alternatives.slice(0, most) };
  });
}

function topOf(list: unknown): TokenLogprob["top"] {
  return Array.isArray(list) ? list.filter(isFields).map(one) : [];
}

function one({ id, token, bytes, logprob }: Readonly<Record<string, unknown>>) {
  const text = typeof token === "string" ? token : "";
  const told = Array.isArray(bytes) && bytes.every((byte) => Number.isInteger(byte)) ? Uint8Array.from(bytes as number[]) : undefined;
  return {
    token: Number.isSafeInteger(id) ? (id as number) : NO_ID,
    bytes: told ?? bytesOf(text),
    logprob: typeof logprob === "number" ? logprob : Number.NaN,
  };
}

function bytesOf(text: string): Uint8Array {
  const spelled = /^bytes:((?:\\x[0-9a-f]{2})+)$/i.exec(text)?.[1];
  return spelled === undefined ? encoder.encode(text) : Uint8Array.from(Buffer.from(spelled.replaceAll("\\x", ""), "hex"));
}
