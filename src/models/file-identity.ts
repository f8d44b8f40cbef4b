/** Whether a model's files are still those that were looked at: size, time and inode. Asked by the pool; reads no content. */
import { stat } from "node:fs/promises";
import { filesOf } from "./shards.ts";

/** Where a file is not there. */
const MISSING = "missing";

/** Equal texts: nothing has changed. */
export async function fileIdentity(path: string): Promise<string> {
  const parts = await Promise.all(
    filesOf(path).map((file) =>
      stat(file).then(
        ({ size, mtimeMs, ino }) => `${size}:${mtimeMs}:${ino}`,
        () => MISSING,
      ),
    ),
  );
  return parts.join(" ");
}

/** A file that has gone is not another one: whoever has it open still has it. */
export function isOtherFile(before: string, now: string): boolean {
  return before !== now && !now.split(" ").includes(MISSING);
}
