/** Whether a port can be listened on, and who has it if not. Called by the port checks of validate/ and doctor/. */
import { createServer } from "node:net";
import { listenerOf, programOf } from "./processes.ts";

export interface PortState {
  readonly free: boolean;
  /** Of the system, when it is not free: EADDRINUSE, EACCES, EADDRNOTAVAIL. */
  readonly code?: string;
  readonly pid?: number;
  /** "shimmy" when a Shimmy answers there, else the program's name as far as it is known. */
  readonly holder?: string;
}

const ANSWER_MS = 2000;

/** Takes the port for a moment to know. */
export async function lookAtPort(host: string, port: number): Promise<PortState> {
  const code = await tryToListen(host, port);
  if (code === undefined) return { free: true };
  if (code !== "EADDRINUSE") return { free: false, code };
  const pid = listenerOf(port);
  const holder = (await isShimmy(host, port)) ? "shimmy" : pid === undefined ? undefined : programOf(pid);
  return { free: false, code, ...(pid !== undefined && { pid }), ...(holder !== undefined && { holder }) };
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

async function isShimmy(host: string, port: number): Promise<boolean> {
  const reachable = { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[host] ?? (host.includes(":") ? `[${host}]` : host);
  try {
    const answer = await fetch(`http://${reachable}:${port}/health`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return ((await answer.json()) as { service?: unknown } | null)?.service === "shimmy";
  } catch {
    return false; // whatever it is, it is none
  }
}
