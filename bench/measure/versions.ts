/** The versions of what a run of the bench measured. Called by run.ts, once. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/** What was measured, by the version each thing tells of itself; what cannot be asked is "unknown". */
export function versions(root: string, referenceScript: string): Record<string, string> {
  return {
    node: process.version,
    shimmy: firstLine("git", ["-C", root, "describe", "--always", "--dirty"]),
    libllama: packageVersion(`${root}/node_modules/@node-llama-cpp/${process.platform}-${process.arch}/package.json`),
    koffi: packageVersion(`${root}/node_modules/koffi/package.json`),
    llamaServer: firstLine("bash", [referenceScript, "run", "llama-server", "--version"]),
  };
}

function firstLine(command: string, args: readonly string[]): string {
  try {
    // llama-server tells its version on stderr.
    const text = execFileSync("sh", ["-c", '"$@" 2>&1', "sh", command, ...args], { encoding: "utf8" });
    return text.split("\n").find((line) => line.startsWith("version")) ?? text.split("\n")[0]!.trim();
  } catch {
    return "unknown";
  }
}

function packageVersion(path: string): string {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version : "unknown";
}
