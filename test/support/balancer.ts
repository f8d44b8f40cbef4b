/**
 * nginx or HAProxy before Shimmy instances of this machine, with the configuration that `shimmy init` writes. Used by the suite of the
 * balancers and by bench/scaling; it must not know what is asked.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { CLI, cleanEnvironment, until } from "./server.ts";

export type BalancerName = "nginx" | "haproxy";

interface Program {
  readonly file: string;
  readonly check: readonly string[];
  readonly run: readonly string[];
}

const PROGRAMS: Readonly<Record<BalancerName, (folder: string) => Program>> = {
  nginx: (folder) => {
    const placed = ["-p", folder, "-c", "nginx.conf"];
    return { file: "nginx.conf", check: ["-t", ...placed], run: [...placed, "-g", "daemon off;"] };
  },
  haproxy: () => ({ file: "haproxy.cfg", check: ["-c", "-f", "haproxy.cfg"], run: ["-W", "-f", "haproxy.cfg"] }),
};

export interface BalancerOptions {
  readonly name: BalancerName;
  /** Of its own; it is written into. */
  readonly folder: string;
  /** The first port of `instances` in a row; the balancer listens on the one behind them. */
  readonly port: number;
  readonly instances: number;
  /** Changes the configuration, to measure what a part of it is good for. */
  readonly edit?: (configuration: string) => string;
}

export interface Balancer {
  readonly url: string;
  /** What the check of the configuration said: nothing to be proud of is in it. */
  readonly checked: string;
  stop(): Promise<void>;
}

/** Writes the configuration, checks it and runs it; resolves when it listens, whatever is behind it. @throws when it is refused */
export async function startBalancer({ name, folder, port, instances, edit = (text) => text }: BalancerOptions): Promise<Balancer> {
  const { file, check, run } = PROGRAMS[name](folder);
  const environment = { ...cleanEnvironment(), HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder };
  const once = (program: string, args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, env: environment, encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}: ${stdout}${stderr}`);
    return `${stdout}${stderr}`;
  };
  const flags = ["--port", `${port}`, "--replicas", `${instances}`, "--memory", "2Gi"];
  once(process.execPath, [CLI, "init", "--template", name, "--out", folder, ...flags]);
  mkdirSync(join(folder, "temp"), { recursive: true });
  // What else listens on 8080 of this machine is none of ours.
  const front = `127.0.0.1:${port + instances}`;
  const path = join(folder, file);
  writeFileSync(path, edit(readFileSync(path, "utf8").replace("127.0.0.1:8080", front)));
  const checked = once(name, check);
  const child = spawn(name, run, { cwd: folder, env: environment, stdio: "ignore" });
  const gone = ended(child);
  const url = `http://${front}`;
  const listens = () =>
    fetch(`${url}/metrics`).then(
      ({ status }) => status === 404,
      () => false,
    );
  await Promise.race([until(listens), gone.then((code) => Promise.reject(new Error(`${name} ended with ${code}`)))]);
  const stop = async () => {
    child.kill("SIGTERM");
    await gone;
  };
  return { url, checked, stop };
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", reject);
  });
}

/** The first of `count` ports in a row that are free now; of a range from which the kernel takes none by itself. */
export async function freePorts(count: number): Promise<number> {
  for (let first = 21_000 + Math.floor(Math.random() * 10_000); ; first += count) {
    const all = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)));
    if (all.every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
