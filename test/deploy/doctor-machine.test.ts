/** `shimmy doctor` on a machine that is really so: file systems that forbid code, and a clock that is wrong. Mounts are in a namespace of their own. */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { bareEnvironment, finished, temporaryFolder } from "../support/command.ts";
import { CLI } from "../support/server.ts";

const LIMIT_MS = 60_000;
const folder = temporaryFolder();
const ENGINE = resolve(`node_modules/@node-llama-cpp/linux-${process.arch}/bins/linux-${process.arch}`);

const NO_MOUNTS = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0 ? undefined : "mounts need root";
const NO_CLOCK = spawnSync("faketime", ["--version"]).error ? "the program `faketime` is not on this machine" : undefined;

async function within(program: string, first: readonly string[], words: readonly string[]) {
  const env = { ...bareEnvironment(folder), SHIMMY_MODEL_STORES: "off", NO_FAKE_STAT: "1" };
  const child = spawn(program, [...first, process.execPath, CLI, ...words], { cwd: folder, env });
  return finished(child);
}

async function doctor(program: string, first: readonly string[], ...more: string[]) {
  const { code, stdout } = await within(program, first, ["doctor", "--json", "--port", "0", ...more]);
  const { checks } = JSON.parse(stdout) as { checks: Array<Record<"name" | "verdict" | "measured" | "advice" | "command", string>> };
  return { code, find: (name: string) => checks.find((check) => check.name === name) };
}

test.skipIf(NO_MOUNTS)(
  `an engine on a file system that is mounted noexec is told with the mount${NO_MOUNTS ? ` (skipped: ${NO_MOUNTS})` : ""}`,
  async () => {
    const place = join(folder, "no code");
    mkdirSync(place);
    const script = 'mount -t tmpfs -o noexec,size=64m tmpfs "$0" && cp -r "$1" "$0/engine" && shift && exec "$@"';
    const { code, find } = await doctor("unshare", ["-m", "sh", "-c", script, place, ENGINE], "--engine-dir", join(place, "engine"));
    expect(find("library")).toMatchObject({
      verdict: "warn",
      measured: expect.stringContaining("custom: Failed to load shared library: failed to map segment"),
      advice: expect.stringContaining(`No code may be run from ${place}: it is mounted noexec`),
      command: `sudo mount -o remount,exec '${place}'`,
    });
    expect(code).toBe(0);
  },
  LIMIT_MS,
);

test.skipIf(NO_MOUNTS)(
  `Shimmy itself on such a file system: doctor fails, and a load says why, not how Node ends${NO_MOUNTS ? ` (skipped: ${NO_MOUNTS})` : ""}`,
  async () => {
    const place = resolve(dirname(CLI), "..");
    const script = 'mount --rbind "$0" "$0" && mount -o remount,bind,noexec "$0" && exec "$@"';
    const around = ["-m", "sh", "-c", script, place];
    const { code, find } = await doctor("unshare", around);
    expect(find("library")).toMatchObject({ verdict: "fail", command: `sudo mount -o remount,exec ${place}` });
    expect(code).toBe(1);
    const { stderr } = await within("unshare", around, ["generate", "shimmy-tiny", "--prompt", "a"]);
    expect(stderr).toMatch(/could not be loaded: .*koffi\.node: failed to map segment from shared object/);
  },
  LIMIT_MS,
);

test.skipIf(NO_MOUNTS)(
  `models and caches on such a file system are only read, and work${NO_MOUNTS ? ` (skipped: ${NO_MOUNTS})` : ""}`,
  async () => {
    const place = join(folder, "models");
    mkdirSync(place);
    cpSync(resolve("models/shimmy-tiny/shimmy-tiny-q8_0.gguf"), join(folder, "mine.gguf"));
    const script =
      'mount -t tmpfs -o noexec,size=64m tmpfs "$0" && cp "$1" "$0" && export XDG_CACHE_HOME="$0/cache" XDG_DATA_HOME="$0/data" && shift && exec "$@"';
    const words = ["generate", "mine", "--model-dirs", place, "--prompt", "a", "--max-tokens", "2"];
    expect(await within("unshare", ["-m", "sh", "-c", script, place, join(folder, "mine.gguf")], words)).toMatchObject({ code: 0 });
  },
  LIMIT_MS,
);

test.skipIf(NO_CLOCK)(
  `a clock that is before Shimmy's installation is told, with what sets it${NO_CLOCK ? ` (skipped: ${NO_CLOCK})` : ""}`,
  async () => {
    const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
    const { code, find } = await doctor("faketime", [day(-40)]);
    expect([code, find("clock")?.verdict, find("clock")?.measured]).toEqual([1, "fail", day(-40)]);
    expect(find("clock")?.command).toBe("sudo timedatectl set-ntp true");
    expect((await doctor("faketime", [day(2)])).find("clock")?.verdict).toBe("pass");
  },
  LIMIT_MS,
);
