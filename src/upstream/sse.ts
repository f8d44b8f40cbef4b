/**
 * Server-sent events → the data of each, one string. Called by generator.ts with an answer that is read as text. Format: the HTML standard,
 * "Parsing an event stream"; names, ids and comments are passed over. It must not know what is in the data.
 */
import { UpstreamFailure } from "./failure.ts";

/** Characters of one event. The largest honest one is a piece of an answer with twenty alternatives a token. */
const LONGEST_EVENT = 4 * 1024 * 1024;

/** @throws UpstreamFailure for an event that is too long, and whatever `chunks` throws. What is not ended by an empty line counts too. */
export async function* eventData(chunks: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = "";
  let data: string | undefined;
  for await (const chunk of chunks) {
    const text = rest + chunk;
    let from = 0;
    // From where nothing was searched yet: a line that never ends costs no more than its length.
    for (let at = text.indexOf("\n", rest.length); at >= 0; at = text.indexOf("\n", from)) {
      const line = text.slice(from, text.charCodeAt(at - 1) === RETURN && at > from ? at - 1 : at);
      from = at + 1;
      if (line !== "") data = added(data, line);
      else if (data !== undefined) {
        yield data;
        data = undefined;
      }
    }
    rest = text.slice(from);
    if (rest.length + (data?.length ?? 0) > LONGEST_EVENT) throw new UpstreamFailure("unwell", "it sent an event without end");
  }
  const last = rest === "" ? data : added(data, rest);
  if (last !== undefined) yield last;
}

const RETURN = 13;

function added(data: string | undefined, line: string): string | undefined {
  if (!line.startsWith("data:")) return data;
  const value = line.slice(line.charCodeAt(5) === SPACE ? 6 : 5);
  return data === undefined ? value : `${data}\n${value}`;
}

const SPACE = 32;
