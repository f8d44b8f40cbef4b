/** llama.cpp's own server on this machine (../shared/tools/reference-server.sh), as an upstream. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { NO_SHARED, until } from "../support/server.ts";

const SCRIPT = resolve("../shared/tools/reference-server.sh");
/** Where the script puts it; the cache folder of the tests is another one. It holds a Debian root, nothing of a person's. */
const ROOT = process.env.REFERENCE_ROOT ?? join(homedir(), ".cache", "shimmy-reference");

export const NO_LLAMA_SERVER =
  NO_SHARED ?? (existsSync(join(ROOT, "usr/bin/llama-server")) ? undefined : "reference-server.sh install was not run");

export interface LlamaServer {
  readonly url: string;
  readonly port: number;
  kill(): Promise<void>;
}

/** On `port`, or a free one. `slots` × 512 cells. */
export async function startLlamaServer(model: string, flags: readonly string[] = [], port = 0): Promise<LlamaServer> {
  const at = port === 0 ? await freePort() : port;
  // One thread: several spin at every barrier, which takes a minute beside other tests on two cores.
  const args = ["serve", String(at), "2", "1024", model, "-t", "1", ...flags];
  // The script becomes the server, so its pid is the server's.
  const child: ChildProcess = spawn(SCRIPT, args, { stdio: "ignore", env: { ...process.env, REFERENCE_ROOT: ROOT } });
  let ended = false;
  const end = new Promise<void>((resolve) =>
    child.once("close", () => {
      ended = true;
      resolve();
    }),
  );
  const url = `http://127.0.0.1:${at}`;
  const isHealthy = async () => (await fetch(`${url}/health`).catch(() => undefined))?.ok === true;
  await until(async () => {
    if (ended) throw new Error("llama-server ended");
    return isHealthy();
  });
  return {
    url,
    port: at,
    kill: () => {
      child.kill("SIGKILL");
      return end;
    },
  };
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((done) =>
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address ? address.port : 0));
    }),
  );
}
