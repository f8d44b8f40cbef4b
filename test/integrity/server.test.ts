/** Content checks in a running server: what is refused, what callers hear of it (never a path), and what a change of a file does. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { shimmy } from "../support/command.ts";
import { askJson } from "../support/raw.ts";
import { startServer, type TestServer, TINY, until } from "../support/server.ts";

const root = mkdtempSync(join(tmpdir(), "shimmy-verified-"));
afterAll(() => rmSync(root, { recursive: true }));

const DIGEST = createHash("sha256").update(readFileSync(TINY)).digest("hex");
const OTHER = "0".repeat(64);

let server: TestServer;
let folder: string;
let count = 0;

async function start(policy: string): Promise<void> {
  folder = join(root, String(count++));
  mkdirSync(join(folder, "models"), { recursive: true });
  const env = { HOME: folder, XDG_CACHE_HOME: join(folder, "cache") };
  server = await startServer({ cwd: folder, args: ["--strict-models", "--verify", policy], env });
}

/** A copy of the tiny model that the server has seen. */
async function offer(name: string, digest?: string): Promise<void> {
  copyFileSync(TINY, join(folder, "models", `${name}.gguf`));
  if (digest !== undefined) writeFileSync(join(folder, "models", `${name}.gguf.sha256`), digest);
  await until(async () => (await (await fetch(`${server.url}/v1/models`)).text()).includes(`"${name}"`));
}

const complete = (model: string) => askJson(server, "/v1/completions", { model, prompt: "Once", max_tokens: 2, temperature: 0 });

function expectRefused(answer: Awaited<ReturnType<typeof complete>>, name: string, reason: string): void {
  expect([answer.status, answer.json.error.code]).toEqual([503, "model_not_verified"]);
  expect(answer.json.error.message).toContain(`'${name}'`);
  expect(answer.json.error.message).toContain(reason);
  for (const secret of [folder, root, "models/", ".gguf", "/"]) expect(answer.json.error.message).not.toContain(secret);
}

describe("--verify require", () => {
  beforeAll(() => start("require"));
  afterAll(() => server.stop());

  test("loads what agrees with its digest", async () => {
    await offer("good", DIGEST);
    expect((await complete("good")).status).toBe(200);
  });

  test("refuses what does not, and what nobody vouches for, and names no path", async () => {
    await offer("bad", OTHER);
    expectRefused(await complete("bad"), "bad", "is damaged or was replaced");
    await offer("unknown");
    expectRefused(await complete("unknown"), "unknown", "no digest of it is known");
    expect((await complete("shimmy-tiny")).status).toBe(200);
  });

  test("takes it once it is right", async () => {
    await offer("repaired", OTHER);
    expectRefused(await complete("repaired"), "repaired", "damaged");
    writeFileSync(join(folder, "models", "repaired.gguf.sha256"), DIGEST);
    await until(async () => (await complete("repaired")).status === 200);
  });

  test("says it to a stream too, without a path", async () => {
    await offer("streamed", OTHER);
    const response = await fetch(`${server.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "streamed", prompt: "x", stream: true, max_tokens: 1 }),
    });
    const text = await response.text();
    expect(text).toContain("model_not_verified");
    expect(text).not.toContain(root);
  });
});

describe("--verify warn", () => {
  beforeAll(() => start("warn"));
  afterAll(() => server.stop());

  test("loads what nobody has read, and refuses it once `shimmy verify` has found it wrong", async () => {
    await offer("first", OTHER);
    await offer("second", OTHER);
    expect((await complete("first")).status).toBe(200);
    expect(server.stderr()).toContain("never compared");
    const env = { XDG_CACHE_HOME: join(folder, "cache") };
    expect((await shimmy(["verify", "second"], { cwd: folder, env })).code).toBe(1);
    expectRefused(await complete("second"), "second", "is damaged or was replaced");
  });

  test("notices before the load that a file changed since it was listed, and reads it again", async () => {
    await offer("changing");
    const content = readFileSync(TINY);
    writeFileSync(join(folder, "models", "changing.gguf"), Buffer.concat([content, Buffer.alloc(32)]));
    expect((await complete("changing")).status).toBe(200);
    expect(server.stderr()).toContain("changed since it was listed");
  });
});

describe("--verify off", () => {
  beforeAll(() => start("off"));
  afterAll(() => server.stop());

  test("loads whatever is a model", async () => {
    await offer("bad", OTHER);
    expect((await complete("bad")).status).toBe(200);
  });
});

/** What the errors of files say over HTTP: the id, never where the file lies. */
describe("errors of model files over HTTP", () => {
  beforeAll(() => start("warn"));
  afterAll(() => server.stop());
  afterEach(() => rmSync(join(folder, "models"), { recursive: true, force: true }));

  test.each([
    ["cut off", (path: string) => writeFileSync(path, readFileSync(TINY).subarray(0, 100_000))],
    ["gone", (path: string) => rmSync(path)],
    ["replaced by another kind of file", (path: string) => writeFileSync(path, "text")],
    ["replaced by a folder", (path: string) => [rmSync(path), mkdirSync(path)]],
  ])("a file that is %s after it was listed", async (_, change) => {
    mkdirSync(join(folder, "models"), { recursive: true });
    await offer("changed");
    change(join(folder, "models", "changed.gguf"));
    const answer = await complete("changed");
    expect([404, 503]).toContain(answer.status);
    expect(answer.text).toContain("changed");
    for (const secret of [root, "changed.gguf", "model_file_"]) expect(answer.text).not.toContain(secret);
  });
});
