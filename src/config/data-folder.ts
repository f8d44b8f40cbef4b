/** The folder for what Shimmy itself remembers of its user. Called by whoever keeps a state file; it makes nothing. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { Surroundings } from "./file.ts";

/** $XDG_DATA_HOME/shimmy or ~/.local/share/shimmy, ~/Library/Application Support/shimmy on macOS, %LOCALAPPDATA%\shimmy on Windows. */
export function userDataFolder(given: Partial<Omit<Surroundings, "cwd">> = {}): string {
  const { env, home, platform } = { env: process.env, home: homedir(), platform: process.platform, ...given };
  if (env.XDG_DATA_HOME) return join(env.XDG_DATA_HOME, "shimmy");
  if (platform === "win32") return join(env.LOCALAPPDATA || join(home, "AppData", "Local"), "shimmy");
  return platform === "darwin" ? join(home, "Library", "Application Support", "shimmy") : join(home, ".local", "share", "shimmy");
}
