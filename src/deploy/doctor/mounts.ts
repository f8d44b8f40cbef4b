/**
 * Whether code may be run where a folder is: a library of a file system that is mounted noexec cannot be mapped. Called by engines.ts.
 * Models and caches are only read, so they work there. Source: proc_pid_mountinfo(5).
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";

const MOUNTS = "/proc/self/mountinfo";

/** The mount point of a folder in which nothing may be run; undefined: it may, or the system does not tell. */
export function noexecMountOf(folder: string): string | undefined {
  return existsSync(MOUNTS) && existsSync(folder) ? noexecMountIn(readFileSync(MOUNTS, "utf8"), realpathSync(folder)) : undefined;
}

/** @param path without links */
export function noexecMountIn(mountinfo: string, path: string): string | undefined {
  const above = mountinfo.split("\n").flatMap((line) => {
    const [, , , , place = "", options = ""] = line.split(" ");
    const point = place.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const holds = place !== "" && (point === "/" || path === point || path.startsWith(`${point}/`));
    return holds ? [{ point, noexec: options.split(",").includes("noexec") }] : [];
  });
  // The deepest one; of two at one place the later covers the earlier.
  const here = above.reduce<(typeof above)[number] | undefined>(
    (deepest, each) => (deepest && deepest.point.length > each.point.length ? deepest : each),
    undefined,
  );
  return here?.noexec ? here.point : undefined;
}
