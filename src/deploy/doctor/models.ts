/** Stores and models that were found. Called by checks.ts; what holds for `shimmy validate` too is judged there. */
import { type Check, type Finding, pass, warn } from "../check.ts";
import { counted } from "../figures.ts";
import { judgeFiles, judgeMemory, judgeModels } from "../validate/models.ts";
import type { ModelFacts } from "../validate/subject.ts";
import { quoted } from "./places.ts";

export interface FoundPlace {
  readonly label: string;
  readonly exists: boolean;
  readonly models: number;
}

export interface FoundModels extends ModelFacts {
  readonly stores: readonly FoundPlace[];
  /** Files or folders that everybody on this machine may write. */
  readonly writable: readonly string[];
}

export function modelChecks(found: () => Promise<FoundModels>): Check[] {
  const check = (name: string, judge: (found: FoundModels) => Finding): Check => ({
    group: "models",
    name,
    run: async () => judge(await found()),
  });
  return [
    check("stores", judgeStores),
    check("models", (facts) => judgeModels(facts, undefined)),
    check("files", judgeFiles),
    check("permissions", judgeWritable),
    check("memory", judgeMemory),
  ];
}

export function judgeStores({ stores }: Pick<FoundModels, "stores">): Finding {
  const here = stores.filter(({ exists }) => exists);
  if (here.length === 0) return pass("none is on this machine");
  return pass(here.map(({ label, models }) => `${label} (${counted(models, "model")})`).join(", "));
}

export function judgeWritable({ writable }: Pick<FoundModels, "writable">): Finding {
  const [first] = writable;
  if (first === undefined) return pass("no model can be replaced by everybody");
  const more = writable.length > 1 ? ` and ${writable.length - 1} more` : "";
  return warn(`everybody on this machine can write ${first}${more}`, "Take that right away.", { command: `chmod o-w ${quoted(first)}` });
}
