/** Finds a template by what was typed, and lists them. Called by cli/init.ts. */
import { ShimmyError } from "../../contract/errors.ts";
import type { Template } from "./template.ts";
import { TEMPLATES } from "./templates/index.ts";

/** It is filled in from a measured run, so cli/init.ts makes it: it is no function of its options alone. */
const INTEGRATION = {
  name: "integration",
  summary: "the integration specification, filled in for this machine and application by a short measured run",
} as const;

/** Name and summary of each, and other names. */
export function listTemplates(): ReadonlyArray<Pick<Template, "name" | "summary" | "aliases">> {
  return [INTEGRATION, ...TEMPLATES];
}

/** Case does not count. @throws unknown_template */
export function findTemplate(typed: string): Template | "integration" {
  const name = typed.toLowerCase();
  if (name === INTEGRATION.name) return INTEGRATION.name;
  const found = TEMPLATES.find((template) => template.name === name || template.aliases?.includes(name));
  if (!found)
    throw new ShimmyError("unknown_template", {
      name: typed,
      names: listTemplates()
        .map((each) => each.name)
        .join(", "),
    });
  return found;
}
