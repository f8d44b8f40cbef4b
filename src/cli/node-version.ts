/** Whether this Node can run Shimmy at all: npm only warns, and Debian 12 brings Node 18. Called by main.ts first of all, so it must stay small. */
import { ShimmyError } from "../contract/errors.ts";

/** Below it the first answer dies of a function that is not there. 20.0 to 20.18 are not tested and seem to work: `doctor` tells. */
const LEAST_MAJOR = 20;

/** @throws node_too_old, but not to who asks `doctor` what is wrong */
export function checkNode(version: string, [command]: readonly string[]): void {
  if (Number.parseInt(version, 10) < LEAST_MAJOR && command !== "doctor") throw new ShimmyError("node_too_old", { version });
}
