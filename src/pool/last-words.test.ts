import { expect, test } from "vitest";
import { lastWords } from "./last-words.ts";

test("the last lines, empty ones left out", () => {
  expect(lastWords("one\ntwo\n\nthree\nfour\n\n", "")).toBe("two | three | four");
  expect(lastWords("", "")).toBe("");
  expect(lastWords("x".repeat(5000), "")).toHaveLength(600);
});

test.each([
  ["/home/me/my models/a b.gguf: bad magic", "a b.gguf: bad magic"],
  ["at load (/home/me/dist/engine.js:12:3)", "at load (engine.js:12:3)"],
  ["at file:///home/me/dist/engine.js:12:3", "at engine.js:12:3"],
  ["/root/ggml/src/ggml.c:1234: GGML_ASSERT(a / b) failed", "ggml.c:1234: GGML_ASSERT(a / b) failed"],
  ["cannot open 'C:\\Users\\me\\x.gguf'", "cannot open 'x.gguf'"],
  ["40 MB/s, 3/4 done", "40 MB/s, 3/4 done"],
])("no folders: %s", (line, told) => {
  expect(lastWords(line, "/home/me/my models/a b.gguf")).toBe(told);
});

test("of an error that nobody caught, the error and not the end of its stack", () => {
  const stderr =
    "node:internal/x:1\n  return process.dlopen(a);\n\nError: /a b/node_modules/koffi.node: failed to map segment\n    at x (/y.js:1:1) {\n  code: 'ERR_DLOPEN_FAILED'\n}\n\nNode.js v20.20.2\n";
  expect(lastWords(stderr, "")).toMatch(/^Error: .*koffi.node: failed to map segment$/);
});
