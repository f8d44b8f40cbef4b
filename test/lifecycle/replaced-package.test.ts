/**
 * A newer Shimmy is installed over the one that runs. Both are really built, from sources that differ, and the folder is exchanged as npm
 * does it: the old one is renamed away, the new one put in its place.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { ROUTES } from "../doors/routes.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { ask, askJson } from "../support/raw.ts";
import { post, startServer, type TestServer, until } from "../support/server.ts";
import { short } from "./support.ts";

const JSON_TYPE = { "content-type": "application/json" };
const PARTS = ["dist", "models", "package.json"];
const folder = temporaryFolder();
const root = mkdtempSync(join(tmpdir(), "shimmy-replaced-"));
const newer = join(root, "newer");
/** Where it is installed. */
const place = join(root, "shimmy");
const away = join(root, ".shimmy-away");

beforeAll(async () => {
  mkdirSync(newer);
  symlinkSync(resolve("node_modules"), join(root, "node_modules"));
  for (const part of ["src", "scripts", "models", "package.json", "package-lock.json"])
    cpSync(resolve(part), join(newer, part), { recursive: true });
  // A word that nearly every chunk can reach, so that nearly all get another name, as between two releases.
  const errors = join(newer, "src/contract/errors.ts");
  writeFileSync(
    errors,
    readFileSync(errors, "utf8").replace("The server is shutting down", "The server of the next release is shutting down"),
  );
  await promisify(execFile)(process.execPath, ["scripts/build.mjs"], { cwd: newer });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let server: TestServer;
beforeEach(async () => {
  for (const part of PARTS) cpSync(resolve(part), join(place, part), { recursive: true });
  server = await startServer({ cli: join(place, "dist/cli.js"), args: ["--keep-alive", "-1"] });
});
afterEach(async () => {
  await server.stop();
  for (const folder of [place, away]) rmSync(folder, { recursive: true, force: true });
});

function replace(): void {
  renameSync(place, away);
  for (const part of PARTS) cpSync(join(newer, part), join(place, part), { recursive: true });
}

/** Only the file that engines start with, as if npm were in the middle of its work. */
function replaceEngine(): void {
  for (const name of readdirSync(join(newer, "dist"))) {
    const isMark = name.startsWith("build-");
    if (/\.js$/.test(name) && !isMark) cpSync(join(newer, "dist", name), join(place, "dist", name));
  }
}

const told = () => server.stderr().match(/updated or removed while it runs: what is loaded goes on/g)?.length ?? 0;
const health = async () => JSON.parse((await ask(server, "/health")).text);
const REPLACED = {
  status: 503,
  json: {
    error: { code: "package_replaced", message: expect.stringContaining("updated or removed"), hint: expect.stringMatching(/^Restart/) },
  },
};
const DEGRADED = [{ part: "package", reason: expect.stringContaining("restart it") }];

test("before anything was loaded every route says what has happened, and so does /health", async () => {
  expect(await health()).not.toHaveProperty("degraded");
  replace();
  expect(await health()).toMatchObject({ status: "ok", degraded: DEGRADED });
  for (const path of ROUTES.filter((route) => route !== "/health")) {
    const answers = [await ask(server, path), await ask(server, path, { method: "POST", headers: JSON_TYPE, body: "{}" })];
    for (const { status, text } of answers) {
      expect([path, status, JSON.parse(text).error.code]).toEqual([path, 503, "package_replaced"]);
      expect(text).not.toContain(root);
    }
  }
  expect(told()).toBe(1);
});

test("what is loaded goes on, a stream too; what is not is refused in the dialect of the caller", async () => {
  const answer = await post(server, "/v1/completions", { prompt: "Once", max_tokens: 900, ignore_eos: true, stream: true });
  const stream = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await stream.read()).value!;
  replace();
  expect(text).not.toContain("[DONE]");
  for (let piece = await stream.read(); !piece.done; piece = await stream.read()) text += piece.value;
  expect(text).toMatch(/"finish_reason":"length"[\s\S]*data: \[DONE\]\s*$/);
  // After this time the file of a loaded model is looked at again, and the embedded one has been replaced with the package.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect((await short(server, "shimmy-tiny")).status).toBe(200);
  expect(await askJson(server, "/v1/embeddings", { model: "shimmy-tiny", input: "x" })).toMatchObject(REPLACED);
  expect(await askJson(server, "/tokenize", { content: "x" })).toMatchObject(REPLACED);
  expect((await ask(server, "/openapi.json")).status).toBe(503);
  expect((await short(server, "shimmy-tiny")).status).toBe(200);
  expect(await health()).toMatchObject({ status: "ok", degraded: DEGRADED });
  expect(told()).toBe(1);
  expect(server.stderr()).not.toContain("code=internal");
});

test("an engine that ends is not followed by one of the new package", async () => {
  expect((await short(server, "shimmy-tiny")).status).toBe(200);
  const [pid] = await server.engines();
  replace();
  process.kill(pid!, "SIGKILL");
  await until(async () => (await server.engines()).length === 0);
  expect(await short(server, "shimmy-tiny")).toMatchObject(REPLACED);
  expect(await short(server, "shimmy-tiny", { stream: true })).toMatchObject(REPLACED);
  expect(await server.engines()).toEqual([]);
  expect(server.stderr().match(/model loads/g)).toHaveLength(1);
});

test("an engine of another build is known by its first word, and ended", async () => {
  expect((await short(server, "shimmy-tiny")).status).toBe(200);
  const [pid] = await server.engines();
  replaceEngine();
  process.kill(pid!, "SIGKILL");
  await until(async () => !(await server.engines()).includes(pid!));
  expect(await short(server, "shimmy-tiny")).toMatchObject(REPLACED);
  await until(async () => (await server.engines()).length === 0);
  expect(await health()).toMatchObject({ degraded: DEGRADED });
});

test("a package that comes back before anything was missed is well again", async () => {
  replace();
  expect(await health()).toHaveProperty("degraded");
  rmSync(place, { recursive: true });
  renameSync(away, place);
  expect(await health()).not.toHaveProperty("degraded");
  expect((await short(server, "shimmy-tiny")).status).toBe(200);
});

test("a part that was missed stays missed, though its file is back: Node remembers", async () => {
  replace();
  expect(await short(server, "shimmy-tiny")).toMatchObject(REPLACED);
  rmSync(place, { recursive: true });
  renameSync(away, place);
  expect(await short(server, "shimmy-tiny")).toMatchObject(REPLACED);
  expect(await health()).toMatchObject({ degraded: DEGRADED });
});

test("shimmy validate says to restart it", async () => {
  replace();
  const { code, stdout } = await shimmy(["validate", "--url", server.url, "--json"], { cwd: folder });
  expect(code).toBe(1);
  const { checks } = JSON.parse(stdout) as { checks: ReadonlyArray<{ name: string; verdict: string; measured: string; advice: string }> };
  const found = checks.find(({ name }) => name === "health");
  expect(found).toMatchObject({
    verdict: "fail",
    measured: expect.stringMatching(/^degraded: package: /),
    advice: expect.stringMatching(/^Restart/),
  });
});

test("shimmy doctor says it of the server that it finds at the port", async () => {
  replace();
  const { stdout } = await shimmy(["doctor", "--json", "--bind", `127.0.0.1:${server.port}`], { cwd: folder });
  const { checks } = JSON.parse(stdout) as { checks: ReadonlyArray<{ name: string; verdict: string; measured: string; advice: string }> };
  const found = checks.find(({ name }) => name === `port ${server.port}`);
  expect(found).toMatchObject({
    verdict: "warn",
    measured: expect.stringContaining("updated or removed"),
    advice: expect.stringMatching(/^Restart/),
  });
});
