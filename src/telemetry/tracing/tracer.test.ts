import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { createLogger } from "../log.ts";
import { openTracing } from "./tracer.ts";

const stops: Array<() => unknown> = [];
afterEach(() => {
  vi.useRealTimers();
  for (const stop of stops.splice(0)) stop();
});

/** Start and end of the spans, in milliseconds since the epoch, by their kind. */
async function spansOf(work: (tracing: NonNullable<ReturnType<typeof openTracing>>) => void) {
  const spans: Array<{ kind: number; startTimeUnixNano: string; endTimeUnixNano: string }> = [];
  const collector = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += piece;
    spans.push(...JSON.parse(text).resourceSpans[0].scopeSpans[0].spans);
    response.end("{}");
  });
  stops.push(() => collector.close());
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` };
  const log = createLogger({ level: "warn", format: "text", write: () => undefined });
  const tracing = openTracing({ env, metrics: { spans: () => undefined }, log, version: "0" })!;
  work(tracing);
  await tracing.close();
  const ms = (nanoseconds: string) => Number(BigInt(nanoseconds) / 1_000_000n);
  return new Map(spans.map((span) => [span.kind, { from: ms(span.startTimeUnixNano), to: ms(span.endTimeUnixNano) }]));
}

test("a clock that was set, or a machine that slept, since the start is followed; one that is set during a span does not turn it around", async () => {
  const HOUR = 3600_000;
  vi.useFakeTimers({ toFake: ["Date"] });
  const at = Date.now() + 2 * HOUR;
  const spans = await spansOf((tracing) => {
    vi.setSystemTime(at);
    const trace = tracing.begin("/v1/completions", new Headers())!;
    const call = tracing.call(trace.link, { name: "one", url: "http://127.0.0.1:1" });
    vi.setSystemTime(at - HOUR);
    call.end();
    trace.end({ id: "1", method: "POST", path: "/v1/completions", status: 200 });
  });
  for (const kind of [2, 3]) {
    const { from, to } = spans.get(kind)!;
    expect(Math.abs(from - at)).toBeLessThan(1000);
    expect(to).toBeGreaterThanOrEqual(from);
    expect(to - from).toBeLessThan(1000);
  }
});
