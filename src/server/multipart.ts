/**
 * multipart/form-data as its parts arrive: a file of any size passes through in pieces. Called by api/files.ts. `Request.formData()` would
 * hold all of it in memory. Source of the format: RFC 7578 and RFC 2046, section 5.1; names as the HTML standard escapes them.
 */
import { ShimmyError } from "../contract/errors.ts";

export interface Part {
  readonly name: string;
  /** Present: it is a file. */
  readonly filename?: string;
  /** What is left of it is skipped when the next part is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_PARTS = 64;

/** @throws invalid_multipart for any other content type */
export function boundaryOf(contentType: string | null): string {
  if (!/^multipart\/form-data\s*;/i.test(contentType ?? "")) throw invalid("its Content-Type must be multipart/form-data");
  const match = /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))/i.exec(contentType ?? "");
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw invalid("its Content-Type names no boundary");
  return boundary;
}

/** @throws invalid_multipart, client_closed */
export async function* multipart(body: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<Part, void, undefined> {
  // Every delimiter follows a line break; the first one may stand at the very start.
  const reader = new Reader(body, Buffer.from("\r\n"));
  const delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  await skip(reader.upTo(delimiter));
  for (let parts = 0; !(await reader.isLast()); parts++) {
    if (parts === MAX_PARTS) throw invalid(`it has more than ${MAX_PARTS} fields`);
    const { name, filename } = namesIn(await reader.head());
    const content = reader.upTo(delimiter);
    yield { name, ...(filename !== undefined && { filename }), content };
    await skip(content);
  }
}

async function skip(content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of content);
}

class Reader {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffer: Buffer;

  constructor(source: AsyncIterable<Uint8Array>, start: Buffer) {
    this.#source = source[Symbol.asyncIterator]();
    this.#buffer = start;
  }

  /** What stands before the delimiter, which is taken too. Whoever stops early must go on before anything else is read. */
  upTo(delimiter: Buffer): AsyncIterable<Uint8Array> {
    let over = false;
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      while (!over) {
        const at = this.#buffer.indexOf(delimiter);
        over = at >= 0;
        // The last bytes may be the beginning of a delimiter.
        const piece = this.#take(over ? at : Math.max(0, this.#buffer.length - delimiter.length + 1));
        if (over) this.#take(delimiter.length);
        else if (piece.length === 0) await this.#more();
        if (piece.length > 0) return { done: false, value: piece };
      }
      return { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  /** Behind a delimiter: "--" ends the body, a line break begins a part. */
  async isLast(): Promise<boolean> {
    while (this.#buffer.length < 2) await this.#more();
    if (this.#buffer.toString("latin1", 0, 2) === "--") return true;
    while (this.#buffer[0] === 0x20 || this.#buffer[0] === 0x09) this.#take(1); // padding
    while (this.#buffer.length < 2) await this.#more();
    if (this.#buffer.toString("latin1", 0, 2) !== "\r\n") throw invalid("something stands behind a boundary");
    return false;
  }

  /** Header lines of a part, and the empty line behind them. */
  async head(): Promise<string> {
    for (;;) {
      const at = this.#buffer.indexOf("\r\n\r\n");
      if (at > MAX_HEADER_BYTES || (at < 0 && this.#buffer.length > MAX_HEADER_BYTES)) throw invalid("the headers of a field are too long");
      if (at >= 0) return this.#take(at + 4).toString("utf8");
      await this.#more();
    }
  }

  #take(length: number): Buffer {
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  async #more(): Promise<void> {
    const result = await this.#source.next().catch((cause: unknown) => {
      // Nothing but the client's end of the socket makes reading fail.
      throw cause instanceof ShimmyError ? cause : new ShimmyError("client_closed", {}, { cause });
    });
    if (result.done) throw invalid("it ends before its last boundary");
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(result.value) : Buffer.concat([this.#buffer, result.value]);
  }
}

function namesIn(head: string): { name: string; filename: string | undefined } {
  const line = /^content-disposition:\s*form-data\b(.*)$/im.exec(head)?.[1] ?? "";
  const parameters = parametersOf(line);
  const name = parameters.get("name");
  if (name === undefined) throw invalid("a field has no name");
  return { name, filename: extended(parameters.get("filename*")) ?? parameters.get("filename") };
}

/** One after the other, for a quoted name may look like a parameter. Quotes are %22 to browsers and \" to curl. */
function parametersOf(line: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name, quoted, bare] of line.matchAll(/\s*;\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/gy)) {
    const text = quoted?.replace(/\\(["\\])/g, "$1") ?? bare!;
    found.set(
      name!.toLowerCase(),
      text.replace(/%(22|0D|0A)/gi, (code) => decodeURIComponent(code)),
    );
  }
  return found;
}

/** `filename*=UTF-8''…`, which RFC 7578 forbids and clients send. */
function extended(value: string | undefined): string | undefined {
  const encoded = /^utf-8''(.+)$/i.exec(value ?? "")?.[1];
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded);
  } catch {
    return undefined; // the plain name holds
  }
}

function invalid(reason: string): ShimmyError {
  return new ShimmyError("invalid_multipart", { reason });
}
