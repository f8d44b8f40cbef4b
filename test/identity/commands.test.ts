/** `shimmy list`, `show`, `cp` and aliases on the command line, over small files with telling and with hostile metadata. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { tinyModel, writeModel } from "../fixtures/gguf.ts";
import { type Finished, shimmy, temporaryFolder } from "../support/command.ts";
import { startServer, until } from "../support/server.ts";

const cwd = temporaryFolder();
const STATE = join(cwd, "shimmy", "aliases.json");
const ESCAPE = "\u001b]0;owned\u0007\u009b31m\u202e";
const TOOLS = "{% if tools %}<|im_start|>{{ tools }}{% endif %}{{ '<think>' }}";

/** No server is asked unless a test names one. */
const run = (args: readonly string[], env: Record<string, string> = {}): Promise<Finished> =>
  shimmy(args, { cwd, env: { SHIMMY_PORT: "0", ...env } });
const json = async (args: readonly string[], env?: Record<string, string>) => {
  const { code, stdout, stderr } = await run([...args, "--json"], env);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
};
const row = (stdout: string, first: string) =>
  stdout
    .split("\n")
    .find((line) => line.startsWith(first))
    ?.split(/\s{2,}/);

beforeAll(async () => {
  const coder = { "tokenizer.ggml.fim_pre_token_id": 0, "tokenizer.ggml.fim_suf_token_id": 1, "tokenizer.ggml.fim_mid_token_id": 2 };
  await writeModel(
    join(cwd, "models", "Coder-1B.gguf"),
    tinyModel({ ...coder, "general.license": "mit", "tokenizer.chat_template": TOOLS }),
  );
  await writeModel(
    join(cwd, "models", "Evil.gguf"),
    tinyModel({ "general.license": ESCAPE, "tokenizer.chat_template": `a\n${ESCAPE}\r\u0000`, "general.name": ESCAPE }),
  );
});

describe("what is known of a model", () => {
  test("list --json has capabilities, template, licence, quantisation, size and the state where a server is", async () => {
    const models = await json(["list"]);
    expect(models.map(({ id }: { id: string }) => id)).toEqual(["coder-1b", "evil", "shimmy-tiny"]);
    expect(models[0]).toMatchObject({
      architecture: "llama",
      family: "llama",
      quantization: "F32",
      contextLength: 256,
      capabilities: ["completion", "chat", "tools", "thinking", "fill-in-the-middle"],
      templateFormat: "chatml",
      license: "mit",
      state: null,
    });
  });

  test("show is a table of it, in any spelling of the name", async () => {
    const { code, stdout } = await run(["show", "CODER-1b.gguf"]);
    expect(code).toBe(0);
    expect(row(stdout, "capabilities")?.[1]).toBe("completion, chat, tools, thinking, fill-in-the-middle");
    expect(row(stdout, "template")?.[1]).toBe(`chatml, ${TOOLS.length} characters (--template prints it)`);
    expect([row(stdout, "license")?.[1], row(stdout, "digest")?.[1]]).toEqual(["mit", "not told by its store"]);
    expect(row(stdout, "path")?.[1]).toBe(join(cwd, "models", "Coder-1B.gguf"));
  });

  test("show --template prints the template alone, --metadata the keys of the file", async () => {
    expect((await run(["show", "coder-1b", "--template"])).stdout).toBe(`${TOOLS}\n`);
    const { stdout } = await run(["show", "coder-1b", "--metadata"]);
    expect(stdout.split("\n")).toEqual(
      expect.arrayContaining(["general.license = mit", "llama.block_count = 2", "tokenizer.ggml.tokens = [4 string]"]),
    );
    expect((await json(["show", "coder-1b", "--metadata"])).metadata).toMatchObject({
      "llama.context_length": 256,
      "tokenizer.ggml.tokens": { count: 4 },
    });
  });

  test("a model that is not there: exit code 1, near names first", async () => {
    const { code, stderr } = await run(["show", "codr-1b"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("Available models: coder-1b, ")]);
  });

  test("control characters of a file never reach the terminal, and --json is still the same text", async () => {
    for (const args of [
      ["list"],
      ["show", "evil"],
      ["show", "evil", "--template"],
      ["show", "evil", "--metadata"],
      ["show", "evil", "--json"],
      ["list", "--json"],
    ]) {
      const { code, stdout, stderr } = await run(args);
      expect([args, code, /[^\P{C}\n\t]/u.exec(stdout + stderr)]).toEqual([args, 0, null]);
    }
    expect((await json(["show", "evil"])).license).toBe(ESCAPE);
    expect((await run(["show", "evil", "--template"])).stdout).toContain("a\n\\u001b]0;owned\\u0007");
    expect((await run(["show", `no${ESCAPE}`])).stderr).not.toMatch(/[^\P{C}\n\t]/u);
  });
});

describe("aliases", () => {
  test("cp writes one into Shimmy's own file, copies nothing, and list and show answer to it", async () => {
    const { code, stdout } = await run(["cp", "Coder-1B.gguf", "fast"]);
    expect([code, stdout]).toEqual([0, "fast -> coder-1b\n"]);
    expect(JSON.parse(readFileSync(STATE, "utf8"))).toEqual({ version: 1, aliases: { fast: "coder-1b" } });
    if (process.platform !== "win32") expect(statSync(STATE).mode & 0o777).toBe(0o600);
    expect((await json(["list"]))[0].aliases).toEqual(["fast"]);
    expect((await json(["show", "FAST"])).id).toBe("coder-1b");
    expect(await json(["cp", "evil", "fast"])).toEqual({ alias: "fast", model: "evil", before: "coder-1b" });
  });

  test.each([
    ["default", "always means the default model"],
    ["coder-1b", "the model coder-1b answers to that name"],
    ["Coder_1B.gguf", "the model coder-1b answers to that name"],
    ["a b", "not allowed"],
    ["x*y*", "one '*'"],
    ["set", "settings win"],
  ])("cp refuses %s: %s", async (alias, reason) => {
    const { code, stderr } = await run(["cp", "evil", alias, "--alias", "set=coder-1b"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(reason)]);
  });

  test("rm takes an alias away again, and no model with it", async () => {
    expect((await run(["cp", "evil", "gone-soon"])).code).toBe(0);
    const { code, stderr } = await run(["rm", "gone-soon"]);
    expect([code, stderr]).toEqual([0, "removed the alias of evil\n"]);
    expect((await run(["show", "gone-soon"])).code).toBe(1);
    expect((await run(["show", "evil"])).code).toBe(0);
  });

  test("cp of a name that is not there is an error, whatever the fallbacks", async () => {
    expect((await run(["cp", "coder-70b", "big"])).code).toBe(1);
  });

  test("--alias, repeated, and SHIMMY_ALIASES name models; a star takes any name", async () => {
    expect((await json(["show", "gpt-4o", "--alias", "one=evil", "--alias", "gpt-*=coder-1b"])).id).toBe("coder-1b");
    expect((await json(["show", "one"], { SHIMMY_ALIASES: "one=evil,two=coder-1b" })).id).toBe("evil");
    expect((await json(["show", "x"], { SHIMMY_ALIASES: "x=default" })).id).toBe("coder-1b");
  });

  test("an alias without its model is told by list", async () => {
    expect((await run(["list", "--alias", "lost=nowhere"])).stderr).toBe("note: the alias lost stands for nowhere, which is not here\n");
  });

  test.each(["novalue", "auto=evil", "a*b*=evil", "=evil", "a="])("--alias %s: exit code 2", async (alias) => {
    const { code, stderr } = await run(["list", "--alias", alias]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("--alias")]);
  });
});

test("list tells what a running server has loaded", async () => {
  const server = await startServer({ args: ["--preload", "shimmy-tiny"] });
  try {
    await until(async () => (await fetch(`${server.url}/health`)).status === 200);
    await fetch(`${server.url}/api/models`); // the first request loads the application
    const { stdout } = await run(["list"], { SHIMMY_PORT: String(server.port) });
    expect([row(stdout, "shimmy-tiny")?.[5], row(stdout, "coder-1b")?.[5]]).toEqual(["loaded", "unknown"]);
  } finally {
    await server.stop();
  }
});
