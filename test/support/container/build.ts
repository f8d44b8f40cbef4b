/**
 * Executes a Dockerfile as a builder would, in a root made by base-root.ts: RUN by chroot in namespaces of its own, COPY from what
 * .dockerignore lets through. Called by the container suite. Two things of the machine come along for RUN only and leave no trace in the
 * image: its certificates (the network here may have an authority of its own) and a cache of npm.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { baseRoot } from "./base-root.ts";
import { assignments, glob, type Instruction, isSent, parseDockerfile, substitute } from "./dockerfile.ts";
import type { Image, ImageConfig } from "./image.ts";

interface Stage {
  readonly root: string;
  readonly standsFor: string;
  readonly baseBytes: number;
  config: ImageConfig;
  /** Of ARG: they end with the stage. */
  readonly arguments: Record<string, string>;
}

/** @param context the folder that the Dockerfile lies in. @param into where the roots of the stages are made. @throws Error, with line and output */
export function buildImage(context: string, dockerfile: string, into: string): Image {
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const instruction of parseDockerfile(readFileSync(join(context, dockerfile), "utf8"))) {
    try {
      if (instruction.name === "FROM") stage = begin(instruction, into, stages);
      else if (stage) STEPS[instruction.name]?.(stage, instruction, context, stages);
      else throw new Error("FROM has to be the first");
    } catch (error) {
      throw new Error(`${dockerfile}, line ${instruction.line}, ${instruction.name}: ${(error as Error).message}`, { cause: error });
    }
  }
  if (!stage) throw new Error(`${dockerfile} has no FROM`);
  const bytes = sizeOf(stage.root);
  return { root: stage.root, config: stage.config, standsFor: stage.standsFor, bytes, addedBytes: bytes - stage.baseBytes };
}

function begin({ text }: Instruction, into: string, stages: Map<string, Stage>): Stage {
  const [, image = "", name = `${stages.size}`] = /^(\S+)(?:\s+as\s+(\S+))?$/i.exec(text) ?? [];
  const base = baseRoot(image);
  const root = join(into, `stage-${stages.size}`);
  mkdirSync(root, { recursive: true });
  execFileSync("cp", ["-a", "--reflink=auto", `${base.folder}/.`, root]);
  const stage = { root, standsFor: base.standsFor, baseBytes: sizeOf(base.folder), config: base.config, arguments: {} };
  stages.set(name, stage);
  return stage;
}

type Step = (stage: Stage, instruction: Instruction, context: string, stages: ReadonlyMap<string, Stage>) => void;

const STEPS: Readonly<Record<string, Step>> = {
  ARG: (stage, { text }) => {
    const [name = "", ...value] = text.split("=");
    stage.arguments[name] = substitute(value.join("="), variables(stage));
  },
  ENV: (stage, { text }) => {
    const known = variables(stage);
    const set = Object.fromEntries(assignments(text).map(([name, value]) => [name, substitute(value, known)]));
    stage.config = { ...stage.config, env: { ...stage.config.env, ...set } };
  },
  WORKDIR: (stage, { text }) => {
    const workdir = resolve(stage.config.workdir, substitute(text, variables(stage)));
    mkdirSync(join(stage.root, workdir), { recursive: true });
    stage.config = { ...stage.config, workdir };
  },
  USER: (stage, { text }) => {
    if (!/^\d+:\d+$/.test(text)) throw new Error("a user that is no number is not known");
    stage.config = { ...stage.config, user: text };
  },
  EXPOSE: (stage, { text }) => {
    if (!/^\d+$/.test(text)) throw new Error(`'${text}' is no port`);
    stage.config = { ...stage.config, exposed: [...(stage.config.exposed ?? []), Number(text)] };
  },
  VOLUME: (stage, { text, exec }) => {
    for (const path of exec ?? text.split(/\s+/)) mkdirSync(join(stage.root, path), { recursive: true });
  },
  HEALTHCHECK: (stage, { text, flags }) => {
    const [, kind, rest = ""] = /^(CMD|NONE)\s*(.*)$/s.exec(text) ?? [];
    if (kind !== "CMD") throw new Error(`'${text}' is not known`);
    const words: unknown = rest.startsWith("[") ? JSON.parse(rest) : ["/bin/sh", "-c", rest];
    const command = (words as unknown[]).map(String);
    stage.config = {
      ...stage.config,
      healthcheck: { command, timeoutMs: milliseconds(flags.timeout ?? "30s"), retries: Number(flags.retries ?? 3) },
    };
  },
  // An entry point of its own takes the base's CMD away.
  ENTRYPOINT: (stage, instruction) => {
    stage.config = { ...stage.config, entrypoint: words(instruction), cmd: [] };
  },
  CMD: (stage, instruction) => {
    stage.config = { ...stage.config, cmd: words(instruction) };
  },
  RUN: (stage, instruction) => run(stage, words(instruction)),
  COPY: copy,
};

function words({ exec, text }: Instruction): readonly string[] {
  return exec ?? ["/bin/sh", "-c", text];
}

function variables(stage: Stage): Readonly<Record<string, string>> {
  return { ...stage.arguments, ...stage.config.env };
}

function milliseconds(text: string): number {
  const [, digits, unit] = /^(\d+)(ms|s|m)$/.exec(text) ?? [];
  if (digits === undefined) throw new Error(`'${text}' is no duration`);
  return Number(digits) * (unit === "ms" ? 1 : unit === "s" ? 1000 : 60_000);
}

function copy(stage: Stage, { text, exec, flags }: Instruction, context: string, stages: ReadonlyMap<string, Stage>): void {
  const paths = (exec ?? text.split(/\s+/)).map((path) => substitute(path, variables(stage)));
  const target = paths.pop() ?? "";
  const sources = paths.flatMap((path) => (flags.from === undefined ? fromContext(context, path) : fromStage(stages, flags.from, path)));
  if (sources.length === 0) throw new Error("no source files were specified");
  const asFolder = target.endsWith("/");
  if (sources.length > 1 && !asFolder) throw new Error("several sources go to a folder: its name must end with /");
  const destination = join(stage.root, resolve(stage.config.workdir, target));
  const into = asFolder || (existsSync(destination) && statSync(destination).isDirectory());
  if (asFolder) mkdirSync(destination, { recursive: true });
  for (const source of sources) {
    const path = into && !lstatSync(source).isDirectory() ? join(destination, basename(source)) : destination;
    cpSync(source, path, { recursive: true, verbatimSymlinks: true });
    execFileSync("chown", ["-R", flags.chown ? ownerIn(stage.root, flags.chown) : "0:0", path]);
    if (flags.chmod !== undefined) chmodSync(path, Number.parseInt(flags.chmod, 8));
  }
}

/** A name that is there but ignored is as good as absent; a pattern may match nothing. */
function fromContext(context: string, path: string): string[] {
  const ignore = existsSync(join(context, ".dockerignore")) ? readFileSync(join(context, ".dockerignore"), "utf8") : "";
  const matches = readdirSync(context).filter((name) => glob(path.replace(/^\.\//, "")).test(name) && isSent(name, ignore));
  if (matches.length === 0 && !/[*?]/.test(path)) throw new Error(`${path}: not found in what .dockerignore lets through`);
  return matches.map((name) => join(context, name));
}

function fromStage(stages: ReadonlyMap<string, Stage>, name: string, path: string): string[] {
  const stage = stages.get(name);
  if (!stage) throw new Error(`there is no stage ${name}`);
  return [join(stage.root, path)];
}

function ownerIn(root: string, owner: string): string {
  const id = (name: string, file: string): string => {
    if (/^\d+$/.test(name)) return name;
    const found = new RegExp(`^${name}:[^:]*:(\\d+)`, "m").exec(readFileSync(join(root, "etc", file), "utf8"))?.[1];
    if (found === undefined) throw new Error(`${name} is not in /etc/${file}`);
    return found;
  };
  const [user = "", group = user] = owner.split(":");
  return `${id(user, "passwd")}:${id(group, "group")}`;
}

/** With the machine's network, as a builder has it. /run is in memory meanwhile and holds what comes along. */
function run({ root, config, arguments: args }: Stage, command: readonly string[]): void {
  const cache = join(tmpdir(), "shimmy-roots-npm");
  mkdirSync(cache, { recursive: true });
  const authority = process.env.NODE_EXTRA_CA_CERTS;
  const resolvConf = join(root, "etc/resolv.conf");
  if (!existsSync(resolvConf)) writeFileSync(resolvConf, "");
  const script = [
    "mount --make-rprivate /",
    'mount -t proc proc "$ROOT/proc"; mount --bind /dev "$ROOT/dev"; mount -t tmpfs tmpfs "$ROOT/run"; mkdir "$ROOT/run/npm"',
    'mount --bind /etc/resolv.conf "$ROOT/etc/resolv.conf"; mount --bind "$CACHE" "$ROOT/run/npm"',
    ...(authority ? [`cp "$AUTHORITY" "$ROOT/run/authority.pem"`] : []),
    'exec env -i "$@"',
  ].join("; ");
  const env = {
    ...args,
    ...config.env,
    HOME: config.env.HOME ?? "/root",
    npm_config_cache: "/run/npm",
    ...(authority && { NODE_EXTRA_CA_CERTS: "/run/authority.pem" }),
  };
  const inside = `cd "$1"; shift; exec "$@"`;
  const chroot = ["chroot", `--userspec=${config.user ?? "0:0"}`, root, "/bin/sh", "-euc", inside, "sh", config.workdir, ...command];
  const { status, stdout, stderr } = spawnSync(
    "unshare",
    [
      "--mount",
      "--pid",
      "--fork",
      "sh",
      "-euc",
      script,
      "sh",
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...chroot,
    ],
    { env: { PATH: process.env.PATH, ROOT: root, CACHE: cache, AUTHORITY: authority }, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`it ended with ${status}\n${stdout}${stderr}`);
}

/** As `docker history` would count it: what the files take on the disk. */
function sizeOf(folder: string): number {
  return Number(execFileSync("du", ["-sx", "--block-size=1", folder], { encoding: "utf8" }).split("\t", 1)[0]);
}

/** Roots are large and hold what root owns. */
export function removeRoots(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
