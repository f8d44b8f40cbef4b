/**
 * A server as a child process: started, watched until healthy, measured, stopped. Called by contestants and start-up; it knows no product.
 * Whatever happens to the bench, no child stays behind.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { treeOf } from "../../src/bench/measure/process-tree.ts";

export interface Command {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where it will listen; absent: it tells on stdout, in a line with its URL. */
  readonly url?: string;
}

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 5_000;
const POLL_MS = 4;

let logFolder: string | undefined;
const living = new Set<ChildProcess>();
process.on("exit", (code) => {
  for (const child of living) killTree(child.pid, "SIGKILL");
  if (code === 0 && logFolder !== undefined) rmSync(logFolder, { recursive: true, force: true }); // after a failure the logs are worth reading
});

export class ServerProcess {
  private constructor(
    readonly pid: number,
    readonly url: string,
    /** From spawn to the first 200 of /health. */
    readonly healthyMs: number,
    private readonly child: ChildProcess,
    /** `performance.now()` of the spawn. */
    readonly spawnedAt: number,
  ) {}

  /** @throws when it ends or is not healthy within a minute, with the end of its log. */
  static async start(command: Command): Promise<ServerProcess> {
    logFolder ??= mkdtempSync(join(tmpdir(), "shimmy-bench-"));
    const log = join(logFolder, `${command.name}-${Date.now()}.log`);
    const logFile = openSync(log, "a");
    const spawnedAt = performance.now();
    const child = spawn(command.file, command.args, {
      // Logs go to a file and not through a pipe: reading them would cost the bench CPU that the servers need.
      stdio: ["ignore", command.url === undefined ? "pipe" : logFile, logFile],
      env: { ...process.env, ...command.env },
    });
    closeSync(logFile);
    living.add(child);
    const failed = new Promise<never>((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        living.delete(child);
        reject(new Error(`${command.name} ended (${code ?? signal}):\n${readFileSync(log, "utf8").slice(-2000)}`));
      });
    });
    failed.catch(() => living.delete(child)); // also when nobody waits for it any more
    try {
      const url = command.url ?? (await Promise.race([readyLine(child), failed]));
      await Promise.race([untilHealthy(url, spawnedAt + START_LIMIT_MS), failed]);
      return new ServerProcess(child.pid!, url, performance.now() - spawnedAt, child, spawnedAt);
    } catch (error) {
      killTree(child.pid, "SIGKILL");
      throw error;
    }
  }

  /** Resolves when the whole tree is gone: an engine that outlives its gateway would disturb the next run. */
  async stop(): Promise<void> {
    const tree = treeOf(this.pid);
    this.child.kill("SIGTERM");
    const deadline = performance.now() + STOP_LIMIT_MS;
    while (tree.some(isAlive)) {
      if (performance.now() > deadline) for (const pid of tree) kill(pid, "SIGKILL");
      await sleep(20);
    }
  }
}

/** A free port of loopback; whoever takes it next may be somebody else, so it is only for servers that cannot choose one. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}

/** GET, the body as text; status 0 when nobody listens. */
export function fetchText(url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => {
    const req = get(url, { agent: false }, (res) => {
      let body = "";
      res.setEncoding("utf8");
      res.on("data", (text: string) => {
        body += text;
      });
      res.on("end", () => resolve({ status: res.statusCode ?? 0, body }));
    });
    req.on("error", () => resolve({ status: 0, body: "" }));
  });
}

function readyLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    child.stdout?.setEncoding("utf8");
    child.stdout?.on("data", (more: string) => {
      text += more;
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
      if (url !== undefined) resolve(url);
    });
  });
}

async function untilHealthy(url: string, deadline: number): Promise<void> {
  while (performance.now() < deadline) {
    if ((await fetchText(`${url}/health`)).status === 200) return; // 503 while the model loads, both servers
    await sleep(POLL_MS);
  }
  throw new Error(`${url} is not healthy after ${START_LIMIT_MS / 1000} s`);
}

/** Ended processes that nobody waited for yet still count to the kernel; for a measurement they are gone. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false; // no such process
  }
}

function killTree(root: number | undefined, signal: NodeJS.Signals): void {
  if (root !== undefined) for (const pid of treeOf(root)) kill(pid, signal);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // gone already is what was wanted
  }
}
