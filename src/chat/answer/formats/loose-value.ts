/**
 * Values in the notations that models use for arguments beside JSON: bare keys, strings in other quotes, words of Python. Read as they come
 * and told as JSON. Called by the readers of such formats.
 */
import type { Reading, Scanner } from "../scanner.ts";
import { isJson } from "../values.ts";

/** As models of the Python world write them. */
const PYTHON = new Map([
  ["True", "true"],
  ["False", "false"],
  ["None", "null"],
]);

/** JSON for a value that stands bare: itself, a word of Python, or else a string. */
export function bareValue(raw: string): string {
  const value = PYTHON.get(raw.trim()) ?? raw.trim();
  return isJson(value) ? value : JSON.stringify(raw);
}

/** @param quote what a raw string stands between; without it Python's single quotes are quotes */
export function* looseValue(scan: Scanner, quote: string | undefined, sink: (json: string) => void): Reading<boolean> {
  yield* scan.space();
  if (quote !== undefined && (yield* scan.accept(quote))) return yield* rawString(scan, quote, sink);
  const next = yield* scan.peek();
  if (next === '"') return yield* scan.json(sink);
  if (next === "'" && quote === undefined) return yield* pythonString(scan, sink);
  if (next === "{") return yield* object(scan, quote, sink);
  if (next === "[") return yield* array(scan, quote, sink);
  const raw = yield* scan.before(",}])");
  if (raw.trim() === "" || (yield* scan.peek()) === "") return false;
  sink(bareValue(raw.trim()));
  return true;
}

function* rawString(scan: Scanner, quote: string, sink: (json: string) => void): Reading<boolean> {
  sink('"');
  if ((yield* scan.stream([quote], (part) => sink(JSON.stringify(part).slice(1, -1)))) === undefined) return false;
  sink('"');
  return true;
}

function* pythonString(scan: Scanner, sink: (json: string) => void): Reading<boolean> {
  yield* scan.accept("'");
  sink('"');
  const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };
  for (;;) {
    const mark = yield* scan.stream(["\\", "'"], (part) => sink(JSON.stringify(part).slice(1, -1)));
    if (mark === undefined) return false;
    if (mark === "'") break;
    const escaped = yield* scan.peek();
    if (escaped === undefined) return false;
    yield* scan.accept(escaped);
    sink(
      JSON.stringify(Object.hasOwn(escapes, escaped) ? escapes[escaped] : "'\"\\".includes(escaped) ? escaped : `\\${escaped}`).slice(
        1,
        -1,
      ),
    );
  }
  sink('"');
  return true;
}

function* array(scan: Scanner, quote: string | undefined, sink: (json: string) => void): Reading<boolean> {
  yield* scan.accept("[");
  sink("[");
  let next = yield* scan.next(["]"]);
  while (next !== "]") {
    if (!(yield* looseValue(scan, quote, sink))) return false;
    next = yield* scan.next([",", "]"]);
    if (next === undefined) return false;
    sink(next === "," ? ", " : "");
  }
  sink("]");
  return true;
}

function* object(scan: Scanner, quote: string | undefined, sink: (json: string) => void): Reading<boolean> {
  yield* scan.accept("{");
  sink("{");
  let next = yield* scan.next(["}"]);
  while (next !== "}") {
    const key = yield* looseKey(scan, quote);
    if (key === undefined) return false;
    sink(`${key}: `);
    if (!(yield* looseValue(scan, quote, sink))) return false;
    next = yield* scan.next([",", "}"]);
    if (next === undefined) return false;
    sink(next === "," ? ", " : "");
  }
  sink("}");
  return true;
}

/** A key and its colon. @returns the key as JSON */
export function* looseKey(scan: Scanner, quote: string | undefined): Reading<string | undefined> {
  yield* scan.space();
  let key = "";
  const quoted = "\"'".includes((yield* scan.peek()) ?? " ") || (quote !== undefined && (yield* startsWith(scan, quote)));
  if (quoted) {
    const whole = yield* looseValue(scan, quote, (part) => {
      key += part;
    });
    return whole && (yield* scan.next([":"])) !== undefined ? key : undefined;
  }
  key = yield* scan.before(":,{}[]");
  return (yield* scan.accept(":")) && key.trim() !== "" ? JSON.stringify(key.trim()) : undefined;
}

function* startsWith(scan: Scanner, text: string): Reading<boolean> {
  const { place } = scan;
  const found = yield* scan.accept(text);
  scan.goTo(place);
  return found;
}
