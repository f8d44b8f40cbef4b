/**
 * The way from an engine's messages to the one reader of a request. Pushes never wait; the reader takes what is there.
 * It holds at most one answer, whose length the context bounds. Used by engine-process.ts.
 */
export class EventQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  push(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** No more items follow; the reader still gets those that are queued. */
  end(): void {
    this.#end ??= {};
    this.#wake?.();
  }

  /** The reader gets what is queued, then this error. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const items = this.#items;
      this.#items = [];
      // Not `yield*`: over a list it costs half as much again an item.
      for (const item of items) yield item;
      if (this.#items.length > 0) continue;
      if (this.#end) {
        if ("error" in this.#end) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
