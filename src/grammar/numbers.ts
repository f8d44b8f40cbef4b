/**
 * Numbers between bounds, digit by digit. Integers have at most 15 digits, so that every one of them is exact in JavaScript and
 * most other languages; numbers with a fraction are compared as they are written, without an exponent. Called by compile.ts. Pure.
 */
import { choice, EMPTY, type Expression, NEVER, optional, type Range, repeat, sequence, set, text } from "./expression.ts";

const DIGITS = 15;
/** Most digits with which JavaScript writes a whole number without an exponent. */
const WHOLE = 21;
/** Most decimals with which JavaScript writes a number without an exponent: 0.000001 and 17 digits that count. */
const DECIMALS = 25;
/** The largest number written without an exponent. */
export const LARGEST = 10 ** DIGITS - 1;
/** Whole parts up to here leave room for eight digits behind the point. */
const SHORT = 10 ** 7 - 1;

export interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

const digit = (from: number, to: number): Expression => (from > to ? NEVER : set([[0x30 + from, 0x30 + to]]));
const ANY_DIGIT = digit(0, 9);
const anyDigits = (min: number, max: number) => repeat(ANY_DIGIT, min, max);
const NONZERO = digit(1, 9);

/** All numbers, with exponents that stay within what a double can hold. */
export function anyNumber(): Expression {
  const sign = set([
    [0x2b, 0x2b],
    [0x2d, 0x2d],
  ]);
  const e: readonly Range[] = [
    [0x45, 0x45],
    [0x65, 0x65],
  ];
  const exponent = sequence(set(e), optional(sign), anyDigits(1, 2));
  return sequence(optional(text("-")), wholePart(WHOLE), optional(fractionOf(DECIMALS)), optional(exponent));
}

function wholePart(digits = DIGITS): Expression {
  return choice(text("0"), sequence(NONZERO, anyDigits(0, digits - 1)));
}

function fractionOf(most: number): Expression {
  return sequence(text("."), anyDigits(1, most));
}

/** Multiples of 10^power, without bounds; a negative power is a number of decimals. */
export function multiplesOfTen(power: number, integer: boolean): Expression {
  const sign = optional(text("-"));
  if (power < 0 && !integer) return sequence(sign, wholePart(), optional(fractionOf(-power)));
  const zeros = "0".repeat(Math.max(0, power));
  return sequence(sign, choice(text("0"), sequence(NONZERO, anyDigits(0, DIGITS - 1 - zeros.length), text(zeros))));
}

/** Integers from `low` to `high`, both whole and within ±`LARGEST`. */
export function integersBetween(low: number, high: number): Expression {
  if (low > high) return NEVER;
  if (high < 0) return sequence(text("-"), naturalsBetween(-high, -low));
  if (low < 0) return choice(sequence(text("-"), naturalsBetween(1, -low)), naturalsBetween(0, high));
  return naturalsBetween(low, high);
}

function naturalsBetween(low: number, high: number): Expression {
  const items: Expression[] = [];
  for (let digits = String(low).length; digits <= String(high).length; digits++) {
    const from = Math.max(low, digits === 1 ? 0 : 10 ** (digits - 1));
    items.push(sameLength(String(from), String(Math.min(high, 10 ** digits - 1))));
  }
  return choice(...items);
}

/** Digit strings of one length, from the one to the other. */
function sameLength(low: string, high: string): Expression {
  if (low === "") return EMPTY;
  const [first, last] = [Number(low[0]), Number(high[0])];
  const rest = low.length - 1;
  if (first === last) return sequence(text(low[0]!), sameLength(low.slice(1), high.slice(1)));
  const lowIsRound = /^0*$/.test(low.slice(1));
  const highIsRound = /^9*$/.test(high.slice(1));
  return choice(
    lowIsRound ? NEVER : sequence(text(low[0]!), sameLength(low.slice(1), "9".repeat(rest))),
    sequence(digit(lowIsRound ? first : first + 1, highIsRound ? last : last - 1), anyDigits(rest, rest)),
    highIsRound ? NEVER : sequence(text(high[0]!), sameLength("0".repeat(rest), high.slice(1))),
  );
}

/** Decimal numbers between bounds; an absent bound is the largest number that is written out. */
export function numbersBetween(low: Bound | undefined, high: Bound | undefined): Expression {
  const from = low ?? { value: -LARGEST, exclusive: false };
  const to = high ?? { value: LARGEST, exclusive: false };
  const negative = from.value < 0 ? magnitudes(mirrored(to.value < 0 ? to : { value: 0, exclusive: true }), mirrored(from)) : NEVER;
  const positive = to.value >= 0 ? magnitudes(from.value >= 0 ? from : { value: 0, exclusive: false }, to) : NEVER;
  return choice(sequence(text("-"), negative), positive);
}

function mirrored({ value, exclusive }: Bound): Bound {
  return { value: value === 0 ? 0 : -value, exclusive };
}

/** Numbers without a sign. All digits together are no more than a double can tell apart, else one could be read as its bound. */
function magnitudes(low: Bound, high: Bound): Expression {
  if (low.value > high.value || (low.value === high.value && (low.exclusive || high.exclusive))) return NEVER;
  const [from, fromFraction] = decimal(low.value);
  const [to, toFraction] = decimal(high.value);
  const least = { digits: fromFraction, exclusive: low.exclusive, room: roomBehind(from) };
  const most = { digits: toFraction, exclusive: high.exclusive, room: roomBehind(to) };
  if (from === to) return sequence(text(String(from)), spelled(between(least, most)));
  return choice(
    sequence(text(String(from)), spelled(atLeast(least))),
    withFraction(from + 1, Math.min(to - 1, SHORT)),
    withFraction(Math.max(from + 1, SHORT + 1), to - 1),
    sequence(text(String(to)), spelled(atMost(most))),
  );
}

/** As many digits behind the point as the largest of them leaves room for. */
function withFraction(from: number, to: number): Expression {
  return from > to ? NEVER : sequence(naturalsBetween(from, to), spelled(anything(roomBehind(to))));
}

function roomBehind(whole: number): number {
  return DIGITS - String(whole).length;
}

/** Whole part, and the digits behind the point without zeros at the end. */
function decimal(value: number): [whole: number, fraction: string] {
  const whole = Math.trunc(value);
  const [mantissa = "", exponent = "0"] = String(value).split("e");
  const [front = "", back = ""] = mantissa.split(".");
  const digits = exponent === "0" ? back : (front + back).padStart(front.length + back.length - Number(exponent) - front.length, "0");
  return [whole, digits.replace(/0+$/, "")];
}

interface FractionBound {
  readonly digits: string;
  readonly exclusive: boolean;
  /** Digits that may be written. */
  readonly room: number;
}

/** What may stand behind the digits so far: nothing, or more digits, at least one. */
interface Fraction {
  readonly end: boolean;
  readonly more: Expression;
}

function spelled({ end, more }: Fraction): Expression {
  const written = sequence(text("."), more);
  return end ? choice(EMPTY, written) : written;
}

function tail({ end, more }: Fraction): Expression {
  return end ? choice(EMPTY, more) : more;
}

const NOTHING: Fraction = { end: false, more: NEVER };

function anything(room: number): Fraction {
  return { end: true, more: room < 1 ? NEVER : anyDigits(1, room) };
}

function onlyZeros(room: number): Fraction {
  return { end: true, more: room < 1 ? NEVER : repeat(text("0"), 1, room) };
}

function notZero(room: number): Fraction {
  const spellings = Array.from({ length: Math.max(0, room) }, (_, zeros) =>
    sequence(text("0".repeat(zeros)), NONZERO, anyDigits(0, room - zeros - 1)),
  );
  return { end: false, more: choice(...spellings) };
}

/** A digit of this range, and any others. */
function from(first: number, last: number, room: number): Expression {
  return sequence(digit(first, last), anyDigits(0, Math.max(0, room - 1)));
}

/** Behind the first digit. */
function shorter({ digits, exclusive, room }: FractionBound): FractionBound {
  return { digits: digits.slice(1), exclusive, room: room - 1 };
}

function atLeast(bound: FractionBound): Fraction {
  const { digits, exclusive, room } = bound;
  if (digits === "") return exclusive ? notZero(room) : anything(room);
  const larger = from(Number(digits[0]) + 1, 9, room);
  return { end: false, more: choice(larger, sequence(text(digits[0]!), tail(atLeast(shorter(bound))))) };
}

function atMost(bound: FractionBound): Fraction {
  const { digits, exclusive, room } = bound;
  if (digits === "") return exclusive ? NOTHING : onlyZeros(room);
  const smaller = from(0, Number(digits[0]) - 1, room);
  return { end: true, more: choice(smaller, sequence(text(digits[0]!), tail(atMost(shorter(bound))))) };
}

function between(low: FractionBound, high: FractionBound): Fraction {
  if (low.digits === "" && high.digits === "") return low.exclusive || high.exclusive ? NOTHING : onlyZeros(low.room);
  if (low.digits === "" && !low.exclusive) return atMost(high);
  const [first, last] = [Number(low.digits[0] ?? 0), Number(high.digits[0] ?? 0)];
  if (first === last) return { end: false, more: sequence(text(String(first)), tail(between(shorter(low), shorter(high)))) };
  return {
    end: false,
    more: choice(
      sequence(text(String(first)), tail(atLeast(shorter(low)))),
      from(first + 1, last - 1, low.room),
      sequence(text(String(last)), tail(atMost(shorter(high)))),
    ),
  };
}
