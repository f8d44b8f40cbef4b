/** Where pulled models lie on each system. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { pullFolder } from "./places.ts";

const home = join("/", "home", "me");

test.each([
  ["linux", {}, join(home, ".local", "share", "shimmy", "models")],
  ["linux", { XDG_DATA_HOME: join("/", "data") }, join("/", "data", "shimmy", "models")],
  ["darwin", {}, join(home, "Library", "Application Support", "shimmy", "models")],
  ["win32", { LOCALAPPDATA: join("/", "local") }, join("/", "local", "shimmy", "models")],
  ["win32", {}, join(home, "AppData", "Local", "shimmy", "models")],
] as const)("%s with %j", (platform, env, expected) => {
  expect(pullFolder(undefined, { env, home, platform })).toBe(expected);
});

test("the setting goes first", () => {
  expect(pullFolder("/mine", { env: { XDG_DATA_HOME: "/data" }, home, platform: "linux" })).toBe("/mine");
});
