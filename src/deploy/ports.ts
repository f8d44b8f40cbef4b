/** Whether a port can be listened on, and who has it if not. Called by the port checks of validate/ and doctor/. */
import { get } from "node:http";
import { createServer } from "node:net";
import { hostPort } from "../config/kinds.ts";
import { isLoopback } from "../config/listen.ts";
import { listenerOf, programOf } from "./processes.ts";

export interface PortState {
  readonly free: boolean;
  /** Of the system, when it is not free: EADDRINUSE, EACCES, EADDRNOTAVAIL. */
  readonly code?: string;
  readonly pid?: number;
  /** "shimmy" when a Shimmy answers there, else the program's name as far as it is known. */
  readonly holder?: string;
  /** It is a Shimmy whose package was replaced under it. */
  readonly outdated?: boolean;
}

const ANSWER_MS = 2000;
/** Of an answer to /health. */
const MOST_CHARACTERS = 65_536;

/** Takes the port for a moment to know. */
export async function lookAtPort(host: string, port: number): Promise<PortState> {
  const code = await tryToListen(host, port);
  if (code === undefined) return { free: true };
  if (code !== "EADDRINUSE") return { free: false, code };
  const pid = listenerOf(port);
  const health = await healthOf(host, port);
  const holder = health ? "shimmy" : pid === undefined ? undefined : programOf(pid);
  const outdated = health?.degraded?.some(({ part }) => part === "package");
  return { free: false, code, ...(pid !== undefined && { pid }), ...(holder !== undefined && { holder }), ...(outdated && { outdated }) };
}

/** The process that listens at an address of this machine; undefined: another machine's, or it cannot be seen. */
export function listenerAt(url: string): number | undefined {
  const { hostname, port, protocol } = new URL(url);
  return isLoopback(hostname) ? listenerOf(Number(port || (protocol === "https:" ? 443 : 80))) : undefined;
}

export function holderText({ holder, pid }: PortState): string {
  if (holder === undefined) return "another program (of another user, or it cannot be seen)";
  return pid === undefined ? holder : `${holder} (process ${pid})`;
}

function tryToListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** What of it is looked at. */
interface HealthSeen {
  readonly degraded?: ReadonlyArray<{ readonly part?: unknown }>;
}

/** Undefined: no Shimmy answers. By node:http, for fetch ends the process where WebAssembly gets no memory (ulimit -v). */
function healthOf(host: string, port: number): Promise<HealthSeen | undefined> {
  const reachable = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  return new Promise((resolve) => {
    // Whatever it is that does not answer so: it is none.
    const options = { agent: false, signal: AbortSignal.timeout(ANSWER_MS) };
    const request = get(`http://${hostPort(reachable, port)}/health`, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        if (text.length > MOST_CHARACTERS) request.destroy();
      });
      response.once("error", () => resolve(undefined)).once("close", () => resolve(saidByShimmy(text)));
    });
    request.once("error", () => resolve(undefined));
  });
}

function saidByShimmy(text: string): HealthSeen | undefined {
  try {
    const said = JSON.parse(text) as { service?: unknown; degraded?: unknown } | null;
    if (said?.service !== "shimmy") return undefined;
    return Array.isArray(said.degraded) ? { degraded: said.degraded.filter((each) => typeof each === "object" && each !== null) } : {};
  } catch {
    return undefined; // no JSON
  }
}
