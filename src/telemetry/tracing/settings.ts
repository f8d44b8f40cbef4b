/**
 * OpenTelemetry's environment variables, as far as traces over OTLP/HTTP go. Read once at the start; what is on is loaded then only.
 * Sources: opentelemetry.io, "SDK environment variables" and "OTLP exporter configuration".
 */
import { readFileSync } from "node:fs";

export interface TraceSettings {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly gzip: boolean;
  /** PEM: who is believed to have signed the collector's certificate, and who we are. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Attributes of the resource; `service.name` is one of them. */
  readonly resource: Readonly<Record<string, string>>;
  readonly sampler: { readonly parentBased: boolean /** 0 to 1. */; readonly ratio: number };
  readonly queueSize: number;
  readonly batchSize: number;
  readonly delayMs: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

type Warn = (reason: string) => void;

/** @param warn of what is asked for and is not there. @param read a file as text. @returns undefined: no traces. */
export function traceSettings(env: Environment, warn: Warn, read: (path: string) => string = readText): TraceSettings | undefined {
  if (!sendsOtlp(env, warn)) return undefined;
  const url = endpoint(env, warn);
  if (!url) return undefined;
  const number = (names: readonly string[], otherwise: number) => count(env, names, otherwise, warn);
  const queueSize = number(["OTEL_BSP_MAX_QUEUE_SIZE"], 2048);
  return {
    ...{ url, queueSize },
    headers: pairs(env.OTEL_EXPORTER_OTLP_TRACES_HEADERS || env.OTEL_EXPORTER_OTLP_HEADERS),
    timeoutMs: number(["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"], 10_000),
    gzip: isGzip(env.OTEL_EXPORTER_OTLP_TRACES_COMPRESSION || env.OTEL_EXPORTER_OTLP_COMPRESSION, warn),
    tls: {
      ...file(env, "CERTIFICATE", "ca", warn, read),
      ...file(env, "CLIENT_CERTIFICATE", "cert", warn, read),
      ...file(env, "CLIENT_KEY", "key", warn, read),
    },
    resource: {
      "service.name": "shimmy",
      ...pairs(env.OTEL_RESOURCE_ATTRIBUTES),
      ...(env.OTEL_SERVICE_NAME && { "service.name": env.OTEL_SERVICE_NAME }),
    },
    sampler: sampler(env.OTEL_TRACES_SAMPLER || DEFAULT_SAMPLER, env.OTEL_TRACES_SAMPLER_ARG, warn),
    batchSize: Math.min(queueSize, number(["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"], 512)),
    delayMs: number(["OTEL_BSP_SCHEDULE_DELAY"], 5000),
  };
}

function sendsOtlp(env: Environment, warn: Warn): boolean {
  const exporter = env.OTEL_TRACES_EXPORTER || "otlp";
  if (!exporter.split(",").some((name) => name.trim() === "otlp")) {
    warn(`OTEL_TRACES_EXPORTER is ${exporter}; only otlp and none are known`);
    return false;
  }
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL || "http/json";
  if (protocol === "grpc") {
    warn("OTEL_EXPORTER_OTLP_PROTOCOL is grpc; traces are sent as http/json only, which a collector takes on port 4318");
    return false;
  }
  // A collector takes both at one address, so this is no reason to send nothing.
  if (protocol !== "http/json") warn(`OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}; traces are sent as http/json`);
  return true;
}

function endpoint(env: Environment, warn: Warn): URL | undefined {
  const own = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  const base = (env.OTEL_EXPORTER_OTLP_ENDPOINT || "http://localhost:4318").replace(/\/+$/, "");
  const address = own || `${base}/v1/traces`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return url;
  warn(`${own ? "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" : "OTEL_EXPORTER_OTLP_ENDPOINT"} is no http or https address`);
  return undefined;
}

function isGzip(compression: string | undefined, warn: Warn): boolean {
  if (compression && compression !== "gzip" && compression !== "none")
    warn(`OTEL_EXPORTER_OTLP_COMPRESSION is ${compression}; only gzip and none are known`);
  return compression === "gzip";
}

/** One that cannot be read is told: without it the collector's certificate is refused, or ours is not asked for. */
function file(env: Environment, name: string, field: "ca" | "cert" | "key", warn: Warn, read: (path: string) => string) {
  const variable = env[`OTEL_EXPORTER_OTLP_TRACES_${name}`] ? `OTEL_EXPORTER_OTLP_TRACES_${name}` : `OTEL_EXPORTER_OTLP_${name}`;
  const path = env[variable];
  if (!path) return {};
  try {
    return { [field]: read(path) };
  } catch (error) {
    warn(`${variable} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return {};
  }
}

function readText(path: string): string {
  return readFileSync(path, "utf8");
}

const DEFAULT_SAMPLER = "parentbased_always_on";
const SAMPLERS = ["always_on", "always_off", "traceidratio"];

function sampler(name: string, argument: string | undefined, warn: Warn): TraceSettings["sampler"] {
  const parentBased = name.startsWith("parentbased_");
  const kind = name.replace("parentbased_", "");
  if (!SAMPLERS.includes(kind)) {
    warn(`OTEL_TRACES_SAMPLER is ${name}, which is not known; ${DEFAULT_SAMPLER} is used`);
    return { parentBased: true, ratio: 1 };
  }
  if (kind === "always_off") return { parentBased, ratio: 0 };
  const share = kind === "traceidratio" && argument ? Number(argument) : 1;
  if (share >= 0 && share <= 1) return { parentBased, ratio: share };
  warn("OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1; 1 is used");
  return { parentBased, ratio: 1 };
}

/** "key=value,key=value", values percent-encoded: as W3C baggage, without its properties. */
function pairs(text = ""): Record<string, string> {
  const entries = text.split(",").flatMap((pair) => {
    const [key = "", ...rest] = pair.split("=");
    return key.trim() === "" || rest.length === 0 ? [] : [[decoded(key.trim()), decoded(rest.join("=").trim())]];
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

/** The first that is set counts. What is no number is told and passed over, as the specification asks for. */
function count(env: Environment, names: readonly string[], otherwise: number, warn: Warn): number {
  const name = names.find((candidate) => env[candidate]);
  if (name === undefined) return otherwise;
  const text = env[name]!.trim();
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
  warn(`${name} is no whole number above 0; ${otherwise} is used`);
  return otherwise;
}
