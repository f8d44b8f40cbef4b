/** What `bind` and `port` say together: the address to listen on. Called by `serve` and by whoever mounts the server. */
import { ShimmyError } from "../contract/errors.ts";
import { type LoadedConfig, placeOf, type Source } from "./load.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Nobody named a port, so the next free one may be taken instead. */
  readonly nextFree: boolean;
}

const STRENGTH: Readonly<Record<Source["from"], number>> = { default: 0, file: 1, environment: 2, flag: 3 };

/**
 * The port of a HOST:PORT counts as a port that was named, so the stronger source wins (`--port 80` over the file's bind).
 * @throws invalid_setting if one source names two different ports.
 */
export function listenAddress({ config, sources }: Pick<LoadedConfig, "config" | "sources">): ListenAddress {
  const { bind, port } = config;
  const portNamed = sources.port.from !== "default";
  if (bind === "auto") return { host: "127.0.0.1", port, nextFree: !portNamed };
  const lead = STRENGTH[sources.port.from] - STRENGTH[sources.bind.from];
  if (portNamed && lead === 0 && port !== bind.port) {
    throw new ShimmyError("invalid_setting", {
      source: placeOf(sources.port),
      name: "port",
      value: String(port),
      reason: `bind already names port ${bind.port}`,
    });
  }
  return { host: bind.host, port: portNamed && lead > 0 ? port : bind.port, nextFree: false };
}

/** Whether only this machine can reach a server that listens on `host`. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
