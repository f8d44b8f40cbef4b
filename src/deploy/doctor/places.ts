/** Folders that Shimmy reads and writes, and the room on their disks. Called by checks.ts. It makes nothing and writes nothing. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { type Check, type Finding, fail, pass, warn } from "../check.ts";
import { gigabytes } from "../figures.ts";

export interface Folder {
  readonly what: string;
  readonly path: string;
  /** Written: it may be made when it is not there. Read: somebody named it, so it should be there. */
  readonly use: "read" | "write";
}

const LITTLE_BYTES = 10e9;
const TOO_LITTLE_BYTES = 1e9;

export function folderChecks(folders: readonly Folder[]): Check[] {
  return folders.map((folder) => ({ group: "folders", name: folder.what, run: () => judgeFolder(folder) }));
}

export function judgeFolder({ path, use }: Folder): Finding {
  const limit = use === "read" ? "readable" : "writable";
  const nearest = existing(path);
  if (use === "read" && nearest !== path)
    return fail(`${path} does not exist`, "Make it, or correct --model-dirs.", { limit, command: `mkdir -p ${quoted(path)}` });
  if (!statSync(nearest).isDirectory())
    return fail(`${nearest} is a file`, "Move it away.", { limit, command: `mv ${quoted(nearest)} ${quoted(`${nearest}.old`)}` });
  const mode = use === "read" ? constants.R_OK | constants.X_OK : constants.W_OK | constants.X_OK;
  if (!allows(nearest, mode)) {
    const right = use === "read" ? "u+rx" : "u+rwx";
    const own = statSync(nearest).uid === process.getuid?.();
    const command = own ? `chmod ${right} ${quoted(nearest)}` : `sudo chown -R $USER ${quoted(nearest)}`;
    return fail(`${nearest} is not ${limit} for this user`, "Give yourself the right.", { limit, command });
  }
  return pass(nearest === path ? path : `${path} (made when it is needed)`, { limit });
}

export function diskCheck(folder: string): Check {
  return {
    group: "folders",
    name: "disk",
    run: async () => {
      const place = existing(folder);
      const { bavail, bsize } = await statfs(place);
      return judgeDisk(place, bavail * bsize);
    },
  };
}

export function judgeDisk(place: string, free: number): Finding {
  const more = { value: free, limit: `≥ ${gigabytes(LITTLE_BYTES)} free for models` };
  const measured = `${gigabytes(free)} free at ${place}`;
  if (free >= LITTLE_BYTES) return pass(measured, more);
  const advice = "Make room, or have models in another folder (--pull-dir).";
  const command = `du -sh ${quoted(place)}`;
  return free < TOO_LITTLE_BYTES ? fail(measured, advice, { ...more, command }) : warn(measured, advice, { ...more, command });
}

/** The folder, or the nearest one above that exists. */
function existing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existing(dirname(path));
}

function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** For a POSIX shell. */
export function quoted(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
