/**
 * Server-sent events → the data of each. Called by generator.ts with an answer that is read as text. Format: the HTML standard,
 * "Parsing an event stream"; names, ids and comments are passed over. It must not know what is in the data.
 */
import { UpstreamFailure } from "./failure.ts";

/** Characters of one event. The largest honest one is a piece of an answer with twenty alternatives a token. */
const LONGEST_EVENT = 4 * 1024 * 1024;

/** Pure: text as it was cut goes in, the events that are whole come out. */
export class EventParser {
  #rest = "";
  #isBegun = false;
  #data: string | undefined;

  /** @throws UpstreamFailure for an event that is too long */
  push(chunk: string): readonly string[] {
    const events: string[] = [];
    const searched = this.#rest.length;
    const text = this.#isBegun ? this.#rest + chunk : chunk.slice(chunk.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0);
    if (chunk !== "") this.#isBegun = true;
    let from = 0;
    // From where nothing was searched yet: a line that never ends costs no more than its length.
    for (let at = text.indexOf("\n", searched); at >= 0; at = text.indexOf("\n", from)) {
      const end = at > from && text.charCodeAt(at - 1) === RETURN ? at - 1 : at;
      if (end > from) this.#data = added(this.#data, text.slice(from, end));
      else if (this.#data !== undefined) {
        events.push(this.#data);
        this.#data = undefined;
      }
      from = at + 1;
    }
    this.#rest = text.slice(from);
    if (this.#rest.length + (this.#data?.length ?? 0) > LONGEST_EVENT) throw new UpstreamFailure("unwell", "it sent an event without end");
    return events;
  }

  /** What is not ended by an empty line counts too. */
  end(): readonly string[] {
    const last = this.#rest === "" ? this.#data : added(this.#data, this.#rest);
    return last === undefined ? [] : [last];
  }
}

const RETURN = 13;
const BYTE_ORDER_MARK = 0xfeff;

function added(data: string | undefined, line: string): string | undefined {
  if (!line.startsWith("data:")) return data;
  const value = line.slice(line.charCodeAt(5) === SPACE ? 6 : 5);
  return data === undefined ? value : `${data}\n${value}`;
}

const SPACE = 32;
