import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aliasFor } from "./alias-table.ts";
import { Aliases, aliasFile, removeAlias, saveAlias } from "./aliases.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-aliases-"));
  file = aliasFile(join(folder, "data", "shimmy"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const targetOf = async (aliases: Aliases, name: string) => aliasFor(name, await aliases.current())?.target;

test("a saved alias is known to a running server at once, until it is removed", async () => {
  const aliases = new Aliases({ configured: { set: "s" }, file });
  expect(await targetOf(aliases, "fast")).toBeUndefined();
  expect(await saveAlias("fast", "smol", file)).toBeUndefined();
  expect(await targetOf(aliases, "fast")).toBe("smol");
  expect(await saveAlias("FAST", "tiny", file)).toBe("smol");
  expect(await targetOf(aliases, "fast")).toBe("tiny");
  expect(await removeAlias("Fast", file)).toBe("tiny");
  expect(await removeAlias("fast", file)).toBeUndefined();
  expect([await targetOf(aliases, "fast"), await targetOf(aliases, "set")]).toEqual([undefined, "s"]);
});

test.skipIf(process.platform === "win32")("only the user can read the file, and nothing is left beside it", async () => {
  await saveAlias("fast", "smol", file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(file, "..")).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(file, ".."))).toEqual(["aliases.json"]);
});

test("many that are saved at once are all kept", async () => {
  const names = Array.from({ length: 20 }, (_, i) => `name-${i}`);
  await Promise.all(names.map((name) => saveAlias(name, "smol", file)));
  const table = new Aliases({ configured: {}, file });
  for (const name of names) expect(await targetOf(table, name)).toBe("smol");
});

test("removing what is not there writes nothing", async () => {
  expect(await removeAlias("x", file)).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

describe("a file that is not as Shimmy wrote it", () => {
  const write = (text: string) => {
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
  };

  test.each(["", "{", "null", "[]", '{"aliases":[]}', '{"aliases":"x"}', "\u0000"])(
    "%j counts as none, is told once, and is kept aside",
    async (text) => {
      write(text);
      const told: string[] = [];
      const aliases = new Aliases({ configured: {}, file, onProblem: (_, reason) => told.push(reason) });
      expect([await aliases.current(), await aliases.current()]).toEqual([[], []]);
      expect(told).toHaveLength(1);
      await saveAlias("fast", "smol", file);
      expect(await targetOf(aliases, "fast")).toBe("smol");
      expect(readFileSync(`${file}.unusable`, "utf8")).toBe(text);
    },
  );

  test("entries that are no aliases are passed over, the others work", async () => {
    write('{"aliases":{"ok":"m","default":"m","a b":"m","n":1,"e":"","__proto__":"m","constructor":"m"}}');
    const names = (await new Aliases({ configured: {}, file }).current()).map(({ name }) => name);
    expect(names.sort()).toEqual(["__proto__", "constructor", "ok"]);
  });

  test("a huge one is not read", async () => {
    write(" ".repeat(1024 * 1024 + 1));
    const told: string[] = [];
    await new Aliases({ configured: {}, file, onProblem: (_, reason) => told.push(reason) }).current();
    expect(told).toEqual(["it is larger than 1048576 bytes"]);
  });

  test.skipIf(process.platform === "win32" || process.getuid?.() === 0)(
    "one that may not be read is told (skipped for root and on Windows)",
    async () => {
      write("{}");
      chmodSync(file, 0);
      const told: string[] = [];
      await new Aliases({ configured: {}, file, onProblem: (_, reason) => told.push(reason) }).current();
      expect(told).toEqual(["EACCES"]);
    },
  );
});

test.each(["default", "a b", "", "*x*"])("%j is refused, and nothing is written", async (name) => {
  await expect(saveAlias(name, "m", file)).rejects.toMatchObject({ code: "invalid_alias" });
  expect(readdirSync(folder)).toEqual([]);
});
