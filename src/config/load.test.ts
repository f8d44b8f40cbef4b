import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { changedSettings, describe as describeConfig, flagsFor } from "./describe.ts";
import type { Surroundings } from "./file.ts";
import { listenAddress } from "./listen.ts";
import { type FlagValues, type LoadedConfig, loadConfig } from "./load.ts";
import { SETTING_KEYS, SETTINGS, type SettingKey } from "./table.ts";

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "shimmy-load-"));
});
afterEach(() => rmSync(cwd, { recursive: true }));

interface Layers {
  readonly file?: string;
  readonly env?: Surroundings["env"];
  readonly flags?: FlagValues;
}

function load({ file, env = {}, flags = {} }: Layers = {}): Promise<LoadedConfig> {
  if (file !== undefined) writeFileSync(join(cwd, "shimmy.yaml"), file);
  return loadConfig(flags, { env, cwd, home: join(cwd, "home"), platform: "linux" });
}

const template = new URL("../../../shared/reference/integration-template.md", import.meta.url);

describe("the template", () => {
  test("has YAML blocks that work as they stand in it, in one file", async ({ skip }) => {
    if (!existsSync(template)) skip("shared/reference/integration-template.md is not on this machine");
    const blocks = [...readFileSync(template, "utf8").matchAll(/```yaml\n(.*?)```/gs)].map(([, block]) => block ?? "");
    expect(blocks).toHaveLength(2);
    const { config, alerts } = await load({ file: blocks.join("") });
    expect([config.bind, config.modelDirs, config.features]).toEqual([
      { host: "127.0.0.1", port: 11435 },
      [join(cwd, "path/to/your/models")],
      ["huggingface", "llama"],
    ]);
    expect(Object.keys(alerts)).toEqual(["startup_time", "memory_usage", "error_rate", "request_latency_p95"]);
    expect(alerts.memory_usage).toBe(">expected_model_size + 100MB");
  });

  test("its configuration block works verbatim", async () => {
    const { config, sources, file } = await load({
      file: 'shimmy_config:\n  bind: "127.0.0.1:11435"  # Or auto-allocated port\n  model_dirs: "path/to/your/models"\n  features: ["huggingface", "llama"]  # Optional: specify required features\n',
    });
    expect(config.bind).toEqual({ host: "127.0.0.1", port: 11435 });
    expect(config.modelDirs).toEqual([join(cwd, "path/to/your/models")]);
    expect(config.features).toEqual(["huggingface", "llama"]);
    expect(sources.bind).toEqual({ from: "file", name: join(cwd, "shimmy.yaml") });
    expect(file).toBe(join(cwd, "shimmy.yaml"));
  });

  test("its environment variables work", async () => {
    const { config } = await load({ env: { SHIMMY_PORT: "11435", SHIMMY_MODEL_DIRS: "/path/to/models", SHIMMY_LOG_LEVEL: "info" } });
    expect([config.port, config.modelDirs, config.logLevel]).toEqual([11435, ["/path/to/models"], "info"]);
  });

  test("its alerts stand beside the configuration without breaking it", async () => {
    const { config, alerts } = await load({ file: "shimmy_config:\n  port: 80\nalerts:\n  startup_time: >2s\n" });
    expect([config.port, alerts]).toEqual([80, { startup_time: ">2s" }]);
  });
});

test("the names of the Rust original work, and ours win over them with a warning", async () => {
  const old = { SHIMMY_BIND_ADDRESS: "[::1]:80", SHIMMY_BASE_GGUF: "m.gguf", SHIMMY_MODEL_PATHS: "/a;/b", SHIMMY_MAX_CTX: "2048" };
  const { config, warnings } = await load({ env: old });
  expect(config).toMatchObject({ bind: { host: "::1", port: 80 }, modelPath: join(cwd, "m.gguf"), modelDirs: ["/a", "/b"], ctx: 2048 });
  expect(warnings).toEqual([]);
  const both = await load({ env: { SHIMMY_CTX: "100", SHIMMY_MAX_CTX: "2048" } });
  expect(both.config.ctx).toBe(100);
  expect(both.warnings).toEqual(["environment: SHIMMY_MAX_CTX is ignored because SHIMMY_CTX is set"]);
});

test("without anything said there are only defaults, frozen through", async () => {
  const { config, sources, warnings, file } = await load();
  expect(config).toMatchObject({ bind: "auto", port: 11435, ctx: 0, embeddedModel: true, modelPath: undefined, maxBodySize: 33_554_432 });
  expect(Object.values(sources).every(({ from }) => from === "default")).toBe(true);
  expect([warnings, file]).toEqual([[], undefined]);
  expect(Object.isFrozen(config) && Object.isFrozen(config.modelDirs) && Object.isFrozen(config.apiKey)).toBe(true);
});

test("--config or SHIMMY_CONFIG names the file, and its relative paths start at its folder", async () => {
  mkdirSync(join(cwd, "etc"));
  writeFileSync(join(cwd, "etc/other.yaml"), "model_dirs: [models, ~/gguf]\n");
  const expected = [join(cwd, "etc/models"), join(cwd, "home/gguf")];
  expect((await load({ file: "port: 1\n", flags: { config: "etc/other.yaml" } })).config).toMatchObject({
    modelDirs: expected,
    port: 11435,
  });
  expect((await load({ env: { SHIMMY_CONFIG: "etc/other.yaml" } })).config.modelDirs).toEqual(expected);
  await expect(load({ flags: { config: "no.yaml" } })).rejects.toMatchObject({ code: "config_file" });
});

test("a repeated flag is a list, and each of its texts may be one", async () => {
  const { config } = await load({
    flags: { modelDirs: ["/a;/b", "/c"], corsOrigins: ["https://x.org,https://y.org"], apiKey: ["k1", "k2"] },
  });
  expect([config.modelDirs, config.corsOrigins, config.apiKey]).toEqual([
    ["/a", "/b", "/c"],
    ["https://x.org", "https://y.org"],
    ["k1", "k2"],
  ]);
});

describe("a mapping", () => {
  test.each([
    ["aliases:\n  gpt-4o: a-model\n  1: org/b:q8_0\n"],
    ["aliases: {gpt-4o: a-model, 1: org/b:q8_0}\n"],
    ["aliases: [gpt-4o=a-model, 1=org/b:q8_0]\n"],
    ["aliases: 1 = org/b:q8_0, gpt-4o = a-model\n"],
  ])("is read from %j", async (file) => {
    expect((await load({ file })).config.aliases).toEqual({ "gpt-4o": "a-model", 1: "org/b:q8_0" });
  });

  test("of a flag is one pair each time, and takes the place of that in the file", async () => {
    const { config, sources } = await load({ file: "aliases: {x: y}\n", flags: { aliases: ["a=b", "c=d,a=e"] } });
    expect([config.aliases, sources.aliases.name]).toEqual([{ a: "e", c: "d" }, "--alias"]);
    expect(Object.isFrozen(config.aliases)).toBe(true);
  });

  test.each(["a: [x]", "a: {b: c}", "a=b: c", "a b: c", "a:", "Default: x", "a*b*: x", '"\\e": x', '"": x', 'a: "x, y"'])(
    "is refused with %s",
    async (entry) => {
      await expect(load({ file: `aliases:\n  ${entry}\n` })).rejects.toMatchObject({
        code: "invalid_setting",
        details: { name: "aliases" },
      });
    },
  );
});

describe("errors name the place, the name, the value and what is allowed", () => {
  test.each<[Layers, string, string[]]>([
    [{ file: "port: 99999\n" }, "invalid_setting", ["shimmy.yaml", "port", "'99999'", "0 to 65535"]],
    [{ env: { SHIMMY_PORT: "abc" } }, "invalid_setting", ["environment", "SHIMMY_PORT", "'abc'", "0 to 65535"]],
    [{ env: { SHIMMY_MAX_CTX: "-5" } }, "invalid_setting", ["SHIMMY_MAX_CTX", "'-5'"]],
    [{ flags: { kv: "both" } }, "invalid_setting", ["command line", "--kv", "'both'", "auto, unified, separate"]],
    [{ flags: { bind: "nowhere" } }, "invalid_setting", ["--bind", "'nowhere'", "HOST:PORT"]],
    [{ file: "port: {a: 1}\n" }, "invalid_setting", ["port", "a mapping"]],
    [{ file: "port: [1]\n" }, "invalid_setting", ["port", "'1'"]],
    [{ file: "model_dir: x\n" }, "unknown_setting", ["shimmy.yaml", "'model_dir'", "Did you mean 'model_dirs'?", "max_queue"]],
    [{ file: "shimmy_config:\n  modelDirs: x\n" }, "unknown_setting", ["Did you mean 'model_dirs'?"]],
    [{ flags: { prot: "1" } }, "unknown_setting", ["command line", "'prot'", "'port'"]],
    [{ flags: { features: "llama" } }, "unknown_setting", ["'features'"]],
  ])("%j", async (layers, code, parts) => {
    const error = await load(layers).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code });
    for (const part of parts) expect((error as Error).message).toContain(part);
  });

  test("a bad value is an error even where a stronger source overrides it", async () => {
    await expect(load({ file: "port: abc\n", flags: { port: "80" } })).rejects.toMatchObject({ code: "invalid_setting" });
  });

  test("a q8_0 cache without flash attention is refused before anything starts, wherever each was said", async () => {
    const reason = { reason: expect.stringContaining("can only be read with flash attention"), value: "'off'" };
    await expect(load({ flags: { kvType: "q8_0", flashAttention: "off" } })).rejects.toMatchObject({
      code: "invalid_setting",
      details: { ...reason, source: "command line", name: "--flash-attention" },
    });
    await expect(load({ env: { SHIMMY_KV_TYPE: "q8_0" }, file: "flash_attention: off\n" })).rejects.toMatchObject({
      details: { ...reason, source: join(cwd, "shimmy.yaml"), name: "flash_attention" },
    });
    expect((await load({ flags: { kvType: "q8_0", flashAttention: "auto" } })).config.kvType).toBe("q8_0");
    expect((await load({ env: {}, flags: { flashAttention: "off" } })).config.kvType).toBe("auto");
  });

  test("an unknown variable is only a warning, with the near miss", async () => {
    const { warnings } = await load({ env: { SHIMMY_PROT: "1", SHIMMY_SOMETHING_ELSE: "1", SHIMMY_EMPTY: "", PATH: "/bin" } });
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toBe("environment: SHIMMY_SOMETHING_ELSE is not a setting");
    expect(warnings[0]).toMatch(/SHIMMY_PROT is not a setting; did you mean SHIMMY_PORT\?/);
  });
});

describe("secrets", () => {
  test("are in no error, no row and no log fields", async () => {
    for (const layers of [{ env: { SHIMMY_API_KEY: "sesame 1" } }, { flags: { apiKey: "sesame\t1" } }, { file: "api_key: [[sesame]]\n" }]) {
      const error = await load(layers).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "invalid_setting" });
      expect(JSON.stringify(error) + String(error)).not.toContain("sesame");
    }
    rmSync(join(cwd, "shimmy.yaml"));
    const loaded = await load({ env: { SHIMMY_API_KEY: "sesame,other" } });
    expect(loaded.config.apiKey).toEqual(["sesame", "other"]);
    expect(describeConfig(loaded).find(({ key }) => key === "apiKey")).toEqual({ key: "apiKey", value: "****", source: "SHIMMY_API_KEY" });
    expect(changedSettings(loaded)).toEqual({ apiKey: "****" });
  });

  test("an empty key on the command line is refused, not taken as no key", async () => {
    await expect(load({ flags: { apiKey: "" } })).rejects.toMatchObject({ code: "invalid_setting" });
    await expect(load({ flags: { apiKey: [","] } })).rejects.toMatchObject({ code: "invalid_setting" });
  });
});

describe("where to listen", () => {
  test.each<[Layers, { host: string; port: number; nextFree: boolean }]>([
    [{}, { host: "127.0.0.1", port: 11435, nextFree: true }],
    [
      { flags: { bind: "auto" }, env: { SHIMMY_PORT: "80" } },
      { host: "127.0.0.1", port: 80, nextFree: false },
    ],
    [
      { file: "bind: 0.0.0.0:1\n", flags: { port: "80" } },
      { host: "0.0.0.0", port: 80, nextFree: false },
    ],
    [
      { flags: { bind: "127.0.0.1:0" }, env: { SHIMMY_PORT: "80" } },
      { host: "127.0.0.1", port: 0, nextFree: false },
    ],
    [{ env: { SHIMMY_BIND_ADDRESS: "[::1]:80", SHIMMY_PORT: "80" } }, { host: "::1", port: 80, nextFree: false }],
  ])("%j", async (layers, expected) => expect(listenAddress(await load(layers))).toEqual(expected));

  test("two ports from one source are an error", async () => {
    const loaded = await load({ flags: { bind: "127.0.0.1:1", port: "2" } });
    expect(() => listenAddress(loaded)).toThrow("command line: port: 2 is not allowed: bind already names port 1");
  });
});

describe("flags of a command", () => {
  test("have their placeholder, default and variable", () => {
    const ctx = flagsFor("serve").find(({ key }) => key === "ctx");
    expect(ctx).toMatchObject({ syntax: "--ctx <tokens>", repeatable: false, hidden: false });
    expect(ctx?.description).toMatch(/\[default auto; SHIMMY_CTX\]$/);
    expect(flagsFor("list").map(({ key }) => key)).not.toContain("ctx");
    expect(flagsFor("list").map(({ key }) => key)).toContain("config");
  });

  test("a switch has both halves, positive first, the useless one hidden", () => {
    const halves = flagsFor("serve").filter(({ key }) => key === "embeddedModel" || key === "insecure");
    expect(halves.map(({ syntax, hidden }) => [syntax, hidden])).toEqual([
      ["--insecure", false],
      ["--no-insecure", true],
      ["--embedded-model", true],
      ["--no-embedded-model", false],
    ]);
  });

  test("`config` has every flag there is", () => {
    const keys = new Set<string>(flagsFor("config").map(({ key }) => key));
    expect(SETTING_KEYS.filter((key) => SETTINGS[key].flag !== undefined && !keys.has(key))).toEqual([]);
  });
});

/** Texts that the setting allows. */
function valid(key: SettingKey): fc.Arbitrary<string> {
  const { kind } = SETTINGS[key];
  const segment = fc.stringMatching(/^[\w.-]{1,12}$/);
  const special: Partial<Record<SettingKey, fc.Arbitrary<string>>> = {
    alertInterval: fc.integer({ min: 1000, max: 2_147_483_647 }).map((ms) => `${ms}ms`),
    alertWebhook: fc.domain().map((host) => `https://${host}/hook?key=1`),
    corsOrigins: fc.domain().map((host) => `https://${host}`),
    maxBodySize: fc.integer({ min: 1, max: 2 ** 45 }).map(String),
    modelStores: fc.constantFrom("auto", "off", "ollama", "hugging-face,jan", "home,lm-studio,llama-cpp"),
    upstreams: fc.constantFrom("http://a:1", "http://a:1/v1,key=k;b=https://c,weight=2"),
    pullConnections: fc.integer({ min: 1, max: 16 }).map(String),
  };
  const byType: Record<typeof kind.type, fc.Arbitrary<string>> = {
    text: segment,
    boolean: fc.constantFrom("true", "false", "1", "no"),
    integer: fc.integer({ min: 32, max: 256 }).map(String),
    duration: fc.integer({ min: 0, max: 2_147_483_647 }).map((ms) => `${ms}ms`),
    bytes: fc.integer({ min: 1 }).map(String),
    choice: fc.constantFrom(...kind.allowed.split(", ")),
    path: segment.map((name) => `folder/${name}`),
    address: fc.oneof(
      fc.constant("auto"),
      fc
        .tuple(
          fc.oneof(
            fc.ipV4(),
            fc.domain(),
            fc.ipV6().map((ip) => `[${ip}]`),
          ),
          fc.nat(65_535),
        )
        .map(([host, port]) => `${host}:${port}`),
    ),
    mapping: fc
      .array(fc.tuple(segment, segment), { minLength: 1, maxLength: 3 })
      .map((pairs) => pairs.map((pair) => pair.join("=")).join(",")),
    list: fc.array(segment, { minLength: 1, maxLength: 3 }).map((items) => items.join(key === "modelDirs" ? ";" : ",")),
  };
  return special[key] ?? byType[kind.type];
}

const base = { folder: "/work", home: "/home/me" };

describe.each(SETTING_KEYS)("%s", (key) => {
  const { kind, flag, env, file, secret } = SETTINGS[key];

  test("what is printed reads back as the same value", () => {
    fc.assert(
      fc.property(valid(key), (text) => {
        const value = kind.parse(text, base);
        expect(kind.parse(kind.format(value), { folder: "/elsewhere", home: "/nobody" })).toEqual(value);
      }),
    );
    expect(kind.parse(kind.format(SETTINGS[key].default), base)).toEqual(SETTINGS[key].default);
  });

  test("flags win over environment over file over default, and the source says so", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(valid(key), { minLength: 4, maxLength: 4 }),
        fc.subarray(["file", "environment", "flag"] as const),
        async (texts, present) => {
          const [inFile = "", inEnv = "", inFlag = ""] = texts;
          const [variable] = env;
          const layers = present.filter(
            (layer) => layer === "file" || (layer === "environment" ? variable !== undefined : flag !== undefined),
          );
          const loaded = await load({
            file: layers.includes("file") ? `${file}: '${inFile}'\n` : "",
            env: variable !== undefined && layers.includes("environment") ? { [variable]: inEnv } : {},
            flags: layers.includes("flag") ? { [key]: kind.type === "boolean" ? inFlag === "true" : inFlag } : {},
          });
          const from = layers.at(-1) ?? "default";
          expect(loaded.sources[key].from).toBe(from);
          const flagText = kind.type === "boolean" ? String(inFlag === "true") : inFlag;
          const winner = { default: undefined, file: inFile, environment: inEnv, flag: flagText }[from];
          const expected = winner === undefined ? SETTINGS[key].default : kind.parse(winner, { folder: cwd, home: join(cwd, "home") });
          expect(loaded.config[key]).toEqual(expected);
          const row = describeConfig(loaded).find((candidate) => candidate.key === key);
          expect(row?.value).toBe(secret && from !== "default" ? "****" : kind.format(expected));
        },
      ),
      { numRuns: 20 },
    );
  });
});
