import { expect, test } from "vitest";
import { withoutControls } from "./output.ts";

test("escape sequences of a model do not reach a terminal; lines, tabs and letters do", () => {
  expect(withoutControls("a\tb\nc\u001b[2J\u0007\u009b31m é 🧮\r")).toBe("a\tb\nc[2J31m é 🧮");
});
