/**
 * Frames of a protocol as the body of an HTTP answer, kept alive by comments while there is nothing to say.
 * Called by generate.ts; it must not know what the frames mean. The hot path: each write costs a system call here, one at the reader,
 * and at whatever is between, so frames that come close together are one write.
 */

/** A comment of server-sent events: clients skip it, proxies and time-outs see traffic. */
const PING = ": keep-alive\n\n";

/** Milliseconds between two writes of a stream: no person sees the difference, and a model of 500 tok/s costs half of the writes. */
const PACE_MS = 4;
/** Characters that wait to be written before the source has to wait too. */
const ENOUGH = 16 * 1024;

/** Resolves to what comes first: the next frame, or "silence" after `ms` (never when 0). Ask again with the same promise. */
export async function nextWithin<T>(next: Promise<T>, ms: number): Promise<T | "silence"> {
  if (ms === 0) return next;
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<"silence">((resolve) => {
    timer = setTimeout(resolve, ms, "silence");
  });
  try {
    return await Promise.race([next, silence]);
  } finally {
    clearTimeout(timer);
  }
}

export interface FrameSource {
  readonly frames: AsyncIterator<string>;
  /** The frame already asked for: whoever opened the stream waited for it first, to have a true status. */
  readonly first: Promise<IteratorResult<string>>;
  readonly pingMs: number;
  /** The last frame when the source throws. */
  onError(error: unknown): string;
  /** The client left. */
  onCancel(): void;
}

/** Takes frames while the socket can take them, so a slow reader costs no more memory here than a few writes. */
export function frameStream(source: FrameSource): ReadableStream<Uint8Array> {
  const body = new FrameBody(source);
  return new ReadableStream({
    start: (controller) => void body.start(controller),
    pull: () => body.pulled(),
    cancel: () => body.cancel(),
  });
}

class FrameBody {
  readonly #source: FrameSource;
  readonly #encoder = new TextEncoder();
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** Frames that are not written yet. */
  #waiting = "";
  #writtenAt = Number.NEGATIVE_INFINITY;
  #isPaced = false;
  #silence: NodeJS.Timeout | undefined;
  /** Goes on with the source. */
  #resume: (() => void) | undefined;
  #over = false;

  constructor(source: FrameSource) {
    this.#source = source;
  }

  /** Nobody waits for it: it never rejects. */
  async start(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#controller = controller;
    const { frames, first, pingMs } = this.#source;
    // One timer a stream, which each write moves.
    if (pingMs > 0) this.#silence = setTimeout(() => this.#ping(), pingMs);
    try {
      for (let result = await first; !result.done; result = await frames.next()) {
        if (this.#over) return;
        this.#waiting += result.value;
        this.#pace();
        if (!this.#hasRoom() || this.#waiting.length >= ENOUGH) await new Promise<void>((resolve) => (this.#resume = resolve));
        if (this.#over) return;
      }
    } catch (error) {
      if (this.#over) return;
      this.#waiting += this.#source.onError(error);
    }
    if (this.#over) return;
    // The reader takes what is queued before it sees the end.
    this.#write();
    this.#end();
    controller.close();
  }

  /** The reader has room. */
  pulled(): void {
    if (this.#waiting !== "") this.#pace();
    else this.#goOn();
  }

  cancel(): void {
    this.#end();
    this.#source.onCancel();
    // Nobody asks for the next frame any more, so whoever waits to give it would wait for ever. How it ends is no concern here.
    this.#source.frames.return?.().catch(() => undefined);
    this.#goOn();
  }

  /** At once after a pause, but with all that comes in the same turn of the loop; else when it is time again. */
  #pace(): void {
    if (this.#isPaced || !this.#hasRoom()) return;
    this.#isPaced = true;
    const rest = this.#writtenAt + PACE_MS - performance.now();
    const write = () => {
      this.#isPaced = false;
      if (this.#over) return;
      this.#write();
      this.#goOn();
    };
    if (rest > 0) setTimeout(write, rest);
    else setImmediate(write);
  }

  #write(): void {
    if (this.#waiting === "") return;
    this.#controller.enqueue(this.#encoder.encode(this.#waiting));
    this.#waiting = "";
    this.#writtenAt = performance.now();
    this.#silence?.refresh();
  }

  #ping(): void {
    if (this.#waiting === "" && this.#hasRoom()) this.#controller.enqueue(this.#encoder.encode(PING));
    this.#silence?.refresh();
  }

  #hasRoom(): boolean {
    return (this.#controller.desiredSize ?? 0) > 0;
  }

  #goOn(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#silence);
  }
}
