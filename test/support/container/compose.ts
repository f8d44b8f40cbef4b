/**
 * Reads a service of a compose file into what container.ts runs, by the Compose Specification (compose-spec.io). Called by the container
 * suite. Every key is carried out, or it is in the short list of what has no meaning here; any other is an error.
 */
import { join } from "node:path";
import { parse } from "yaml";
import type { RunOptions } from "./container.ts";

type Service = Readonly<Record<string, unknown>>;

/** About the engine's own life: what it builds, restarts, writes and in which order it starts. */
const NOT_RUN = ["image", "build", "restart", "logging", "depends_on"];

const UNITS: Readonly<Record<string, number>> = { B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** @param text of compose.yaml. @param volumes the folder that holds its volumes, one each. @param variables what stands in .env */
export function composeServices(
  text: string,
  volumes: string,
  variables: Readonly<Record<string, string>>,
): ReadonlyMap<string, RunOptions> {
  const { services } = parse(text, { merge: true }) as { services: Record<string, Service> };
  return new Map(Object.entries(services).map(([name, service]) => [name, optionsOf(service, volumes, variables)]));
}

function optionsOf(service: Service, volumes: string, variables: Readonly<Record<string, string>>): RunOptions {
  const parts = Object.entries(service)
    .filter(([key]) => !NOT_RUN.includes(key))
    .map(([key, value]) => {
      const read = KEYS[key];
      if (!read) throw new Error(`the key ${key} of a service is not known`);
      return read(value, volumes, (text) => interpolate(text, variables));
    });
  return Object.assign({}, ...parts) as RunOptions;
}

type Reader = (value: unknown, volumes: string, filled: (text: string) => string) => RunOptions;

const KEYS: Readonly<Record<string, Reader>> = {
  init: (value) => ({ init: value === true }),
  read_only: (value) => ({ readOnly: value === true }),
  tmpfs: (value) => ({ tmpfs: Object.fromEntries((value as string[]).map((each) => split(each))) }),
  cap_drop: (value) => ({ dropsAll: only(value, ["ALL"]) }),
  security_opt: (value) => ({ noNewPrivileges: only(value, ["no-new-privileges:true"]) }),
  stop_grace_period: (value) => ({ graceMs: 1000 * Number(/^(\d+)s$/.exec(String(value))?.[1]) }),
  deploy: (value) => {
    const { cpus, memory, pids } = (value as { resources: { limits: { cpus: string; memory: string; pids: number } } }).resources.limits;
    return { cpus: Number(cpus), memoryBytes: bytes(memory), pids };
  },
  // "127.0.0.1:OUTSIDE:INSIDE"; the test publishes on a free port instead of OUTSIDE.
  ports: (value) => {
    const [, inside] = /^127\.0\.0\.1:\d+:(\d+)$/.exec(String((value as string[])[0])) ?? [];
    if (inside === undefined || (value as string[]).length !== 1) throw new Error(`the ports ${String(value)} are not known`);
    return { port: Number(inside) };
  },
  environment: (value, _, filled) => ({
    env: Array.isArray(value)
      ? {}
      : Object.fromEntries(Object.entries(value as Record<string, string>).map(([name, text]) => [name, filled(text)])),
  }),
  volumes: (value, folder) => ({
    volumes: Object.fromEntries((value as string[]).map((each) => split(each)).map(([name, path]) => [join(folder, name), path])),
  }),
  entrypoint: (value) => ({ entrypoint: value as string[] }),
  // `$$` is how a compose file writes `$`.
  command: (value, _, filled) => ({ command: (value as string[]).map(filled) }),
  healthcheck: (value) => {
    if ((value as { disable?: boolean }).disable !== true) throw new Error("a health check of compose's own is not known");
    return {};
  },
};

function split(text: string): [string, string] {
  const [name = "", ...rest] = text.split(":");
  return [name, rest.join(":")];
}

function only(value: unknown, expected: readonly string[]): boolean {
  if (JSON.stringify(value) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify(value)} is not known`);
  return true;
}

function bytes(text: string): number {
  const [, digits, unit] = /^(\d+)([BKMG])$/i.exec(text) ?? [];
  if (digits === undefined || unit === undefined) throw new Error(`'${text}' is no size`);
  return Number(digits) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
}

/** `$$`, and `${NAME:?message}`, which is an error if NAME is not set. */
function interpolate(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\{(\w+):\?([^}]*)\}|\$/g, (whole, name?: string, message?: string) => {
    if (whole === "$$") return "$";
    const value = name === undefined ? undefined : variables[name];
    if (!value) throw new Error(name === undefined ? `'${text}' is not known` : `${name} ${message}`);
    return value;
  });
}
