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
  expect(warnings).toEqual(["OTEL_BSP_SCHEDULE_DELAY is no whole number above 0; 5000 is used"]);
});

test.each([
  ["always_on", undefined, false, 1, 0],
  ["always_off", undefined, false, 0, 0],
  ["traceidratio", "0.5", false, 0.5, 0],
  ["traceidratio", undefined, false, 1, 0],
  ["traceidratio", "0", false, 0, 0],
  ["traceidratio", "2", false, 1, 1],
  ["parentbased_always_on", "nonsense", true, 1, 0],
  ["parentbased_always_off", undefined, true, 0, 0],
  ["parentbased_traceidratio", "half", true, 1, 1],
  ["jaeger_remote", undefined, true, 1, 1],
  ["parentbased_sometimes", undefined, true, 1, 1],
])("the sampler %s of %s", (name, argument, parentBased, ratio, warned) => {
  const { settings, warnings } = read({
    ...{ OTEL_TRACES_EXPORTER: "otlp", OTEL_TRACES_SAMPLER: name },
    ...(argument && { OTEL_TRACES_SAMPLER_ARG: argument }),
  });
  expect(settings?.sampler).toEqual({ parentBased, ratio });
  expect(warnings).toHaveLength(warned);
});

test("certificates and keys are read from their files, and one that is not there is told", () => {
  const warnings: string[] = [];
  const read = (path: string) => {
    if (path === "/gone") throw Object.assign(new Error("no"), { code: "ENOENT" });
    return `text of ${path}`;
  };
  const env = {
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_CERTIFICATE: "/all",
    OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: "/ca",
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: "/me",
    OTEL_EXPORTER_OTLP_CLIENT_KEY: "/gone",
  };
  const settings = traceSettings(env, (reason) => warnings.push(reason), read);
  expect(settings?.tls).toEqual({ ca: "text of /ca", cert: "text of /me" });
  expect(warnings).toEqual(["OTEL_EXPORTER_OTLP_CLIENT_KEY cannot be read (ENOENT)"]);
});

test("what is set for traces alone comes before what is set for all signals", () => {
  const { settings, warnings } = read({
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://all:1", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:2" },
    ...{ OTEL_EXPORTER_OTLP_HEADERS: "a=1", OTEL_EXPORTER_OTLP_TRACES_HEADERS: "b=c%3Dd%2C" },
    ...{ OTEL_EXPORTER_OTLP_TIMEOUT: "1", OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "2" },
    ...{ OTEL_EXPORTER_OTLP_COMPRESSION: "none", OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "gzip" },
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  });
  expect(settings).toMatchObject({ headers: { b: "c=d," }, timeoutMs: 2, gzip: true });
  expect([settings?.url.href, warnings]).toEqual(["http://traces:2/", []]);
});

test.each([
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }, /http\/json/],
  [{ OTEL_EXPORTER_OTLP_COMPRESSION: "zstd" }, /zstd/],
  [{ OTEL_EXPORTER_OTLP_TIMEOUT: "10s" }, /OTEL_EXPORTER_OTLP_TIMEOUT .* 10000/],
  [{ OTEL_BSP_MAX_QUEUE_SIZE: "-1" }, /OTEL_BSP_MAX_QUEUE_SIZE .* 2048/],
])("%j is told, and traces are sent all the same", (env, reason) => {
  const { settings, warnings } = read(env);
  expect(settings).toMatchObject({ queueSize: 2048, timeoutMs: 10_000, gzip: false });
  expect(warnings).toEqual([expect.stringMatching(reason)]);
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
