/** Whether anybody asks for traces: all of this room that every start loads. Called by cli/serve.ts. */
import type { Environment } from "./settings.ts";

/** By OpenTelemetry's variables. */
export function wantsTraces(env: Environment): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === "true" || env.OTEL_TRACES_EXPORTER === "none") return false;
  return Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_TRACES_EXPORTER);
}

/** Traces of our own, or a say in which headers of a caller's are passed on. */
export function wantsTracing(env: Environment): boolean {
  return wantsTraces(env) || Boolean(env.OTEL_PROPAGATORS);
}
