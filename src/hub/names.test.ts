/** Names from the hub never lead out of the pull folder, on any system. */
import { posix, relative, resolve, win32 } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isPlainName, localFolder, localName } from "./names.ts";

const ROOT = resolve("/data/shimmy/models");

test("a file keeps its name; its folders become one, which no other folders become", () => {
  expect(localFolder(ROOT, "owner/repo", "a.gguf")).toBe(resolve(ROOT, "owner/repo"));
  expect(localFolder(ROOT, "owner/repo", "Q4/a.gguf")).toBe(resolve(ROOT, "owner/repo/Q4"));
  expect(localFolder(ROOT, "owner/repo", "x/Q4/a.gguf")).toBe(resolve(ROOT, "owner/repo/x~Q4"));
  expect(() => localFolder(ROOT, "owner/repo", "x~Q4/a.gguf")).toThrowError(expect.objectContaining({ code: "hub_answer_invalid" }));
  expect(localName("x/Model-Q4_K_M.gguf")).toBe("Model-Q4_K_M.gguf");
});

test.each([
  "",
  ".",
  "..",
  ".hidden.gguf",
  "a/b",
  "a\\b",
  "C:a.gguf",
  "a.gguf:stream",
  "con.gguf",
  "NUL",
  "com1.x.gguf",
  "LPT¹.gguf",
  "CONIN$",
  "a.gguf.",
  "a.gguf ",
  " a.gguf",
  "PROGRA~1",
  "a\0.gguf",
  "a\n.gguf",
  "-rf.gguf",
  "\ud800.gguf",
  `${"x".repeat(300)}.gguf`,
  "a*.gguf",
  "a?.gguf",
])("%j is no plain name", (name) => {
  expect(isPlainName(name)).toBe(false);
});

test("hostile names of repositories and files are refused or stay two to three folders below the root", () => {
  const hostile = fc.constantFrom("..", ".", "...", "C:", "\\\\host\\share", "a\\..\\..\\b", "%2e%2e", "\0", "con", "x.gguf", "~", "/", "");
  const part = fc.oneof(hostile, fc.string({ unit: "binary" }), fc.stringMatching(/^[\w.-]{1,12}$/));
  fc.assert(
    fc.property(part, part, fc.array(part, { minLength: 1, maxLength: 5 }), (owner, repo, path) => {
      const hubPath = `${path.join("/")}.gguf`;
      try {
        const folder = localFolder(ROOT, `${owner}/${repo}`, hubPath);
        const name = localName(hubPath);
        for (const { relative: from, sep, isAbsolute, join } of [posix, win32]) {
          const below = from(ROOT, join(folder, name));
          expect(isAbsolute(below)).toBe(false);
          expect(below.split(/[\\/]/)).not.toContain("..");
          expect(below.split(sep).length).toBeLessThanOrEqual(4);
        }
        expect(relative(ROOT, resolve(folder, name))).not.toMatch(/^\.\./);
      } catch (error) {
        if ((error as { code?: string }).code !== "hub_answer_invalid") throw error;
      }
    }),
    { numRuns: 5000 },
  );
});
