/** The command line as a script uses it. Called by checks.ts. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Check, fail, pass } from "../check.ts";
import { counted, milliseconds } from "../figures.ts";
import type { CommandLine } from "../own-server.ts";

const LIMIT_MS = 30_000;
/** Names of very many models. */
const MOST_BYTES = 64 * 1024 ** 2;

export function cliAccess(group: string, { command: [program, ...first], env, signal }: CommandLine): Check {
  return {
    group,
    name: "CLI access",
    run: async () => {
      const limit = "`shimmy list --short` ends with 0";
      const began = performance.now();
      try {
        const { stdout } = await promisify(execFile)(program, [...first, "list", "--short"], {
          env,
          signal,
          timeout: LIMIT_MS,
          maxBuffer: MOST_BYTES,
        });
        const names = stdout.split("\n").filter((line) => line !== "");
        return pass(`${counted(names.length, "model")} in ${milliseconds(performance.now() - began)}`, { limit, value: names.length });
      } catch (error) {
        const { stderr, message } = error as Error & { stderr?: string };
        return fail(stderr?.trim().split("\n")[0] || message, "Run the command yourself.", { limit, command: "shimmy list --short" });
      }
    },
  };
}
