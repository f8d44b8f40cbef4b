/** What a child wrote to stderr before it ended, as callers may hear it: its last lines, without folders of this machine. */

const LINES = 3;
const LONGEST = 600;

/** @param path of the model's file, which may hold spaces. */
export function lastWords(stderr: string, path: string): string {
  const lines = stderr
    .split("\n")
    .map((line) => withoutFolders(line, path).trim())
    .filter((line) => line !== "");
  // Node ends an error that nobody caught with its stack, what else it holds, and its own version.
  const uncaught = /^Node\.js v\d/.test(lines.at(-1) ?? "") ? lines.findLast((line) => /^\w*Error\b.*: /.test(line)) : undefined;
  return (uncaught ?? lines.slice(-LINES).join(" | ")).slice(-LONGEST);
}

/** @param path of the model's file; empty: none. */
export function withoutFolders(line: string, path: string): string {
  const name = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  const known = path === "" ? line : line.replaceAll(path, name);
  // An absolute path, of any system, as a file URL too: its last part stays.
  return known.replace(/(?:file:\/\/)?(?<![\w.~-])(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'"()|]+)*[\\/](?=[^\s\\/:'"()|]+)/g, "");
}
