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
  /** What names another place for it. */
  readonly variable?: string;
}

const LITTLE_BYTES = 10e9;
const TOO_LITTLE_BYTES = 1e9;
/** For what Shimmy remembers: headers of models, batches, stored responses. */
const NOTES_BYTES = 20e6;

/** @param modelFolder its room is a check of its own */
export function folderChecks(folders: readonly Folder[], modelFolder: string): Check[] {
  return folders.map((folder) => ({
    group: "folders",
    name: folder.what,
    run: async () => {
      const found = judgeFolder(folder);
      if (found.verdict !== "pass" || folder.use === "read" || folder.path === modelFolder) return found;
      return judgeRoom(found, folder, await freeAt(existing(folder.path)));
    },
  }));
}

/** Rights are no use where nothing more can be written. */
export function judgeRoom(found: Finding, { path, variable }: Folder, free: number): Finding {
  if (free >= NOTES_BYTES) return found;
  const command = `du -xh --max-depth=2 ${quoted(existing(path))}`;
  return fail(`${gigabytes(free)} free at ${existing(path)}`, `Make room${elsewhere(variable)}.`, { limit: "writable", command });
}

function elsewhere(variable: string | undefined): string {
  return variable === undefined ? "" : `, or name another place by ${variable}`;
}

export function judgeFolder({ path, use, variable }: Folder): Finding {
  const limit = use === "read" ? "readable" : "writable";
  const nearest = existing(path);
  if (use === "read" && nearest !== path)
    return fail(`${path} does not exist`, "Make it, or correct --model-dirs.", { limit, command: `mkdir -p ${quoted(path)}` });
  const found = statSync(nearest);
  // /dev/null is the home of many a system user, and to move it away breaks the machine.
  if (!found.isDirectory() && !found.isFile())
    return fail(`${nearest} is no folder`, "Name a folder for what Shimmy keeps.", {
      limit,
      command: "export HOME=/a/folder/that/can/be/written",
    });
  if (found.isFile())
    return fail(`${nearest} is a file`, "Move it away.", { limit, command: `mv ${quoted(nearest)} ${quoted(`${nearest}.old`)}` });
  const mode = use === "read" ? constants.R_OK | constants.X_OK : constants.W_OK | constants.X_OK;
  const denied = denial(nearest, mode);
  if (denied === "EROFS")
    return fail(`${nearest} is on a file system that is mounted read-only`, `Mount a volume there${elsewhere(variable)}.`, {
      limit,
      command: variable === undefined ? `findmnt -T ${quoted(nearest)}` : `export ${variable}=/a/folder/that/can/be/written`,
    });
  if (denied !== undefined)
    return fail(`${nearest} is not ${limit} for this user`, "Give yourself the right.", { limit, command: grant({ path, use }, nearest) });
  return pass(nearest === path ? path : `${path} (made when it is needed)`, { limit });
}

export function diskCheck(folder: string): Check {
  return {
    group: "folders",
    name: "disk",
    run: async () => {
      const place = existing(folder);
      return judgeDisk(place, await freeAt(place));
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

async function freeAt(place: string): Promise<number> {
  const { bavail, bsize } = await statfs(place);
  return bavail * bsize;
}

/** Of the system; undefined: allowed. */
function denial(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "EACCES";
  }
}

/** Of what is another's, never more than Shimmy's own folder is taken over: above it may be the whole system. */
export function grant({ path, use }: Pick<Folder, "path" | "use">, nearest: string): string {
  const right = use === "read" ? "u+rx" : "u+rwx";
  if (statSync(nearest).uid === process.getuid?.()) return `chmod ${right} ${quoted(nearest)}`;
  if (use === "read") return `sudo chmod o+rx ${quoted(nearest)}`;
  return nearest === path ? `sudo chown $USER ${quoted(path)}` : `sudo install -d -o $USER ${quoted(path)}`;
}

/** For a POSIX shell. */
export function quoted(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
