import { expect, test } from "vitest";
import { nearest } from "./suggest.ts";

const names = ["bind", "port", "model_dirs", "max_queue"];

test.each([
  ["model_dir", "model_dirs"],
  ["modelDirs", "model_dirs"],
  ["MODEL-DIRS", "model_dirs"],
  ["bnd", "bind"],
  ["prot", "port"],
  ["max_qeue", "max_queue"],
])("%s is near %s", (typed, meant) => expect(nearest(typed, names)).toBe(meant));

test.each(["", "x", "workers", "z".repeat(100_000)])("nothing is near %j", (typed) => expect(nearest(typed, names)).toBeUndefined());
