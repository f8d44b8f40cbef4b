/**
 * Where pulled models lie. Called by assemble.ts at every start, so it reads nothing from the disk and imports nothing heavy.
 */
import { homedir } from "node:os";
import { join } from "node:path";

interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

/**
 * The setting, else the data folder of the platform: $XDG_DATA_HOME/shimmy/models (~/.local/share), on macOS
 * ~/Library/Application Support/shimmy/models, on Windows %LOCALAPPDATA%\shimmy\models.
 */
export function pullFolder(
  setting: string | undefined,
  { env, home, platform }: Surroundings = { env: process.env, home: homedir(), platform: process.platform },
): string {
  if (setting !== undefined) return setting;
  if (platform === "win32") return join(env.LOCALAPPDATA || join(home, "AppData", "Local"), "shimmy", "models");
  const fallback = platform === "darwin" ? join(home, "Library", "Application Support") : join(home, ".local", "share");
  return join(env.XDG_DATA_HOME || fallback, "shimmy", "models");
}
