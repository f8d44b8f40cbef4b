/**
 * OpenTelemetry's environment variables, as far as traces over OTLP/HTTP go. Read once at the start; what is on is loaded then only.
 * Sources: opentelemetry.io, "SDK environment variables" and "OTLP exporter configuration".
 */

export interface TraceSettings {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Attributes of the resource; `service.name` is one of them. */
  readonly resource: Readonly<Record<string, string>>;
  readonly sampler: { readonly parentBased: boolean /** 0 to 1. */; readonly ratio: number };
  readonly queueSize: number;
  readonly batchSize: number;
  readonly delayMs: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** @param warn of what is asked for and is not there. @returns undefined: no traces. */
export function traceSettings(env: Environment, warn: (reason: string) => void): TraceSettings | undefined {
  const exporter = env.OTEL_TRACES_EXPORTER || "otlp";
  if (!exporter.split(",").includes("otlp")) {
    warn(`OTEL_TRACES_EXPORTER is ${exporter}; only otlp and none are known`);
    return undefined;
  }
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL;
  if (protocol === "grpc") {
    warn("OTEL_EXPORTER_OTLP_PROTOCOL is grpc; traces are sent as http/json only, which a collector takes on port 4318");
    return undefined;
  }
  const base = (env.OTEL_EXPORTER_OTLP_ENDPOINT || "http://localhost:4318").replace(/\/$/, "");
  const address = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || `${base}/v1/traces`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    warn("the endpoint of OTEL_EXPORTER_OTLP_ENDPOINT is no http or https address");
    return undefined;
  }
  const queueSize = count(env.OTEL_BSP_MAX_QUEUE_SIZE, 2048);
  return {
    ...{ url, queueSize },
    headers: pairs(env.OTEL_EXPORTER_OTLP_TRACES_HEADERS || env.OTEL_EXPORTER_OTLP_HEADERS),
    timeoutMs: count(env.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT || env.OTEL_EXPORTER_OTLP_TIMEOUT, 10_000),
    resource: {
      "service.name": "shimmy",
      ...pairs(env.OTEL_RESOURCE_ATTRIBUTES),
      ...(env.OTEL_SERVICE_NAME && { "service.name": env.OTEL_SERVICE_NAME }),
    },
    sampler: sampler(env.OTEL_TRACES_SAMPLER || "parentbased_always_on", env.OTEL_TRACES_SAMPLER_ARG, warn),
    batchSize: Math.min(queueSize, count(env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 512)),
    delayMs: count(env.OTEL_BSP_SCHEDULE_DELAY, 5000),
  };
}

function sampler(name: string, argument: string | undefined, warn: (reason: string) => void): TraceSettings["sampler"] {
  const parentBased = name.startsWith("parentbased_");
  const kind = name.replace("parentbased_", "");
  const share = Number(argument || 1);
  if (kind === "always_off") return { parentBased, ratio: 0 };
  if (kind === "traceidratio" && share >= 0 && share <= 1) return { parentBased, ratio: share };
  if (kind !== "always_on") warn("OTEL_TRACES_SAMPLER or its argument is not known; all requests are traced");
  return { parentBased, ratio: 1 };
}

/** "key=value,key=value", values percent-encoded. */
function pairs(text = ""): Record<string, string> {
  const entries = text.split(",").flatMap((pair) => {
    const [key = "", ...rest] = pair.split("=");
    return key.trim() === "" || rest.length === 0 ? [] : [[key.trim(), decoded(rest.join("=").trim())]];
  });
  return Object.fromEntries(entries);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // as it is: a lone % is more likely meant than wrong
  }
}

function count(text: string | undefined, otherwise: number): number {
  return text !== undefined && /^\d{1,9}$/.test(text) && Number(text) > 0 ? Number(text) : otherwise;
}
