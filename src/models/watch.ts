/**
 * Notices that something changed in the folders that were read. Called by the catalogue after its first list. It keeps no process alive,
 * reads nothing and starts no timer: it only remembers that a new look is worth it.
 */
import { type FSWatcher, watch } from "node:fs";

/** inotify has a limit for each user that editors need too. */
const MAX_FOLDERS = 1024;

export class FolderWatch {
  readonly #watchers = new Map<string, FSWatcher>();
  #changed = false;
  #failed = false;

  /**
   * Watches exactly these folders, which have just been read. A folder that is new here counts as changed: something may have happened
   * to it between being read and being watched.
   */
  update(folders: readonly string[]): void {
    const wanted = new Set(folders);
    for (const folder of this.#watchers.keys()) if (!wanted.has(folder)) this.#drop(folder);
    if (wanted.size > MAX_FOLDERS) this.#giveUp();
    for (const folder of wanted) if (!this.#failed && !this.#watchers.has(folder)) this.#add(folder);
  }

  get changed(): boolean {
    return this.#changed;
  }

  /** False where it is impossible (ENOSPC, too many folders, a file system without it): look by age instead. */
  get works(): boolean {
    return !this.#failed && this.#watchers.size > 0;
  }

  /** Call it before the folders are read. */
  forget(): void {
    this.#changed = false;
  }

  close(): void {
    for (const folder of this.#watchers.keys()) this.#drop(folder);
  }

  #add(folder: string): void {
    this.#changed = true;
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.#changed = true;
      });
      watcher.on("error", () => {
        // A folder that was removed: the next look finds out.
        this.#changed = true;
        this.#drop(folder);
      });
      this.#watchers.set(folder, watcher);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // It went away between being read and being watched, or may not be read: no change can be missed there.
      if (code !== "ENOENT" && code !== "EACCES" && code !== "ENOTDIR") this.#giveUp();
    }
  }

  #drop(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  #giveUp(): void {
    this.#failed = true;
    this.close();
  }
}
