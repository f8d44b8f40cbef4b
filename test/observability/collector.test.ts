/**
 * OpenTelemetry's own collector takes the spans of a server and prints them as it understood them. Not in Debian or npm: built with
 * go.opentelemetry.io/collector/cmd/builder from receiver/otlpreceiver, exporter/debugexporter and confmap/provider/yamlprovider; its
 * program is named by OTELCOL.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { post, startServer, until } from "../support/server.ts";

const OTELCOL = process.env.OTELCOL;
const MISSING = OTELCOL ? undefined : "no collector is named by OTELCOL";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

let collector: ChildProcess | undefined;
afterAll(async () => {
  if (!collector) return;
  const gone = new Promise((resolve) => collector?.once("close", resolve));
  collector.kill("SIGTERM");
  await gone;
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.skipIf(MISSING)(`a real collector${MISSING ? ` (${MISSING})` : ""}`, () => {
  test.each([{}, { OTEL_EXPORTER_OTLP_COMPRESSION: "gzip" }])("reads every span, with %j", { timeout: 60_000 }, async (more) => {
    const port = await freePort();
    const config = `yaml:${JSON.stringify({
      receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
      exporters: { debug: { verbosity: "detailed" } },
      service: {
        telemetry: { metrics: { level: "none" } },
        pipelines: { traces: { receivers: ["otlp"], exporters: ["debug"] } },
      },
    })}`;
    collector = spawn(OTELCOL!, ["--config", config], { stdio: ["ignore", "ignore", "pipe"] });
    let heard = "";
    collector.stderr!.setEncoding("utf8").on("data", (text) => {
      heard += text;
    });
    await until(() => heard.includes("Everything is ready"));
    const server = await startServer({
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_BSP_SCHEDULE_DELAY: "50", OTEL_SERVICE_NAME: "mine", ...more },
    });
    try {
      const messages = [{ role: "user", content: "Swordfish" }];
      const headers = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: "vendor=1" };
      await (await post(server, "/v1/chat/completions", { messages, max_tokens: 4, n: 2 }, { headers })).text();
      await post(server, "/v1/chat/completions", "{", { headers });
      await until(() => (heard.match(/Name {11}: POST/g) ?? []).length === 2);
    } finally {
      await server.stop();
    }
    const spans = heard.split(/Span #\d+\n/).slice(1);
    const [asked, refused] = spans.filter((text) => /Name +: POST \/v1\/chat\/completions/.test(text));
    for (const text of [asked, refused]) {
      expect(text).toMatch(new RegExp(`Trace ID +: ${TRACE}\\n +Parent ID +: ${SPAN}\\n`));
      expect(text).toMatch(/Kind +: Server/);
      expect(text).toContain("TraceState     : vendor=1");
    }
    expect(asked).toContain("http.response.status_code: Int(200)");
    expect(asked).toContain("gen_ai.operation.name: Str(chat)");
    expect(asked).toContain("gen_ai.provider.name: Str(shimmy)");
    expect(asked).toContain("gen_ai.request.model: Str(shimmy-tiny)");
    expect(asked).toMatch(/gen_ai.usage.output_tokens: Int\([2-8]\)/);
    expect(asked).toMatch(/gen_ai.response.finish_reasons: Slice\(\["(length|stop)","(length|stop)"\]\)/);
    expect(refused).toContain("http.response.status_code: Int(400)");
    const names = spans.map((text) => /Name +: (.*)/.exec(text)![1]);
    for (const phase of ["queue", "prefill", "decode"]) expect(names).toContain(phase);
    const own = /ID +: ([0-9a-f]{16})\n +Name +: POST/.exec(asked!)![1];
    const child = spans.find((text) => /Name +: decode/.test(text))!;
    expect(child).toContain(`Parent ID      : ${own}`);
    expect(child).toMatch(/Kind +: Internal/);
    expect(heard).toContain("service.name: Str(mine)");
    expect(heard).not.toContain("Swordfish");
    expect(server.stderr()).not.toMatch(/traces/);
    collector.kill("SIGTERM");
  });
});
