/** W3C trace context: the header `traceparent` to ids and back. Pure. Source: w3.org/TR/trace-context, sections 3.2 and 3.3. */

export interface TraceContext {
  /** 32 and 16 hexadecimal digits. */
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

const PARENT = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const LONGEST_STATE = 512;

/** @returns undefined for what is none; then a trace begins here. */
export function parseTraceparent(header: string | null): TraceContext | undefined {
  const [, version, traceId, spanId, flags, rest] = PARENT.exec(header?.trim() ?? "") ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  // Later versions may say more at the end; the first may not, and ff is none.
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/** Passed on as it came; what is too long or no text of a header is left out, which the recommendation allows. */
export function traceState(header: string | null): string | undefined {
  return header && header.length <= LONGEST_STATE && /^[\x20-\x7e]+$/.test(header) ? header : undefined;
}
