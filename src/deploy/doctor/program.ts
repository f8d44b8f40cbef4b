/** Node and the settings. Called by checks.ts. */
import { type Check, type Finding, fail, pass, warn } from "../check.ts";

/** What reading flags, environment and file came to. */
export interface SettingsFound {
  readonly file?: string;
  readonly warnings: readonly string[];
  /** Why they cannot be used; the defaults are looked at instead. */
  readonly problem?: string;
  readonly hint?: string;
}

/** `engines.node` of package.json. */
const LEAST_NODE = [20, 19] as const;

export function programChecks(settings: SettingsFound): Check[] {
  return [
    { group: "program", name: "Node", run: () => judgeNode(process.versions.node) },
    { group: "program", name: "configuration", run: () => judgeSettings(settings) },
  ];
}

export function judgeNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const limit = `≥ ${LEAST_NODE.join(".")}`;
  return major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])
    ? pass(version, { limit })
    : fail(version, "Install a newer Node, from nodejs.org or by a version manager.", { limit, command: "nvm install 22" });
}

export function judgeSettings({ file, warnings, problem, hint }: SettingsFound): Finding {
  const limit = "read without a complaint";
  if (problem !== undefined) return fail(problem, hint ?? "Correct it.", { limit, command: "shimmy config" });
  if (warnings.length > 0) return warn(warnings.join("; "), "Correct or remove it.", { limit, command: "shimmy config" });
  return pass(file ?? "no file; all defaults, or flags and variables", { limit });
}
