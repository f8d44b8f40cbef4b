/** `shimmy doctor`: what is wrong on this machine, and what to type next. It works although the settings do not. */
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { assemble, enginesFolder, VERSION } from "../assemble.ts";
import { userDataFolder } from "../config/data-folder.ts";
import { listenAddress } from "../config/listen.ts";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { runChecks } from "../deploy/check.ts";
import { examination, type Patient } from "../deploy/doctor/checks.ts";
import type { FoundModels } from "../deploy/doctor/models.ts";
import type { Folder } from "../deploy/doctor/places.ts";
import type { SettingsFound } from "../deploy/doctor/program.ts";
import { adviceLines, exitCodeOf, jsonReport, summary, tableRows } from "../deploy/report.ts";
import { findEngines, hereAndNow } from "../hardware/engines.ts";
import { pullFolder } from "../hub/places.ts";
import { cacheFile } from "../models/header-cache.ts";
import { writableByAll } from "../models/integrity/permissions.ts";
import { modelsHere } from "./models-here.ts";
import { printable, printJson, printTable } from "./output.ts";

/** @param read the settings, which may be what is wrong. */
export async function doctor(read: () => Promise<LoadedConfig>, { json }: { json?: boolean }): Promise<void> {
  const { loaded, settings } = await settingsOrDefaults(read);
  const results = await runChecks(examination(patient(loaded, settings)));
  if (json) printJson(jsonReport(results, { version: VERSION, platform: `${process.platform}-${process.arch}` }));
  else {
    printTable(tableRows(results));
    for (const line of ["", ...adviceLines(results), summary(results)]) process.stdout.write(`${printable(line)}\n`);
  }
  process.exitCode = exitCodeOf(results);
}

async function settingsOrDefaults(read: () => Promise<LoadedConfig>): Promise<{ loaded: LoadedConfig; settings: SettingsFound }> {
  try {
    const loaded = await read();
    return { loaded, settings: { warnings: loaded.warnings, ...(loaded.file !== undefined && { file: loaded.file }) } };
  } catch (error) {
    const { message: problem, hint } = ShimmyError.from(error);
    // Nowhere, so that no file is found.
    const loaded = await loadConfig({}, { env: {}, cwd: NOWHERE, home: NOWHERE });
    return { loaded, settings: { warnings: [], problem, ...(hint !== undefined && { hint }) } };
  }
}

const NOWHERE = "/nonexistent";

function patient(loaded: LoadedConfig, settings: SettingsFound): Patient {
  const { config } = loaded;
  const { pool } = assemble(loaded, { logLevel: "error" });
  const engineFiles = filesOfEngine();
  return {
    packageFolder: fileURLToPath(new URL("..", import.meta.url)),
    settings,
    port: portOf(loaded),
    env: process.env,
    folders: foldersOf(loaded),
    modelFolder: pullFolder(config.pullDir),
    hardware: () => pool.hardware.report(),
    models: () => foundModels(loaded),
    ...(engineFiles && { engineFiles }),
  };
}

/** Two ports from one source are told by `serve`; here the check of the settings has its say. */
function portOf(loaded: LoadedConfig): Patient["port"] {
  try {
    return listenAddress(loaded);
  } catch {
    return { host: "127.0.0.1", port: loaded.config.port, nextFree: false };
  }
}

function foldersOf({ config }: LoadedConfig): Folder[] {
  const around = { env: process.env, home: homedir(), platform: process.platform };
  return [
    { what: "data", path: userDataFolder(), use: "write", variable: "XDG_DATA_HOME" },
    { what: "cache", path: dirname(cacheFile(around)), use: "write", variable: "XDG_CACHE_HOME" },
    { what: "pulled models", path: pullFolder(config.pullDir), use: "write", variable: "SHIMMY_PULL_DIR" },
    ...config.modelDirs.map((path, at): Folder => ({ what: `models ${at + 1}`, path, use: "read" })),
  ];
}

async function foundModels(loaded: LoadedConfig): Promise<FoundModels> {
  const { infos, places, ...facts } = await modelsHere(loaded);
  // Folders beside files: into an empty one anybody could put a model, and whoever may write above it can put another in its place.
  const writable = await Promise.all([...infos.map(({ path }) => path), ...loaded.config.modelDirs].map(writableByAll));
  return {
    ...facts,
    stores: places.map(({ label, exists, models }) => ({ label, exists, models: models.length })),
    writable: [...new Set(writable.filter((place) => place !== undefined))],
  };
}

function filesOfEngine(): string[] | undefined {
  const engine = findEngines(undefined, hereAndNow(enginesFolder())).at(-1);
  return engine && existsSync(engine.folder) ? readdirSync(engine.folder) : undefined;
}
