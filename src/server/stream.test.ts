import { describe, expect, test, vi } from "vitest";
import { type FrameSource, frameStream, nextWithin } from "./stream.ts";

const PING = ": keep-alive\n\n";

/** A body over these frames; `source` overrides what a test looks at. */
function bodyOf(frames: AsyncIterator<string>, source: Partial<FrameSource> = {}) {
  const onCancel = vi.fn();
  const onError = vi.fn((error: unknown) => `error: ${(error as Error).message}`);
  return { body: frameStream({ frames, first: frames.next(), pingMs: 0, onError, onCancel, ...source }), onCancel, onError };
}

async function text(body: ReadableStream<Uint8Array>): Promise<string[]> {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  for await (const chunk of body) pieces.push(decoder.decode(chunk));
  return pieces;
}

async function* gen(...frames: Array<string | Error | Promise<string>>): AsyncGenerator<string, void, undefined> {
  for (const frame of frames) {
    if (frame instanceof Error) throw frame;
    yield await frame;
  }
}

const later = (frame: string, ms: number) => new Promise<string>((resolve) => setTimeout(resolve, ms, frame));

describe("nextWithin", () => {
  test("gives the value, or silence when it takes too long; the same promise can be asked again", async () => {
    const next = later("a", 40);
    expect(await nextWithin(next, 5)).toBe("silence");
    expect(await nextWithin(next, 1000)).toBe("a");
    expect(await nextWithin(next, 0)).toBe("a");
  });

  test("passes a failure on", async () => {
    await expect(nextWithin(Promise.reject(new Error("no")), 1000)).rejects.toThrow("no");
  });

  test("leaves no timer behind", async () => {
    vi.useFakeTimers();
    await nextWithin(Promise.resolve("a"), 60_000);
    await nextWithin(Promise.reject(new Error("no")), 60_000).catch(() => undefined);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
});

describe("frameStream", () => {
  test("is the frames in their order, the first included", async () => {
    const { body, onCancel, onError } = bodyOf(gen("a", "b", "ü", "d"));
    expect((await text(body)).join("")).toBe("abüd");
    expect([onCancel, onError].map((each) => each.mock.calls.length)).toEqual([0, 0]);
  });

  test("comments fill every silence, before the first frame and between two", async () => {
    const source = async function* () {
      yield await later("a", 50);
      yield await later("b", 50); // its silence begins when a was taken, however slow the machine is
    };
    const pieces = await text(bodyOf(source(), { pingMs: 10 }).body);
    const a = pieces.indexOf("a");
    expect(pieces.filter((piece) => piece !== PING)).toEqual(["a", "b"]);
    expect(a).toBeGreaterThan(0);
    expect(pieces.indexOf("b")).toBeGreaterThan(a + 1);
  });

  test("no comments when they are turned off", async () => {
    expect(await text(bodyOf(gen(later("a", 30)), { pingMs: 0 }).body)).toEqual(["a"]);
  });

  test("a failure is one last frame, wherever it happens", async () => {
    expect(await text(bodyOf(gen(new Error("early"))).body)).toEqual(["error: early"]);
    expect(await text(bodyOf(gen("a", new Error("late"), "b")).body)).toEqual(["aerror: late"]);
  });

  test("frames of one turn of the loop are one write", async () => {
    const source = async function* () {
      yield "a";
      for (const part of ["bcd", "ef"]) {
        await later("", 10);
        yield* part;
      }
    };
    expect(await text(bodyOf(source()).body)).toEqual(["a", "bcd", "ef"]);
  });

  test("after a write the next one waits for what comes within 4 ms", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setTimeout"] });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const source = async function* () {
      for (const frame of "abcd") {
        yield frame;
        for (let i = 0; i < 5; i++) await turn();
      }
      await new Promise(() => undefined);
    };
    const reader = bodyOf(source()).body.getReader();
    const read = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await read()).toBe("a");
    const next = read();
    for (let i = 0; i < 30; i++) await turn();
    await vi.advanceTimersByTimeAsync(4);
    expect(await next).toBe("bcd");
    vi.useRealTimers();
    await reader.cancel();
  });

  test("a reader that is slow holds the source back", async () => {
    const produced: number[] = [];
    const source = async function* () {
      for (let i = 0; i < 100; i++) {
        produced.push(i);
        yield String(i).padEnd(10_000);
      }
    };
    const reader = bodyOf(source()).body.getReader();
    await reader.read();
    await later("", 20);
    expect(produced.length).toBeLessThan(8);
    await reader.cancel();
  });

  test("a reader that leaves while a frame is awaited is told on, and nothing is thrown", async () => {
    const { body, onCancel, onError } = bodyOf(gen("a", new Promise(() => undefined)));
    const reader = body.getReader();
    await reader.read();
    await reader.cancel();
    expect(onCancel).toHaveBeenCalledTimes(1);
    expect(onError).not.toHaveBeenCalled();
  });

  test("a reader that leaves while nobody asks for a frame ends the source too", async () => {
    let ended = false;
    const source = async function* () {
      try {
        for (;;) yield "a";
      } finally {
        ended = true;
      }
    };
    const { body, onCancel } = bodyOf(source());
    const reader = body.getReader();
    await reader.read();
    await later("", 5); // the stream has filled its own buffer and waits
    await reader.cancel();
    expect(onCancel).toHaveBeenCalledTimes(1);
    await vi.waitFor(() => expect(ended).toBe(true));
  });

  test("a source that fails because its reader left harms nobody", async () => {
    const left = new AbortController();
    const source = async function* () {
      yield "a";
      await new Promise((_, reject) => left.signal.addEventListener("abort", () => reject(new Error("client closed"))));
    };
    const reader = bodyOf(source(), { onCancel: () => left.abort() }).body.getReader();
    await reader.read();
    await reader.cancel();
    await later("", 5); // an unhandled rejection would fail the run
  });

  test("a frame that comes when its reader has left is nobody's, and no failure", async () => {
    let give: (frame: string) => void = () => undefined;
    const frame = new Promise<string>((resolve) => {
      give = resolve;
    });
    const { body, onError } = bodyOf(gen(frame, "b"));
    const reader = body.getReader();
    const first = reader.read();
    await reader.cancel();
    give("a");
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    expect(onError).not.toHaveBeenCalled();
  });
});
