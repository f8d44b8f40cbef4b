/** The whole checklist of the integration template, in the order in which it is run. Called by cli/validate.ts. */
import type { Check } from "../check.ts";
import type { CommandLine } from "../own-server.ts";
import { apiChecks } from "./api.ts";
import { cliAccess } from "./cli-access.ts";
import { engineChecks, portCheck, type WantedPort } from "./machine.ts";
import { modelChecks } from "./models.ts";
import { noPython, packageSize } from "./package.ts";
import { runningChecks } from "./running.ts";
import { type Burden, baseMemory, startUp } from "./start-up.ts";
import type { Subject, Wanted } from "./subject.ts";

export interface ChecklistOptions {
  readonly packageFolder: string;
  readonly commandLine: CommandLine;
  /** Where it would listen; absent: it does already. */
  readonly port?: WantedPort;
  /** A model that must be there. */
  readonly model?: Wanted;
  readonly threads: number;
  readonly burden: Burden;
}

const CONSTITUTION = "constitution";
const BEFORE = "pre-deployment";
const AFTER = "post-deployment";

export function checklist(subject: Subject, { packageFolder, commandLine, port, model, threads, burden }: ChecklistOptions): Check[] {
  return [
    packageSize(CONSTITUTION, packageFolder),
    startUp(CONSTITUTION, subject),
    baseMemory(CONSTITUTION, subject, commandLine, burden),
    ...apiChecks(CONSTITUTION, subject),
    noPython(CONSTITUTION, packageFolder, subject),
    cliAccess(CONSTITUTION, commandLine),
    ...modelChecks(BEFORE, subject, model),
    portCheck(BEFORE, subject, port),
    ...engineChecks(BEFORE, subject, threads),
    startUp(AFTER, subject),
    ...runningChecks(AFTER, subject),
  ];
}
