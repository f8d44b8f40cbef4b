/**
 * Frames of a protocol as the body of an HTTP answer, kept alive by comments while there is nothing to say.
 * Called by generate.ts; it must not know what the frames mean.
 */

/** A comment of server-sent events: clients skip it, proxies and time-outs see traffic. */
const PING = ": keep-alive\n\n";

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

/** Pulls a frame when the socket can take one, so a slow reader costs no memory here. */
export function frameStream(source: FrameSource): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string>> | undefined = source.first;
  let left = false;
  return new ReadableStream({
    async pull(controller) {
      try {
        next ??= source.frames.next();
        const result = await nextWithin(next, source.pingMs);
        if (left) return;
        if (result === "silence") return controller.enqueue(encoder.encode(PING));
        next = undefined;
        if (result.done) controller.close();
        else controller.enqueue(encoder.encode(result.value));
      } catch (error) {
        if (left) return;
        controller.enqueue(encoder.encode(source.onError(error)));
        controller.close();
      }
    },
    cancel() {
      left = true;
      source.onCancel();
      // Nobody asks for the next frame any more, so whoever waits to give it would wait for ever. How it ends is no concern here.
      source.frames.return?.().catch(() => undefined);
    },
  });
}
