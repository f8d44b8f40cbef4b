import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { connectionLimit } from "./connection-limit.ts";

const file = join(mkdtempSync(join(tmpdir(), "shimmy-limits-")), "limits");
const limit = (soft: string, hasUpstreams = false) => {
  writeFileSync(
    file,
    `Limit   Soft Limit  Hard Limit  Units\nMax open files            ${soft}                 ${soft}                 files     \n`,
  );
  return connectionLimit(hasUpstreams, file);
};

it("leaves descriptors for engines, files and code", () => {
  expect(limit("1024")).toBe(960);
  expect(limit("1024", true)).toBe(480);
  expect(limit("60")).toBe(15);
});

it("is none where the system has none, or does not tell", () => {
  expect(limit("unlimited")).toBeUndefined();
  expect(connectionLimit(false, join(file, "absent"))).toBeUndefined();
});
