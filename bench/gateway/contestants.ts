/** The processes of `bench:gateway`: instances, gateways of one or two builds, bare proxies. Started by ../gateway.ts. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

export interface Started {
  readonly url: string;
  readonly pid: number;
  stop(): void;
}

/** `node ARGS`, which prints a line of JSON with its `url`. */
function start(args: readonly string[], cwd: string): Promise<Started> {
  const env = { ...process.env, HOME: cwd, XDG_CONFIG_HOME: cwd, XDG_DATA_HOME: cwd, SHIMMY_MODEL_STORES: "off" };
  const child: ChildProcess = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((done, fail) => {
    child.once("exit", (code) => fail(new Error(`${args.join(" ")} ended with ${code}`)));
    child.stdout!.once("data", (line) => done({ url: JSON.parse(String(line)).url, pid: child.pid!, stop: () => child.kill("SIGTERM") }));
  });
}

/** @param dist the folder of a build. @param node flags of Node itself, such as --cpu-prof */
export function serve(dist: string, args: readonly string[], cwd: string, node: readonly string[] = []): Promise<Started> {
  return start([...node, resolve(dist, "cli.js"), "serve", "--bind", "127.0.0.1:0", "--json", "--log-level", "warn", ...args], cwd);
}

export function bareProxy(kind: "tcp" | "http", instances: readonly Started[], cwd: string): Promise<Started> {
  return start([resolve("bench/gateway/bare-proxy.mjs"), kind, ...instances.map(({ url }) => new URL(url).port)], cwd);
}

/** Microseconds of user and system time so far; a tick of /proc is 10 ms. */
export function cpuOf(pid: number): { readonly user: number; readonly system: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return { user: Number(fields[11]) * 10_000, system: Number(fields[12]) * 10_000 };
}
