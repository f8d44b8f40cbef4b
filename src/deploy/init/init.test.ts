import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { unifiedDiff } from "./diff.ts";
import { findTemplate, listTemplates } from "./index.ts";
import { type InitFlags, templateOptions } from "./options.ts";
import { TEMPLATES } from "./templates/index.ts";
import { compareFiles, writeFiles } from "./write.ts";

const base = mkdtempSync(join(tmpdir(), "shimmy-init-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(base, "case-"));
});

const DEFAULTS = { port: 11435, memoryBytes: 2 ** 30, memoryReason: "A guess.", cpus: 2, version: "0.0.0" };

describe("writing", () => {
  const files = [
    { path: "a.txt", text: "one\ntwo\n" },
    { path: "deep/er/run.sh", text: "#!/bin/sh\n", mode: 0o755 },
  ];

  test("makes folders, whole files and their permissions, and leaves nothing else", async () => {
    await writeFiles(await compareFiles(folder, files), false);
    expect(readFileSync(join(folder, "a.txt"), "utf8")).toBe("one\ntwo\n");
    expect(statSync(join(folder, "deep/er/run.sh")).mode & 0o777).toBe(0o755);
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual(["a.txt", "deep", "deep/er", "deep/er/run.sh"]);
  });

  test("without force writes nothing at all where one file differs", async () => {
    writeFileSync(join(folder, "a.txt"), "mine\n");
    const compared = await compareFiles(folder, files);
    expect(compared.map(({ state }) => state)).toEqual(["differs", "new"]);
    await expect(writeFiles(compared, false)).rejects.toMatchObject({ code: "file_exists" });
    expect(readdirSync(folder)).toEqual(["a.txt"]);
    expect(readFileSync(join(folder, "a.txt"), "utf8")).toBe("mine\n");
  });

  test("with force overwrites", async () => {
    writeFileSync(join(folder, "a.txt"), "mine\n");
    await writeFiles(await compareFiles(folder, files), true);
    expect(readFileSync(join(folder, "a.txt"), "utf8")).toBe("one\ntwo\n");
  });

  test("an equal file is no conflict, and is left alone", async () => {
    await writeFiles(await compareFiles(folder, files), false);
    chmodSync(join(folder, "a.txt"), 0o444);
    const compared = await compareFiles(folder, files);
    expect(compared.map(({ state }) => state)).toEqual(["same", "same"]);
    await writeFiles(compared, false);
  });

  test("a file that appeared after the comparison is not overwritten", async () => {
    const compared = await compareFiles(folder, files);
    writeFileSync(join(folder, "a.txt"), "mine\n");
    await expect(writeFiles(compared, false)).rejects.toMatchObject({ code: "file_exists" });
    expect(readFileSync(join(folder, "a.txt"), "utf8")).toBe("mine\n");
  });

  test("what stands in the way is named", async () => {
    mkdirSync(join(folder, "a.txt"));
    await expect(compareFiles(folder, files)).rejects.toMatchObject({ code: "cannot_write" });
    writeFileSync(join(folder, "file"), "");
    const compared = compareFiles(folder, [{ path: "file/below", text: "" }]);
    await expect(compared).rejects.toMatchObject({ code: "cannot_write" });
  });

  test("a link out of the folder, or to nowhere, is not followed", async () => {
    const outside = mkdtempSync(join(base, "outside-"));
    symlinkSync(outside, join(folder, "deep"));
    await expect(compareFiles(folder, files)).rejects.toMatchObject({ code: "cannot_write" });
    expect(readdirSync(outside)).toEqual([]);
    rmSync(join(folder, "deep"));
    for (const target of [join(outside, "nothing"), join(outside, "file")]) {
      if (target.endsWith("file")) writeFileSync(target, "theirs\n");
      symlinkSync(target, join(folder, "a.txt"));
      await expect(compareFiles(folder, files)).rejects.toMatchObject({ code: "cannot_write" });
      rmSync(join(folder, "a.txt"));
    }
    expect(readdirSync(outside)).toEqual(["file"]);
  });

  test("a link inside of the folder, and a folder that is itself reached by one, are followed", async () => {
    mkdirSync(join(folder, "real"));
    symlinkSync("real", join(folder, "deep"));
    const link = join(base, "link");
    symlinkSync(folder, link);
    await writeFiles(await compareFiles(link, files), false);
    expect(readFileSync(join(folder, "real/er/run.sh"), "utf8")).toBe("#!/bin/sh\n");
  });

  test("never leaves the folder", async () => {
    await expect(compareFiles(folder, [{ path: "../x", text: "" }])).rejects.toThrow(/not below/);
    await expect(compareFiles(folder, [{ path: "/x", text: "" }])).rejects.toThrow(/not below/);
  });
});

describe("a diff", () => {
  const PATCH = spawnSync("patch", ["--version"]).error ? "the program `patch` is not on this machine" : undefined;
  const text = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 30 }).map((lines) => lines.map((line) => `${line}\n`).join(""));

  test.skipIf(PATCH)(`makes of the one text the other, says patch(1)${PATCH ? ` (skipped: ${PATCH})` : ""}`, () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const diff = unifiedDiff("file", before, after);
        expect(diff === "").toBe(before === after);
        if (before === after) return;
        const path = join(folder, "file");
        writeFileSync(path, before);
        execFileSync("patch", ["--silent", path], { input: `${diff}\n`, cwd: folder });
        expect(readFileSync(path, "utf8")).toBe(after);
      }),
      { numRuns: 40 },
    );
  });

  test("shows the change with three lines around, and a missing line end", () => {
    const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`);
    const changed = lines.with(10, "other").join("\n");
    const diff = unifiedDiff("x", `${lines.join("\n")}`, `${changed}\n`);
    expect(diff).toContain("@@ -8,7 +8,7 @@");
    expect(diff).toContain("@@ -17,4 +17,4 @@");
    expect(diff).toContain("-line 10\n+other");
    expect(diff).toContain("-line 19\n\\ No newline at end of file\n+line 19");
    expect(diff).not.toContain("line 6");
  });
});

describe("options", () => {
  test("are the defaults unless a flag says otherwise", () => {
    const { memoryReason, ...rest } = templateOptions(
      { memory: "1.5Gi", models: ["a,b", "b", "o/r:Q4_K_M"], cpus: "0.5", replicas: "3" },
      DEFAULTS,
    );
    const models = ["a", "b", "o/r:Q4_K_M"];
    expect(rest).toEqual({ name: "shimmy", port: 11435, models, replicas: 3, memoryBytes: 1.5 * 2 ** 30, cpus: 0.5, version: "0.0.0" });
    expect(memoryReason).toContain("--memory");
    expect(templateOptions({}, DEFAULTS).memoryBytes).toBe(2 ** 30);
  });

  const refused: InitFlags[] = [
    ...["", "Chat", "-a", "a-", "a b", "a;rm", "../a", "a".repeat(64), "9a", "null", "true", "no", "on", "y"].map((name) => ({ name })),
    ...["0", "65536", "8.5", "x", "-1"].map((port) => ({ port })),
    ...["0", "1.5", "many"].map((replicas) => ({ replicas })),
    ...["lots", "1", "-5Gi", "9999999Gi"].map((memory) => ({ memory })),
    ...["0", "-1", "x"].map((cpus) => ({ cpus })),
    ...["a b", "$(x)", "a\nb", "'"].map((model) => ({ models: [model] })),
  ];
  test.each(refused)("refuse %o", (flags) => {
    expect(() => templateOptions(flags, DEFAULTS)).toThrow(/Invalid value for '--/);
  });
});

describe("the templates", () => {
  test("are found by name and alias in any case; an unknown one is told with the others", () => {
    expect(findTemplate("Integration")).toBe("integration");
    for (const template of TEMPLATES)
      for (const typed of [template.name.toUpperCase(), ...(template.aliases ?? [])]) expect(findTemplate(typed)).toBe(template);
    expect(() => findTemplate("nope")).toThrow(/integration/);
  });

  test("have names of their own, and a README that is no README.md", () => {
    const names = listTemplates().flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const template of TEMPLATES) {
      const paths = template.files(templateOptions({}, DEFAULTS)).map(({ path }) => path);
      expect(paths).toContain(`README-${template.name}.md`);
      expect(paths).not.toContain("README.md");
      expect(new Set(paths).size).toBe(paths.length);
    }
  });
});
