/**
 * Runs an image as a container engine runs it: namespaces, a root that may be read-only, volumes, a /tmp in memory, capabilities, limits,
 * a network of its own with a published port, an init in front if asked for. Not imitated: seccomp and AppArmor profiles, masked paths of
 * /proc. Called by the container suite; it knows no Shimmy.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CGROUPS, Cgroups, type Limits } from "./cgroups.ts";
import type { Image } from "./image.ts";
import { Network } from "./network.ts";

export interface RunOptions extends Limits {
  readonly env?: Readonly<Record<string, string>>;
  /** More of it, that names the machine: by its address as the container sees it. */
  readonly envOf?: (gateway: string) => Readonly<Record<string, string>>;
  /** Instead of the image's, with whatever command follows. */
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  /** Folder of the machine → path in the container. An empty one gets what the image has there, and its owner, as a named volume does. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** Volumes come as root's and empty, as hosters mount them. */
  readonly bareVolumes?: boolean;
  readonly readOnly?: boolean;
  /** Path → options of mount, beside Docker's own noexec, nosuid, nodev. */
  readonly tmpfs?: Readonly<Record<string, string>>;
  readonly dropsAll?: boolean;
  readonly noNewPrivileges?: boolean;
  readonly init?: boolean;
  /** From SIGTERM to SIGKILL; absent: the 10 s of Docker. */
  readonly graceMs?: number;
  /** A port of the machine's loopback that answers at the gateway. */
  readonly reaches?: number;
  /** Of the container, published on a port of 127.0.0.1. */
  readonly port?: number;
}

/** Those that Docker leaves to a container. */
const CAPABILITIES =
  "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap";
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];
const HEALTHY_MS = 30_000;
const GRACE_MS = 10_000;
let counter = 0;

export class Container {
  readonly #image: Image;
  readonly #options: RunOptions;
  readonly #cgroups: Cgroups;
  readonly #network: Network;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #output = "";

  private constructor(id: string, network: Network, image: Image, options: RunOptions) {
    this.#image = image;
    this.#options = options;
    this.#makeVolumes();
    this.#network = network;
    this.#cgroups = new Cgroups(id, options);
    const join = this.#cgroups.controllers.map((name) => `echo $$ > ${this.#cgroups.folder(name)}/cgroup.procs\n`).join("");
    const namespaces = `nsenter --net=/run/netns/${id} unshare --mount --pid --ipc --uts --fork --kill-child`;
    // Its first argument is the script of the inner shell, the others are the container's command.
    this.#child = spawn("sh", ["-euc", `${join}exec ${namespaces} sh -euc "$0" sh "$@"`, this.#script(id), ...this.#command()], {
      env: { ...this.#environment(), PATH: process.env.PATH },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#collect(this.#child, (text) => {
      this.#output += text;
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", resolve));
  }

  /** Whoever starts one calls stop() or kill() in the end. */
  static async start(image: Image, options: RunOptions = {}): Promise<Container> {
    const id = `shm${process.pid}x${++counter}`;
    const network = new Network(id);
    if (options.reaches !== undefined) await network.reach(options.reaches);
    const container = new Container(id, network, image, options);
    if (options.port !== undefined) await container.#network.publish(options.port);
    while (container.#isBeingMade()) await sleep(5);
    return container;
  }

  /** Number 1 is still the shell that makes the container's view of the disk, or not there yet. */
  #isBeingMade(): boolean {
    if (this.#child.exitCode !== null) return false;
    const [first] = childrenOf(this.#child.pid);
    return first === undefined || commandLine(first).includes("pivot_root");
  }

  /** Where the published port answers. */
  get url(): string {
    return this.#network.url;
  }

  /** stdout and stderr. */
  get output(): string {
    return this.#output;
  }

  /** The machine's number of the process that is 1 in the container. */
  get pid(): number {
    const [first] = childrenOf(this.#child.pid);
    if (first === undefined) throw new Error(`the container is not running: ${this.#output}`);
    return first;
  }

  /** As `docker exec`: beside the server, as the image's user. What takes longer than its time ends with 137. */
  async exec(command: readonly string[], timeoutMs = 10_000): Promise<{ code: number; output: string }> {
    const enter = ["--mount", "--pid", "--net", "--ipc", "--uts", "--root", `--wdns=${this.#image.config.workdir}`];
    const child = spawn("nsenter", [...enter, `--target=${this.pid}`, ...this.#privileges(), ...command], {
      env: this.#environment(),
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    let output = "";
    this.#collect(child, (text) => {
      output += text;
    });
    const code = await new Promise<number>((resolve) => child.once("close", (status) => resolve(status ?? 137)));
    return { code, output };
  }

  /** The image's HEALTHCHECK once: 0 healthy, 1 unhealthy, 137 too slow. */
  async health(): Promise<number> {
    const check = this.#image.config.healthcheck;
    if (!check) throw new Error("the image has no HEALTHCHECK");
    return (await this.exec(check.command, check.timeoutMs)).code;
  }

  /** Until its port answers /health with 200; asked from outside, so that the start is not disturbed. */
  async untilReady(): Promise<void> {
    const end = Date.now() + HEALTHY_MS;
    // The first fetch of a process may not notice that its connection was closed at once (Node 20), hence its own limit.
    const ready = () =>
      fetch(`${this.url}/health`, { signal: AbortSignal.timeout(500) }).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await ready())) {
      if (Date.now() > end || this.#child.exitCode !== null) throw new Error(`it is not ready: ${this.#output}`);
      await sleep(50);
    }
  }

  /** Its processes, as the machine numbers them. */
  processes(): number[] {
    const own = readlinkSync(`/proc/${this.pid}/ns/pid`);
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && namespaceOf(name) === own)
      .map(Number);
  }

  /** @param path such as "memory/memory.max_usage_in_bytes" */
  cgroup(path: string): string {
    return this.#cgroups.read(path);
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** Its exit code, once it has ended. */
  get outcome(): Promise<number | null> {
    return this.#ended;
  }

  /** When it ended by itself or by signal(): its code; what it had of the machine is given back. */
  async ended(): Promise<number | null> {
    const code = await this.#ended;
    this.#network.remove();
    await this.#cgroups.remove();
    return code;
  }

  /** As `docker stop`: SIGTERM to number 1, SIGKILL after the grace. @returns null if it had to be killed */
  async stop(): Promise<number | null> {
    this.signal("SIGTERM");
    const late = setTimeout(() => this.signal("SIGKILL"), this.#options.graceMs ?? GRACE_MS);
    const code = await this.ended();
    clearTimeout(late);
    return code;
  }

  /** Number 1 takes all others with it. (The kernel forgets --kill-child when it changes its user.) */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null) this.signal("SIGKILL");
    await this.ended();
  }

  #collect(child: ChildProcess, take: (text: string) => void): void {
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", take);
  }

  #command(): string[] {
    const { config } = this.#image;
    const { init, entrypoint, command } = this.#options;
    const words = entrypoint ? [...entrypoint, ...(command ?? [])] : [...config.entrypoint, ...(command ?? config.cmd)];
    return [...(init ? ["/sbin/docker-init", "--"] : []), ...words];
  }

  #environment(): Record<string, string> {
    return { HOME: "/root", ...this.#image.config.env, ...this.#options.env, ...this.#options.envOf?.(this.#network.gateway) };
  }

  #privileges(): string[] {
    const { dropsAll, noNewPrivileges } = this.#options;
    const [user = "0", group = "0"] = this.#image.config.user?.split(":") ?? [];
    const kept = dropsAll ? [] : CAPABILITIES.split(",").map((name) => `,+${name}`);
    return [
      ...["setpriv", `--reuid=${user}`, `--regid=${group}`, "--clear-groups", `--bounding-set=-all${kept.join("")}`, "--inh-caps=-all"],
      ...(noNewPrivileges ? ["--no-new-privs"] : []),
    ];
  }

  /** Shell that runs as number 1 of the new namespaces, makes the container's view of the disk, and becomes what is run there. */
  #script(id: string): string {
    const { root, config } = this.#image;
    const { volumes = {}, tmpfs = {}, readOnly, init } = this.#options;
    if (init) writeFileSync(join(root, "sbin/docker-init"), "");
    const { controllers } = this.#cgroups;
    return [
      `hostname ${id}; mount --make-rprivate /; mount --bind ${root} ${root}; cd ${root}`,
      "mount -t proc -o nosuid,noexec,nodev proc proc; mount -t sysfs -o ro,nosuid,noexec,nodev sysfs sys",
      "mount -t tmpfs tmpfs sys/fs/cgroup",
      ...controllers.map((name) => `mkdir sys/fs/cgroup/${name}; mount --bind -o ro ${CGROUPS}/${name}/${id} sys/fs/cgroup/${name}`),
      "mount -t tmpfs -o mode=755,nosuid tmpfs dev; mkdir dev/shm; mount -t tmpfs -o size=64m,mode=1777,nosuid,nodev,noexec shm dev/shm",
      ...DEVICES.map((name) => `touch dev/${name}; mount --bind /dev/${name} dev/${name}`),
      "ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr",
      ...(init ? ["mount --bind /usr/bin/tini-static sbin/docker-init"] : []),
      ...Object.entries(volumes).map(([folder, path]) => `mount --bind ${folder} .${path}`),
      ...Object.entries(tmpfs).map(([path, options]) => `mount -t tmpfs -o noexec,nosuid,nodev,${options} tmpfs .${path}`),
      ...(readOnly ? ["mount -o remount,bind,ro ."] : []),
      "pivot_root . .; umount -l .",
      `export PATH="${this.#environment().PATH}"; cd ${config.workdir}; exec ${this.#privileges().join(" ")} "$@"`,
    ].join("\n");
  }

  #makeVolumes(): void {
    const { root } = this.#image;
    const { volumes = {}, bareVolumes } = this.#options;
    for (const [folder, path] of Object.entries(volumes)) {
      mkdirSync(folder, { recursive: true });
      mkdirSync(join(root, path), { recursive: true });
      if (bareVolumes || readdirSync(folder).length > 0) continue;
      execFileSync("cp", ["-a", `${join(root, path)}/.`, folder]);
      execFileSync("chown", [`--reference=${join(root, path)}`, folder]);
    }
  }
}

function childrenOf(pid: number | undefined): number[] {
  const text = readOrNothing(`/proc/${pid}/task/${pid}/children`).trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

function commandLine(pid: number): string {
  return readOrNothing(`/proc/${pid}/cmdline`);
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined; // it ended meanwhile
  }
}
