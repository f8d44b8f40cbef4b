/** W3C trace context: the header `traceparent` to ids and back. Pure. Source: w3.org/TR/trace-context, sections 3.2 and 3.3. */

export interface TraceContext {
  /** 32 and 16 hexadecimal digits. */
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

const PARENT = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const LONGEST_STATE = 512;
const MOST_MEMBERS = 32;
const LONGEST_READ = 32_768;

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

const KEY = /^([a-z\d][a-z\d_\-*/]{0,255}|[a-z\d][a-z\d_\-*/]{0,240}@[a-z][a-z\d_\-*/]{0,13})$/;
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
/** Members longer than this go first where not all of it can be passed on. */
const LONG_MEMBER = 128;

/**
 * Passed on as it came, without empty members. One that cannot be read, or has more than 32 members, is dropped as a whole; of one of more
 * than 512 characters long members go first, then those at the end, which are the oldest. Section 3.3.
 */
export function traceState(header: string | null): string | undefined {
  // So long that it is no longer read: 32 members have at most 16 Ki characters, blanks aside.
  if (header === null || header.length > LONGEST_READ) return undefined;
  const members = header
    .split(",")
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((member) => member !== "");
  if (members.length === 0 || members.length > MOST_MEMBERS || !members.every(isMember)) return undefined;
  const kept = fits(members) ? members : members.filter(({ length }) => length <= LONG_MEMBER);
  while (!fits(kept)) kept.pop();
  return kept.length === 0 ? undefined : kept.join(",");
}

function isMember(member: string): boolean {
  const at = member.indexOf("=");
  return KEY.test(member.slice(0, at)) && VALUE.test(member.slice(at + 1));
}

function fits(members: readonly string[]): boolean {
  return members.join(",").length <= LONGEST_STATE;
}
