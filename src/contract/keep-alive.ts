/**
 * How long a model stays loaded after its last request, as callers and settings write it: Ollama's `keep_alive`, LM Studio's `ttl`.
 * Read by config/ and the decoders of protocols/.
 */

/** Until something else needs the room. */
export const KEEP_FOREVER = -1;

const UNITS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const PART = /(\d+(?:\.\d+)?)(ms|h|m|s)/g;
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|h|m|s))+$/;
/** `setTimeout` fires at once for more. */
const LONGEST_TIMER = 2_147_483_647;

/**
 * Numbers are seconds; texts are a number or a duration as Go writes it ("5m", "1h30m", "500ms"). Anything negative is for ever.
 * Source: docs/api.md of Ollama, `keep_alive`.
 * @returns milliseconds (at most 24 days), 0 for "unload at once", KEEP_FOREVER, or undefined for what is none of these.
 */
export function keepAliveMs(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? fromMs(value * 1000) : undefined;
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  if (/^-?\d+(?:\.\d+)?$/.test(text)) return fromMs(Number(text) * 1000);
  const negative = text.startsWith("-");
  const spelled = negative ? text.slice(1) : text;
  if (spelled.length > 64 || !WHOLE.test(spelled)) return undefined;
  if (negative) return KEEP_FOREVER;
  let ms = 0;
  for (const [, amount, unit] of spelled.matchAll(PART)) ms += Number(amount) * UNITS[unit as keyof typeof UNITS];
  return fromMs(ms);
}

function fromMs(ms: number): number {
  return ms < 0 ? KEEP_FOREVER : Math.min(Math.round(ms), LONGEST_TIMER);
}
