/** The package: how large it is, and that nothing of Python is in it or runs below the server. Called by checks.ts. */
import { type Check, fail, pass } from "../check.ts";
import { counted, megabytes } from "../figures.ts";
import { isPythonProcess } from "../processes.ts";
import { type PackageFile, packageFiles, packedBytes } from "./package-files.ts";
import { processesOf } from "./processes.ts";
import { silence } from "./silence.ts";
import type { Subject } from "./subject.ts";

const MOST_BYTES = 5e6;

export function packageSize(group: string, folder: string): Check {
  return {
    group,
    name: "package size",
    run: async () => {
      const value = await packedBytes(packageFiles(folder));
      const more = { value, limit: `≤ ${megabytes(MOST_BYTES)} packed` };
      const measured = `${megabytes(value)} (gzipped tar of the files that npm packs)`;
      return value <= MOST_BYTES
        ? pass(measured, more)
        : fail(measured, "Something was added to the package's folder: install it again.", { ...more, command: "npm install -g shimmy" });
    },
  };
}

/** After the API was used, so that the engines run. */
export function noPython(group: string, folder: string, subject: Subject): Check {
  return {
    group,
    name: "no Python",
    run: async () => {
      const files = packageFiles(folder);
      const strange = files.filter(isPython).map(({ path }) => path);
      const tree = silence(subject) ? "processes were not looked at" : await processesOf(subject);
      const running = typeof tree === "string" ? [] : tree.filter(isPythonProcess);
      const seen = typeof tree === "string" ? tree : `none of ${tree.length} of the server's processes`;
      const limit = "no file, no process";
      if (strange.length > 0) return fail(`${strange.slice(0, 3).join(", ")} in the package`, "Install the package again.", { limit });
      if (running.length > 0)
        return fail(`process ${running.join(", ")} is Python`, "Find out who started it below the server.", { limit });
      return pass(`none of ${counted(files.length, "file")}, ${seen}`, { limit });
    },
  };
}

/** By its name, or by what its first line asks for. */
export function isPython({ path, content }: PackageFile): boolean {
  if (/\.(py|pyc|pyo|pyd|pyi|whl|ipynb)$|(^|\/)__pycache__\//i.test(path)) return true;
  const [line = ""] = content.subarray(0, 200).toString("latin1").split("\n");
  return line.startsWith("#!") && /python/i.test(line);
}
