import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findConfigFile, quoteConditions, readConfigFile, type Surroundings } from "./file.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "shimmy-file-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, content = ""): string {
  const full = join(root, path);
  mkdirSync(join(full, ".."), { recursive: true });
  writeFileSync(full, content);
  return full;
}

function around(given: Partial<Surroundings> = {}): Surroundings {
  return { env: {}, cwd: join(root, "cwd"), home: join(root, "home"), platform: "linux", ...given };
}

describe("the file is looked for", () => {
  test("in the working directory before the user's folder", () => {
    const user = put("home/.config/shimmy/shimmy.yml");
    expect(findConfigFile(undefined, around())).toBe(user);
    const here = put("cwd/shimmy.yaml");
    expect(findConfigFile(undefined, around())).toBe(here);
  });

  test("where each system keeps such files", () => {
    const xdg = put("xdg/shimmy/shimmy.yaml");
    const mac = put("home/Library/Application Support/shimmy/shimmy.yaml");
    const windows = put("roaming/shimmy/shimmy.yaml");
    expect(findConfigFile(undefined, around({ env: { XDG_CONFIG_HOME: join(root, "xdg") } }))).toBe(xdg);
    expect(findConfigFile(undefined, around({ platform: "darwin" }))).toBe(mac);
    expect(findConfigFile(undefined, around({ platform: "win32", env: { APPDATA: join(root, "roaming") } }))).toBe(windows);
    expect(findConfigFile(undefined, around())).toBeUndefined();
  });

  test("at the named place only, whether or not it exists", () => {
    put("cwd/shimmy.yaml");
    expect(findConfigFile("other.yaml", around())).toBe(join(root, "cwd/other.yaml"));
    expect(findConfigFile("~/other.yaml", around())).toBe(join(root, "home/other.yaml"));
  });
});

describe("the file is read", () => {
  test("with scalars as the text they are", async () => {
    const { values } = await readConfigFile(
      put("a.yaml", "api_key: 0123\nport: 80 # comment\ninsecure: on\nkv:\nmodel_dirs: [a, 'b:c']\n"),
    );
    expect(Object.fromEntries(values)).toEqual({ api_key: "0123", port: "80", insecure: "on", kv: "", model_dirs: ["a", "b:c"] });
  });

  test("when it is empty or holds only comments", async () => {
    expect((await readConfigFile(put("a.yaml", ""))).values.size).toBe(0);
    expect((await readConfigFile(put("b.yaml", "# nothing\n"))).values.size).toBe(0);
    expect((await readConfigFile(put("c.yaml", "shimmy_config:\n"))).values.size).toBe(0);
  });

  test.each([
    ["bind: [a\n", "line 2"],
    ["port: 1\nport: 2\n", "line 2"],
    ["port: 1\n\tkv: 2\n", "line 2"],
    ["- a\n", "keys and values"],
    ["shimmy_config: 5\n", "shimmy_config"],
    ["port: 1\nshimmy_config:\n  port: 2\n", "port stands both"],
    ["a: 1\n---\nb: 2\n", "line 2"],
  ])("%j is an error that says %s", async (content, reason) => {
    await expect(readConfigFile(put("bad.yaml", content))).rejects.toMatchObject({
      code: "config_file",
      message: expect.stringContaining(reason),
    });
  });

  test.each([
    "api_key: *sesame\n",
    "api_key: !sesame x\n",
    "api_key: !e!sesame x\n",
    "api_key: |sesame\n",
    "api_key: >sesame\n",
    'api_key: "\\usesame"\n',
    'api_key: "sesame\n',
    "api_key: sesame: x\n",
    "%sesame x\n---\na: b\n",
  ])("without telling its content when %j is not YAML", async (content) => {
    const error = await readConfigFile(put("bad.yaml", content)).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: "config_file", message: expect.not.stringMatching(/ses/) });
  });

  test("and one that is missing or a folder is an error with its path", async () => {
    const missing = join(root, "no.yaml");
    await expect(readConfigFile(missing)).rejects.toThrow(`${missing} cannot be read as configuration: there is no such file`);
    await expect(readConfigFile(root)).rejects.toThrow("EISDIR");
  });
});

describe("alerts", () => {
  test("as the template writes them are kept word for word", async () => {
    const block =
      "alerts:\n  startup_time: >2s\n  memory_usage: >expected_model_size + 100MB\n  error_rate: >5%\n  request_latency_p95: >5s  # Adjust based on your SLA\n";
    const expected = { startup_time: ">2s", memory_usage: ">expected_model_size + 100MB", error_rate: ">5%", request_latency_p95: ">5s" };
    expect((await readConfigFile(put("a.yaml", block))).alerts).toEqual(expected);
    expect((await readConfigFile(put("b.yaml", block.replaceAll("\n", "\r\n")))).alerts).toEqual(expected);
  });

  test("quoting keeps to its block, to its lines and off real folded text", () => {
    const text = 'alerts:\n  a: >\n    folded\n  b: >-  # note\n    folded\n  c: ">1"\n  d: >it\'s\nother: >5\n  x: >6\n';
    expect(quoteConditions(text)).toBe(text.replace(">it's", "'>it''s'"));
  });

  test("window and hold time may stand beside a condition, in a line or below each other", async () => {
    const flow = '  a: {when: >5s, window: 5m, for: 1m}  # note\n  b: { window: 5m, when: ">= 5s" }\n  c: {when: error_rate > 5%}\n';
    const block = "  d:\n    when: >5s\n    for: 1m\n  e: != 1\n  f: {when: !=1}\n";
    expect((await readConfigFile(put("a.yaml", `alerts:\n${flow}${block}`))).alerts).toEqual({
      a: { when: ">5s", window: "5m", for: "1m" },
      b: { window: "5m", when: ">= 5s" },
      c: { when: "error_rate > 5%" },
      d: { when: ">5s", for: "1m" },
      e: "!= 1",
      f: { when: "!=1" },
    });
  });

  test.each(["alerts: [a]\n", "alerts: high\n", "alerts:\n  a: [b]\n", "alerts:\n  a:\n"])("%j is refused", async (content) => {
    await expect(readConfigFile(put("a.yaml", content))).rejects.toMatchObject({ code: "invalid_setting" });
  });
});
