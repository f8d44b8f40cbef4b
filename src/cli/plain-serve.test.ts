import fc from "fast-check";
import { expect, test } from "vitest";
import { flagsFor } from "../config/describe.ts";
import { plainServe } from "./plain-serve.ts";
import { createProgram, typedFlags } from "./program.ts";

/** What commander makes of it. @throws CommanderError */
function byCommander(words: readonly string[]) {
  const serve = createProgram().commands.find((command) => command.name() === "serve")!;
  serve.exitOverride().configureOutput({ writeErr: () => undefined });
  const { operands, unknown } = serve.parseOptions([...words]);
  return { flags: typedFlags(serve), json: serve.opts().json as true | undefined, strange: [...operands, ...unknown] };
}

const flags = flagsFor("serve").map(({ syntax }) => syntax.split(" "));
const value = fc.constantFrom("8080", "", "a b", "--json", "-1", "--", "x=y", "é");
const typed = fc
  .record({ flag: fc.constantFrom(...flags), value, joined: fc.boolean() })
  .map(({ flag: [flag = "", placeholder], value, joined }): string[] => {
    if (placeholder === undefined) return [flag];
    return joined ? [`${flag}=${value}`] : [flag, value];
  });

test("what it reads is what commander reads, for every flag, however often", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(typed, fc.constant(["--json"])), { maxLength: 8 }), (list) => {
      const words = list.flat();
      const plain = plainServe(["serve", ...words]);
      const { flags, json, strange } = byCommander(words);
      expect(strange).toEqual([]);
      expect(plain).toEqual({ flags, ...(json && { json }) });
    }),
    { numRuns: 300 },
  );
});

test.each([
  [[]],
  [["list"]],
  [["--version"]],
  [["serve", "--help"]],
  [["serve", "-h"]],
  [["serve", "--prot", "80"]],
  [["serve", "--port"]],
  [["serve", "extra"]],
  [["serve", "--json=yes"]],
  [["serve", "--insecure=yes"]],
  [["serve", "--"]],
  [["--json", "serve"]],
])("leaves %j to commander", (words) => {
  expect(plainServe(words)).toBeUndefined();
});
