/** `shimmy config`: each setting, its value and what set it; secrets are masked. */
import { describe } from "../config/describe.ts";
import type { LoadedConfig } from "../config/load.ts";
import { printJson, printTable } from "./output.ts";

export function config(loaded: LoadedConfig, { json }: { json?: boolean }): void {
  const rows = describe(loaded);
  if (json) printJson({ file: loaded.file ?? null, settings: rows, warnings: loaded.warnings });
  else printTable([["SETTING", "VALUE", "FROM"], ...rows.map(({ key, value, source }) => [key, value, source])]);
  for (const warning of json ? [] : loaded.warnings) process.stderr.write(`warning: ${warning}\n`);
}
