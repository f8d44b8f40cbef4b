/** The lines of a JSONL file, one after the other, whatever its size. Called for input files and for the results of a batch. */

export interface Line {
  /** From 1, blank lines counted. */
  readonly number: number;
  /** Without its line break. Absent: it cannot be read, and `problem` says why. */
  readonly text?: string;
  readonly problem?: string;
  /** Bytes of the file up to and with its line break. */
  readonly end: number;
  /** False: the file ends without a line break behind it. */
  readonly ended: boolean;
}

const LINE_BREAK = 0x0a;

/** @param limit bytes of a line; a longer one is passed over, not held. */
export async function* readLines(source: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Line, void, undefined> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  let end = 0;
  let number = 0;
  const line = (ended: boolean): Line => {
    number++;
    return { number, ...decoded(pieces, length, limit, number === 1), end, ended };
  };
  const add = (piece: Uint8Array) => {
    length += piece.byteLength;
    end += piece.byteLength;
    if (length <= limit) pieces.push(piece);
    else pieces = [];
  };
  for await (const chunk of source) {
    let start = 0;
    for (let at = chunk.indexOf(LINE_BREAK); at >= 0; at = chunk.indexOf(LINE_BREAK, start)) {
      add(chunk.subarray(start, at));
      end++;
      start = at + 1;
      yield line(true);
      pieces = [];
      length = 0;
    }
    if (start < chunk.byteLength) add(chunk.subarray(start));
  }
  if (length > 0) yield line(false);
}

function decoded(pieces: readonly Uint8Array[], length: number, limit: number, first: boolean): Pick<Line, "text" | "problem"> {
  if (length > limit) return { problem: `it is longer than ${limit} bytes` };
  try {
    // A byte order mark is one at the start of the file only.
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: !first }).decode(Buffer.concat(pieces)).replace(/\r$/, "") };
  } catch {
    return { problem: "it is not UTF-8" };
  }
}
