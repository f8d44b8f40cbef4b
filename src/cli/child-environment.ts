/** The settings of this command line for a server that it starts. Called by validate.ts, bench.ts and planned.ts. */
import type { LoadedConfig } from "../config/load.ts";
import { SETTING_KEYS, SETTINGS } from "../config/table.ts";

/** What was typed holds for the server that is started too. By variables, so that no key shows up in a list of processes. */
export function environmentOf({ config, sources, file }: LoadedConfig): NodeJS.ProcessEnv {
  const typed = SETTING_KEYS.filter((key) => sources[key].from === "flag").flatMap((key) => {
    const [name] = SETTINGS[key].env;
    return name === undefined ? [] : [[name, SETTINGS[key].kind.format(config[key])] as const];
  });
  return { ...process.env, ...Object.fromEntries(typed), ...(file !== undefined && { SHIMMY_CONFIG: file }) };
}
