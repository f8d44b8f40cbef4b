/** `shimmy verify`: what it says of whole, damaged and unknown files, and the lock file that it makes. */
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { bareEnvironment, shimmy, temporaryFolder } from "../support/command.ts";
import { TINY } from "../support/server.ts";

const root = temporaryFolder();
let cwd: string;
let count = 0;
beforeEach(() => {
  cwd = join(root, String(count++));
  mkdirSync(join(cwd, "models"), { recursive: true });
  copyFileSync(TINY, join(cwd, "models", "first.gguf"));
});

const DIGEST = createHash("sha256").update(readFileSync(TINY)).digest("hex");
const file = (name: string) => join(cwd, "models", name);
const verify = (...args: string[]) =>
  shimmy(["verify", ...args], { cwd, env: { ...(bareEnvironment(cwd) as Record<string, string>), XDG_CACHE_HOME: join(cwd, "cache") } });
const verdicts = async (...args: string[]) => {
  const { code, stdout } = await verify("--json", "--no-embedded-model", ...args);
  return [code, Object.fromEntries(JSON.parse(stdout).map(({ model, verdict }: { model: string; verdict: string }) => [model, verdict]))];
};

/** Another byte in the middle of the weights: the header is as before. */
function damage(path: string): void {
  const content = readFileSync(path);
  content[2_000_000]! ^= 1;
  writeFileSync(path, content);
}

test("a table of what it found, exit code 0; nothing is known of a file that nobody vouches for", async () => {
  const { code, stdout, stderr } = await verify("--no-embedded-model");
  expect([code, stdout.split("\n").map((line) => line.split(/\s{2,}/))]).toEqual([
    0,
    [["MODEL", "VERDICT", "SOURCE", "EXPECTED", "ACTUAL", "STRUCTURE"], ["first", "unknown", "-", "-", "-", "ok"], [""]],
  ]);
  expect(stderr).toContain("--write");
});

test("a .sha256 file is believed: match, and exit code 1 on a mismatch", async () => {
  writeFileSync(file("first.gguf.sha256"), `${DIGEST}  first.gguf\n`);
  expect(await verdicts()).toEqual([0, { first: "match" }]);
  damage(file("first.gguf"));
  expect(await verdicts()).toEqual([1, { first: "mismatch" }]);
});

test("--write locks what is there; a byte that changes afterwards is found, and writing again says so", async () => {
  const { code, stderr } = await verify("--write", "--no-embedded-model");
  expect([code, stderr]).toEqual([0, expect.stringContaining("shimmy.lock")]);
  expect(JSON.parse(readFileSync(join(cwd, "shimmy.lock"), "utf8"))).toEqual({
    version: 1,
    files: { "models/first.gguf": { sha256: DIGEST, size: statSync(TINY).size } },
  });
  expect(await verdicts()).toEqual([0, { first: "match" }]);
  damage(file("first.gguf"));
  expect(await verdicts()).toEqual([1, { first: "mismatch" }]);
  expect((await verify("--write", "--no-embedded-model")).stderr).toContain("changed since it was locked: models/first.gguf");
  expect(await verdicts()).toEqual([0, { first: "match" }]);
});

test("--write does not overrule what others say of a file", async () => {
  writeFileSync(file("first.gguf.sha256"), "0".repeat(64));
  expect((await verify("--write", "--no-embedded-model")).code).toBe(1);
  expect(JSON.parse(readFileSync(join(cwd, "shimmy.lock"), "utf8")).files).toEqual({});
});

test("files that are cut or broken are found, those that are no models are not called broken", async () => {
  copyFileSync(TINY, file("cut.gguf"));
  truncateSync(file("cut.gguf"), 1_000_000);
  expect(await verdicts()).toEqual([1, { first: "unknown", "cut.gguf": "broken" }]);
  expect(await verdicts("first")).toEqual([0, { first: "unknown" }]);
  const { code, stdout } = await verify("cut", "--json");
  expect([code, JSON.parse(stdout)[0]]).toEqual([
    1,
    expect.objectContaining({ verdict: "broken", structure: expect.stringContaining("truncated") }),
  ]);
});

test("a model that is not there, and a lock file that is not understood, are errors", async () => {
  expect(await verify("nothing-like-it")).toMatchObject({ code: 1, stderr: expect.stringContaining("does not exist") });
  writeFileSync(join(cwd, "shimmy.lock"), "{");
  expect(await verify()).toMatchObject({ code: 1, stderr: expect.stringContaining("shimmy.lock cannot be used") });
});

test("the embedded model is left to npm unless it is named", async () => {
  expect((await verify()).stdout).not.toContain("shimmy-tiny");
  expect((await verify("shimmy-tiny")).stdout).toContain("shimmy-tiny");
});

test("model folders are not written", async () => {
  await verify("--write");
  expect(readdirSync(join(cwd, "models"))).toEqual(["first.gguf"]);
});

test.skipIf(process.platform === "win32")("a folder that everybody may write is told of", async () => {
  chmodSync(join(cwd, "models"), 0o777);
  const told = `everybody on this machine can write ${join(cwd, "models")}`;
  expect((await verify()).stderr).toContain(told);
  expect((await shimmy(["discover"], { cwd })).stderr).toContain(told);
});

test("blobs of Ollama are named by their digest: a damaged one is found, so is one that was cut off", async () => {
  const store = join(cwd, "ollama");
  const name = (digest: string) => join(store, "blobs", `sha256-${digest}`);
  mkdirSync(join(store, "blobs"), { recursive: true });
  mkdirSync(join(store, "manifests", "registry.ollama.ai", "library", "tiny"), { recursive: true });
  copyFileSync(TINY, name(DIGEST));
  const layer = { mediaType: "application/vnd.ollama.image.model", digest: `sha256:${DIGEST}`, size: statSync(TINY).size };
  writeFileSync(
    join(store, "manifests", "registry.ollama.ai", "library", "tiny", "latest"),
    JSON.stringify({ schemaVersion: 2, layers: [layer] }),
  );
  const look = async () => {
    const env = { HOME: cwd, XDG_CACHE_HOME: join(cwd, "cache"), OLLAMA_MODELS: store };
    const { code, stdout } = await shimmy(["verify", "--json"], { cwd, env });
    return [code, JSON.parse(stdout).find(({ path }: { path: string }) => path.includes("blobs"))];
  };
  expect(await look()).toEqual([0, expect.objectContaining({ model: expect.stringContaining("tiny"), verdict: "match" })]);
  damage(name(DIGEST));
  expect(await look()).toEqual([1, expect.objectContaining({ verdict: "mismatch" })]);
  truncateSync(name(DIGEST), 1_000_000);
  expect(await look()).toEqual([1, expect.objectContaining({ verdict: "broken" })]);
});
