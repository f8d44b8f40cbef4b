import { expect, test } from "vitest";
import { traceSettings } from "./settings.ts";
import { wantsTraces } from "./wanted.ts";

function read(env: Record<string, string>) {
  const warnings: string[] = [];
  return { settings: traceSettings(env, (reason) => warnings.push(reason)), warnings };
}

test.each([
  [{}, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }, true],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://collector:4318/x" }, true],
  [{ OTEL_TRACES_EXPORTER: "otlp" }, true],
  [{ OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }, false],
  [{ OTEL_SDK_DISABLED: "true", OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }, false],
  [{ OTEL_SERVICE_NAME: "x" }, false],
])("%j asks for traces: %s", (env, wanted) => {
  expect(wantsTraces(env)).toBe(wanted);
});

test("the path is added to the common endpoint, and the own one is taken as it is", () => {
  expect(read({ OTEL_TRACES_EXPORTER: "otlp" }).settings?.url.href).toBe("http://localhost:4318/v1/traces");
  expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: "https://c:1/base/" }).settings?.url.href).toBe("https://c:1/base/v1/traces");
  expect(read({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:1/mine" }).settings?.url.href).toBe("http://c:1/mine");
});

test("headers, names and sizes", () => {
  const { settings, warnings } = read({
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20x, k = v ,broken",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test,service.name=other",
    OTEL_SERVICE_NAME: "mine",
    OTEL_BSP_MAX_QUEUE_SIZE: "10",
    OTEL_BSP_SCHEDULE_DELAY: "soon",
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.25",
  });
  expect(settings?.headers).toEqual({ authorization: "Bearer x", k: "v" });
  expect(settings?.resource).toEqual({ "deployment.environment": "test", "service.name": "mine" });
  expect(settings).toMatchObject({ queueSize: 10, batchSize: 10, delayMs: 5000, sampler: { parentBased: true, ratio: 0.25 } });
  expect(warnings).toEqual([]);
});

test.each([
  [{ OTEL_TRACES_EXPORTER: "zipkin" }, /zipkin/],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, /grpc/],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "collector" }, /no http/],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "file:///etc/passwd" }, /no http/],
])("%j is told and traces nothing", (env, reason) => {
  const { settings, warnings } = read(env);
  expect(settings).toBeUndefined();
  expect(warnings.join()).toMatch(reason);
});
