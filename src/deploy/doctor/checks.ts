/** Everything that `shimmy doctor` looks at, in the order in which it is told. Called by cli/doctor.ts, which gathers what it is about. */
import type { HardwareReport } from "../../contract/hardware.ts";
import type { Check } from "../check.ts";
import type { WantedPort } from "../validate/machine.ts";
import { engineChecks } from "./engines.ts";
import { limitChecks } from "./limits.ts";
import { type FoundModels, modelChecks } from "./models.ts";
import { networkChecks } from "./network.ts";
import { diskCheck, type Folder, folderChecks } from "./places.ts";
import { processorCheck } from "./processor.ts";
import { programChecks, type SettingsFound } from "./program.ts";

export interface Patient {
  /** Shimmy's own. */
  readonly packageFolder: string;
  readonly settings: SettingsFound;
  readonly port: WantedPort;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folders: readonly Folder[];
  /** Where models are pulled to. */
  readonly modelFolder: string;
  /** Names of the files beside the processor's libllama; absent: there is none. */
  readonly engineFiles?: readonly string[];
  hardware(): Promise<HardwareReport>;
  models(): Promise<FoundModels>;
}

export function examination({ packageFolder, settings, port, env, folders, modelFolder, engineFiles, hardware, models }: Patient): Check[] {
  return [
    ...programChecks(settings),
    ...limitChecks(packageFolder),
    ...engineChecks(hardware, packageFolder),
    processorCheck(engineFiles),
    ...folderChecks(folders, modelFolder),
    diskCheck(modelFolder),
    ...networkChecks(port, env),
    ...modelChecks(models),
  ];
}
