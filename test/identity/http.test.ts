/** Which model answers, and how it is told: aliases, fallbacks, strict servers and strict keys, over the wire. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shimmy } from "../support/command.ts";
import { post, startServer, type TestServer, TINY } from "../support/server.ts";

let cwd: string;
let server: TestServer;
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), "shimmy-identity-"));
  mkdirSync(join(cwd, "models"));
  copyFileSync(TINY, join(cwd, "models", "模型.gguf"));
  writeFileSync(
    join(cwd, "shimmy.yaml"),
    "aliases:\n  gpt-4o: shimmy-tiny\n  claude-*: default\n  gone: shimmy-huge-70b\nstrict_keys: [tight]\napi_key: loose\n",
  );
  server = await startServer({ cwd });
});
afterAll(async () => {
  await server.stop();
  rmSync(cwd, { recursive: true });
});

const auth = (key = "loose") => ({ headers: { authorization: `Bearer ${key}` } });
interface Model {
  readonly id?: string;
  readonly name?: string;
  readonly template?: string;
}
type Body = Model & { readonly data: readonly Model[]; readonly models: readonly Model[]; readonly error: { readonly code: string } };
const get = async (path: string) => (await (await fetch(server.url + path, auth())).json()) as Body;

async function ask(model: string, key = "loose", stream = false) {
  const response = await post(
    server,
    "/v1/chat/completions",
    { model, stream, messages: [{ role: "user", content: "Hi" }], max_tokens: 1 },
    auth(key),
  );
  const text = await response.text();
  return { status: response.status, text, told: response.headers.get("x-shimmy-model-fallback") };
}
const answeredBy = async (model: string, key?: string) => {
  const { text, told } = await ask(model, key);
  return [JSON.parse(text).model, told];
};
const fallbacks = async (step: string) => {
  const text = await (await fetch(`${server.url}/metrics`, auth())).text();
  return Number(new RegExp(`^shimmy_model_fallbacks_total\\{step="${step}"\\} (\\d+)`, "m").exec(text)?.[1] ?? 0);
};

describe("the hierarchy", () => {
  test("an id and an alias are what was asked for: nothing is told", async () => {
    expect(await answeredBy("shimmy-tiny")).toEqual(["shimmy-tiny", null]);
    expect(await answeredBy("gpt-4o")).toEqual(["shimmy-tiny", null]);
    expect(await answeredBy("claude-sonnet-4")).toEqual(["模型", null]);
    expect(await answeredBy("default")).toEqual(["模型", null]);
    expect([await fallbacks("family"), await fallbacks("default")]).toEqual([0, 0]);
  });

  test("family and default are told in the header, in the log and in a metric", async () => {
    expect(await answeredBy("shimmy-huge-70b")).toEqual(["模型", "shimmy-huge-70b -> %E6%A8%A1%E5%9E%8B; step=family"]);
    expect(await answeredBy("gone")).toEqual(["模型", "gone -> %E6%A8%A1%E5%9E%8B; step=family"]);
    expect(await answeredBy("no such model")).toEqual(["模型", "no%20such%20model -> %E6%A8%A1%E5%9E%8B; step=default"]);
    expect((await ask("none", "loose", true)).told).toBe("none -> %E6%A8%A1%E5%9E%8B; step=default");
    expect([await fallbacks("family"), await fallbacks("default")]).toEqual([2, 2]);
    expect(server.stderr()).toMatch(/another model answers.*no such model.*default/);
  });

  test.each(["\ud800", "x".repeat(100_000), "a\r\nx-evil: 1", "\u0000"])(
    "a name that is no header value is told all the same (%#)",
    async (name) => {
      const { status, told } = await ask(name);
      expect([status, told]).toEqual([200, expect.stringMatching(/^[!-~]{1,1500} -> [!-~]+; step=default$/)]);
    },
  );

  test("a strict key is answered by what it names, by id or alias, or not at all", async () => {
    expect(await answeredBy("gpt-4o", "tight")).toEqual(["shimmy-tiny", null]);
    const before = await fallbacks("none");
    for (const name of ["shimmy-huge-70b", "gone", "shimy-tiny"]) {
      const { status, text } = await ask(name, "tight");
      expect([status, JSON.parse(text).error.code]).toEqual([404, "model_not_found"]);
    }
    expect((await ask("shimy-tiny", "tight")).text).toContain("Available models: shimmy-tiny, ");
    expect((await fallbacks("none")) - before).toBe(4);
    expect((await ask("gpt-4o", "wrong")).status).toBe(401);
  });
});

describe("what is told of models", () => {
  test("/v1/models has OpenAI's fields, and ours beside them", async () => {
    const body = await get("/v1/models");
    expect(body.data.map(({ id }) => id)).toEqual(["模型", "shimmy-tiny"]);
    expect(body.data[1]).toMatchObject({
      object: "model",
      owned_by: "shimmy",
      aliases: ["gpt-4o"],
      capabilities: ["completion", "chat", "tools", "fill-in-the-middle"],
      chat_template: "chatml",
      type: "llm",
    });
  });

  test.each(["/v1/models", "/api/models"])("%s/NAME answers to ids, spellings, aliases and the default; not to fallbacks", async (path) => {
    const idOf = async (name: string) => {
      const body = await get(`${path}/${name}`);
      return body.id ?? body.name ?? body.error.code;
    };
    expect(await Promise.all(["shimmy-tiny", "SHIMMY_TINY", "gpt-4o", "claude-x", "default", "shimmy-huge-70b"].map(idOf))).toEqual([
      "shimmy-tiny",
      "shimmy-tiny",
      "shimmy-tiny",
      "模型",
      "模型",
      "model_not_found",
    ]);
  });

  test("/api/models has the original's fields, and no path of the disk", async () => {
    const body = await get("/api/models");
    expect(body.models[0]).toMatchObject({
      name: "模型",
      model_type: "llama",
      source: "models",
      state: "loaded",
      size_bytes: expect.any(Number),
    });
    const one = await get("/api/models/shimmy-tiny");
    expect(one.template).toContain("<|im_start|>");
    expect(JSON.stringify([body, one])).not.toContain(cwd);
  });

  test("other methods are told which one there is", async () => {
    const response = await fetch(`${server.url}/api/models`, { ...auth(), method: "DELETE" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET"]);
  });
});

test("an alias that `shimmy cp` writes is answered at once by a server that runs", async () => {
  expect((await ask("quick")).told).toContain("step=default");
  expect((await shimmy(["cp", "shimmy-tiny", "quick"], { cwd, env: { SHIMMY_PORT: "0" } })).code).toBe(0);
  expect(await answeredBy("quick")).toEqual(["shimmy-tiny", null]);
});

test("a strict server lets nobody fall back", async () => {
  const strict = await startServer({ args: ["--strict-models", "--alias", "gpt-*=default"] });
  try {
    const status = async (model: string) => (await post(strict, "/v1/completions", { model, prompt: "a", max_tokens: 1 })).status;
    expect([await status("gpt-4"), await status("nothing")]).toEqual([200, 404]);
  } finally {
    await strict.stop();
  }
});
