import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tinyModel, writeModel } from "../../../test/fixtures/gguf.ts";
import { createLogger } from "../../telemetry/log.ts";
import { readModelFile } from "../model-file.ts";
import { cacheFolder, DigestCache } from "./digest-cache.ts";
import { hashFile } from "./hash.ts";
import { identityOf } from "./identity.ts";
import { Integrity, type Policy } from "./integrity.ts";
import { keyOf, readLock, writeLock } from "./lock-file.ts";
import { writableByAll } from "./permissions.ts";
import { digestIn, expectedDigests } from "./sources.ts";

let root: string;
let lines: string[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "shimmy-integrity-"));
  lines = [];
});
afterEach(() => rm(root, { recursive: true }));

const at = (...names: string[]) => join(root, ...names);
const sha256 = (content: Buffer | string) => createHash("sha256").update(content).digest("hex");
const OTHER = "0".repeat(64);
const GOOD = tinyModel();

function integrity(policy: Policy): Integrity {
  const log = createLogger({ level: "debug", format: "text", write: (line) => lines.push(line) });
  return new Integrity({ policy, lockPath: at("shimmy.lock"), cacheFolder: at("cache"), log });
}

async function model(name = "m.gguf", content = GOOD) {
  const path = await writeModel(at("models", name), content);
  return { ...(await readModelFile(path)), id: "m", source: "models" };
}

describe("hashing", () => {
  test("gives the digest of sha256sum, tells how far it is, and the identity of what it read", async () => {
    const content = Buffer.alloc(3_500_000, "shimmy");
    await writeFile(at("large"), content);
    const steps: number[] = [];
    const { sha256: digest, identity } = await hashFile(at("large"), { onProgress: (done) => steps.push(done) });
    expect([digest, identity]).toEqual([sha256(content), await identityOf(at("large"))]);
    expect(steps).toEqual([1_048_576, 2_097_152, 3_145_728, 3_500_000]);
  });

  test("ends when it is aborted", async () => {
    await writeFile(at("large"), Buffer.alloc(3_500_000));
    const stop = new AbortController();
    const reading = hashFile(at("large"), { signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) });
    await expect(reading).rejects.toThrow("enough");
  });

  test("of a file that changes meanwhile means nothing", async () => {
    await writeFile(at("large"), Buffer.alloc(3_500_000));
    let changed: Promise<void> | undefined;
    const reading = hashFile(at("large"), {
      onProgress: () => {
        changed ??= writeFile(at("large"), "short");
      },
    });
    await expect(reading).rejects.toThrow("changed while it was read");
    await changed;
  });
});

describe("what a file should contain", () => {
  const digest = sha256("x").toUpperCase();
  test.each([
    ["bare", digest],
    ["bare, with a line end", `${digest}\n`],
    ["sha256sum", `${digest}  m.gguf\n`],
    ["sha256sum -b", `${digest} *m.gguf\r\n`],
    ["with a folder", `${digest}  ./release/m.gguf\n`],
    ["shasum --tag", `SHA256 (m.gguf) = ${digest}\n`],
    ["one of several", `${OTHER}  other.gguf\n${digest}  m.gguf\n`],
  ])("a .sha256 file: %s", (_, text) => {
    expect(digestIn(text, "m.gguf")).toBe(digest.toLowerCase());
  });

  test.each([
    ["other files only", `${OTHER}  other.gguf\n${digest}  x/other2.gguf`],
    ["two bare digests", `${digest}\n${OTHER}`],
    ["too short", digest.slice(1)],
    ["a page of HTML", "<html>404</html>"],
    ["nothing", ""],
  ])("a .sha256 file that says nothing: %s", (_, text) => {
    expect(digestIn(text, "m.gguf")).toBeUndefined();
  });

  test("any text is read without failing", () => {
    fc.assert(fc.property(fc.string(), fc.string(), (text, name) => ["string", "undefined"].includes(typeof digestIn(text, name))));
  });

  test("an Ollama blob is named by its digest, a file of the Hugging Face cache links to a blob that is", async () => {
    const hex = sha256(GOOD);
    const blob = await writeModel(at("ollama", "blobs", `sha256-${hex}`), GOOD);
    expect(await expectedDigests(blob, new Map(), at("shimmy.lock"))).toEqual([{ source: "ollama", sha256: hex }]);
    await writeModel(at("hub", "blobs", hex), GOOD);
    await mkdir(at("hub", "snapshots", "abc"), { recursive: true });
    await symlink(`../../blobs/${hex}`, at("hub", "snapshots", "abc", "m.gguf"));
    const linked = at("hub", "snapshots", "abc", "m.gguf");
    expect(await expectedDigests(linked, new Map(), at("shimmy.lock"))).toEqual([{ source: "huggingface", sha256: hex }]);
  });

  test("what is no digest says nothing: a git object of 40 digits, a name of 64 elsewhere, a folder or endless file called .sha256", async () => {
    await writeModel(at("blobs", "a".repeat(40)), GOOD);
    await writeModel(at("models", "a".repeat(64)), GOOD);
    await writeModel(at("models", "m.gguf"), GOOD);
    await mkdir(at("models", "m.gguf.sha256"));
    await writeModel(at("models", "n.gguf"), GOOD);
    await writeFile(at("models", "n.gguf.sha256"), `${OTHER}\n`.padEnd(300_000, "\n"));
    for (const path of [at("blobs", "a".repeat(40)), at("models", "a".repeat(64)), at("models", "m.gguf"), at("models", "n.gguf")])
      expect(await expectedDigests(path, new Map(), at("shimmy.lock"))).toEqual([]);
  });

  test("the lock file names files below it by their relative path, others by their whole one", async () => {
    expect(keyOf(at("shimmy.lock"), at("models", "m.gguf"))).toBe("models/m.gguf");
    expect(keyOf(at("project", "shimmy.lock"), at("models", "m.gguf"))).toBe(at("models", "m.gguf"));
    const entry = { sha256: OTHER, size: 1 };
    await writeLock(at("shimmy.lock"), new Map([["models/m.gguf", entry]]));
    const lock = await readLock(at("shimmy.lock"));
    expect(await expectedDigests(at("models", "m.gguf"), lock, at("shimmy.lock"))).toEqual([{ source: "shimmy.lock", sha256: OTHER }]);
    expect(await expectedDigests(at("elsewhere", "m.gguf"), lock, at("shimmy.lock"))).toEqual([]);
  });

  test.each([
    "{",
    "[]",
    "null",
    '{"version":2,"files":{}}',
    '{"version":1}',
    '{"version":1,"files":{"a":{"sha256":"x","size":1}}}',
    '{"version":1,"files":{"a":null}}',
  ])("a lock file that is not understood is an error, not no lock: %s", async (text) => {
    await writeFile(at("shimmy.lock"), text);
    await expect(readLock(at("shimmy.lock"))).rejects.toMatchObject({ code: "lock_file" });
  });

  test("no lock file locks nothing", async () => {
    expect(await readLock(at("nowhere", "shimmy.lock"))).toEqual(new Map());
  });
});

describe("the digest cache", () => {
  test("knows a file until it is written, replaced or its times are set back", async () => {
    const path = await writeModel(at("m.gguf"));
    const cache = new DigestCache(at("cache"));
    const { sha256: digest, identity } = await hashFile(path);
    expect(await cache.get(path)).toBeUndefined();
    expect(await cache.set(path, identity, digest)).toBe(true);
    expect(await new DigestCache(at("cache")).get(path)).toBe(digest);
    await writeFile(at("new"), GOOD);
    await rename(at("new"), path);
    expect(await cache.get(path)).toBeUndefined();
  });

  test("is for the user alone, and leaves no temporary file", async () => {
    const path = await writeModel(at("m.gguf"));
    await new DigestCache(at("cache")).set(path, await identityOf(path), OTHER);
    expect(await readdir(at("cache"))).toEqual(["digests.json"]);
    if (process.platform !== "win32") expect((await stat(at("cache", "digests.json"))).mode & 0o777).toBe(0o600);
  });

  test.each(["", "{", "[]", "null", '{"version":1,"files":[1]}', '{"version":1,"files":{"m":{"sha256":7}}}', '{"version":9,"files":{}}'])(
    "is empty when it is damaged, and is repaired: %s",
    async (text) => {
      const path = await writeModel(at("m.gguf"));
      await mkdir(at("cache"));
      await writeFile(at("cache", "digests.json"), text);
      const cache = new DigestCache(at("cache"));
      expect(await cache.get(path)).toBeUndefined();
      await cache.set(path, await identityOf(path), OTHER);
      expect(await cache.get(path)).toBe(OTHER);
    },
  );

  test("that cannot be written is done without", async () => {
    const path = await writeModel(at("m.gguf"));
    await writeFile(at("cache"), "a file where the folder should be");
    expect(await new DigestCache(at("cache")).set(path, await identityOf(path), OTHER)).toBe(false);
  });

  test("lies where each system keeps caches", () => {
    const around = { env: {}, home: "/home/u" };
    expect(cacheFolder({ ...around, env: { XDG_CACHE_HOME: "/c" }, platform: "linux" })).toBe(join("/c", "shimmy"));
    expect(cacheFolder({ ...around, platform: "linux" })).toBe(join("/home/u", ".cache", "shimmy"));
    expect(cacheFolder({ ...around, platform: "darwin" })).toBe(join("/home/u", "Library", "Caches", "shimmy"));
    expect(cacheFolder({ ...around, env: { LOCALAPPDATA: "L" }, platform: "win32" })).toBe(join("L", "shimmy", "cache"));
  });
});

describe("before a load", () => {
  const says = (hex: string) => writeFile(at("models", "m.gguf.sha256"), hex);
  const refused = { code: "model_not_verified" };

  test("require: a file is loaded only if it has a digest and agrees with it", async () => {
    const info = await model();
    await expect(integrity("require").beforeLoad(info, info)).rejects.toMatchObject(refused);
    await says(OTHER);
    const error = await integrity("require")
      .beforeLoad(info, info)
      .catch((thrown) => thrown);
    expect(error.message).toBe("The model 'm' was not loaded: its content is not what .sha256 file says: it is damaged or was replaced");
    await says(sha256(GOOD));
    await integrity("require").beforeLoad(info, info);
  });

  test("require reads a file once, until it changes", async () => {
    const info = await model();
    await says(sha256(GOOD));
    const steps: number[] = [];
    const onProgress = (done: number) => steps.push(done);
    await integrity("require").beforeLoad(info, info, { onProgress });
    await integrity("require").beforeLoad(info, info, { onProgress });
    expect(steps).toEqual([GOOD.length]);
    await model("m.gguf", Buffer.from(GOOD));
    await integrity("require").beforeLoad(info, info, { onProgress });
    expect(steps).toHaveLength(2);
  });

  test("warn: what nobody has read is loaded and told of, what is known to be wrong is refused", async () => {
    const info = await model();
    await says(OTHER);
    const guard = integrity("warn");
    await guard.beforeLoad(info, info);
    await guard.beforeLoad(info, info);
    expect(lines.filter((line) => line.includes("never compared"))).toHaveLength(1);
    await guard.check(info.path, { read: "once" });
    await expect(guard.beforeLoad(info, info)).rejects.toMatchObject(refused);
    await says(sha256(GOOD));
    await guard.beforeLoad(info, info);
  });

  test("off: what is known to be wrong is loaded with a warning, never silently", async () => {
    const info = await model();
    await says(OTHER);
    const guard = integrity("off");
    await guard.check(info.path, { read: "once" });
    await guard.beforeLoad(info, info);
    expect(lines.join("\n")).toContain("a model that is not what it should be is loaded");
  });

  test("every source must agree", async () => {
    const info = await model();
    await says(sha256(GOOD));
    await writeLock(at("shimmy.lock"), new Map([["models/m.gguf", { sha256: OTHER, size: 1 }]]));
    const error = await integrity("require")
      .beforeLoad(info, info)
      .catch((thrown) => thrown);
    expect(error.message).toContain("not what shimmy.lock says");
  });

  test("a lock file that is not understood refuses, unless nobody asked", async () => {
    const info = await model();
    await writeFile(at("shimmy.lock"), "{");
    await expect(integrity("warn").beforeLoad(info, info)).rejects.toMatchObject(refused);
    await integrity("off").beforeLoad(info, info);
  });

  test("the embedded model came with the package, whose content npm has checked", async () => {
    const info = { ...(await model()), source: "embedded" };
    await integrity("require").beforeLoad(info, info);
  });

  test("each part of a split model counts", async () => {
    const split = (index: number) => ({ "split.no": { type: "u16", value: index }, "split.count": { type: "u16", value: 2 } }) as const;
    const path = await writeModel(at("models", "s-00001-of-00002.gguf"), tinyModel(split(0)));
    const second = tinyModel(split(1), { tensors: [{ name: "more", dims: [32] }] });
    await writeModel(at("models", "s-00002-of-00002.gguf"), second);
    await writeFile(`${path}.sha256`, sha256(await readFile(path)));
    await writeFile(at("models", "s-00002-of-00002.gguf.sha256"), OTHER);
    expect((await integrity("require").check(path, { read: "once" })).map(({ verdict }) => verdict)).toEqual(["match", "mismatch"]);
  });

  test("no message of a refusal names a path", async () => {
    const info = await model();
    const told = [info.path, root, "models"];
    await says(OTHER);
    const errors = [
      await integrity("require")
        .beforeLoad(info, info)
        .catch((thrown) => thrown),
    ];
    await rm(info.path);
    await writeFile(at("shimmy.lock"), '{"version":1,"files":{"models/m.gguf":{}}}');
    errors.push(
      await integrity("require")
        .beforeLoad(info, info)
        .catch((thrown) => thrown),
    );
    await rm(at("shimmy.lock"));
    errors.push(
      await integrity("require")
        .beforeLoad(info, info)
        .catch((thrown) => thrown),
    );
    for (const error of errors) {
      expect(error).toMatchObject(refused);
      for (const path of told) expect(JSON.stringify([error.message, error.details])).not.toContain(path);
    }
  });

  test("a file that changed since it was listed is told of", async () => {
    const listed = await model();
    const now = await model("m.gguf", tinyModel({ "general.name": "Other" }));
    await integrity("warn").beforeLoad(listed, now);
    expect(lines.join("\n")).toContain("changed since it was listed");
  });
});

describe.skipIf(process.platform === "win32")("who could replace a model", () => {
  test("a file or folder that everybody may write is told of, once", async () => {
    const info = await model();
    expect(await writableByAll(info.path)).toBeUndefined();
    await chmod(at("models"), 0o777);
    expect(await writableByAll(info.path)).toBe(at("models"));
    await chmod(info.path, 0o666);
    expect(await writableByAll(info.path)).toBe(info.path);
    const guard = integrity("warn");
    await guard.beforeLoad(info, info);
    await guard.beforeLoad(info, info);
    expect(lines.filter((line) => line.includes("everybody on this machine"))).toHaveLength(1);
  });

  test("a folder like /tmp, where nobody replaces what another one owns, is not", async () => {
    const info = await model();
    await chmod(at("models"), 0o1777);
    expect(await writableByAll(info.path)).toBeUndefined();
  });
});
