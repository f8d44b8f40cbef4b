/** Where pulled models lie. Called by assemble.ts at every start, so it reads nothing from the disk and imports nothing heavy. */
import { join } from "node:path";
import { userDataFolder } from "../config/data-folder.ts";

/** The setting, else `models` in Shimmy's data folder of the user ($XDG_DATA_HOME/shimmy or what the platform has for it). */
export function pullFolder(setting: string | undefined, given: Parameters<typeof userDataFolder>[0] = {}): string {
  return setting ?? join(userDataFolder(given), "models");
}
