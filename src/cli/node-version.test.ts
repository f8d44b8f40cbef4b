import { expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import { checkNode } from "./node-version.ts";

test("a Node that cannot run it is told so, with what to do", () => {
  const told = (version: string) => {
    try {
      checkNode(version, ["run", "hello"]);
      return undefined;
    } catch (error) {
      return ShimmyError.from(error);
    }
  };
  expect(["18.20.8", "19.9.0"].map((version) => told(version)?.message)).toEqual([
    "Shimmy needs Node 20.19 or later; this is Node 18.20.8",
    "Shimmy needs Node 20.19 or later; this is Node 19.9.0",
  ]);
  expect(told("18.20.8")?.hint).toContain("nvm install");
  expect(["20.0.0", "20.19.0", "24.1.0", "100.0.0"].map(told)).toEqual([undefined, undefined, undefined, undefined]);
});

test("doctor is let through: it is asked what is wrong", () => {
  expect(() => checkNode("18.20.8", ["doctor", "--json"])).not.toThrow();
});
