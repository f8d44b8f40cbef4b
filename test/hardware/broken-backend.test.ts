/** A backend that cannot be loaded, or ends the process when it is: the next one answers, and everybody is told. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/command.ts";
import { ask, askJson, metric } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { compiled, engineWith, IS_LINUX_X64 } from "./support.ts";

const folder = temporaryFolder();
const ABORTS =
  '#include <stdio.h>\n#include <stdlib.h>\n__attribute__((constructor)) static void start(void) { fputs("driver: no such chip\\n", stderr); abort(); }';
const crashing = IS_LINUX_X64 ? compiled(join(folder, "crashing"), ABORTS) : undefined;
const silent = IS_LINUX_X64 ? compiled(join(folder, "silent"), "int nothing;") : undefined;

const CASES = [
  ["garbage instead of a library", "this is no library", /libggml-vulkan\.so: .*(invalid ELF header|file too short)/],
  ["a library that aborts when it is opened", crashing, /killed by SIGABRT: driver: no such chip/],
  ["a library that is no backend", silent, /its driver shows no device/],
] as const;

describe.skipIf(!IS_LINUX_X64).each(CASES)("%s", (name, library, reason) => {
  let server: TestServer;
  beforeAll(async () => {
    if (library === undefined) return;
    const engine = engineWith(join(folder, name.replaceAll(" ", "-")), library);
    server = await startServer({ args: ["--engine-dir", engine], env: { HOME: folder, XDG_DATA_HOME: folder } });
  });
  afterAll(async () => void (await server?.stop()));
  const skip = () => (library === undefined ? "there is no C compiler" : undefined);

  const generate = () => askJson(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Once upon a time", max_tokens: 8 });
  const degraded = async () => JSON.parse((await ask(server, "/health")).text).degraded;

  test("the request is answered by the processor", async (context) => {
    context.skip(skip() !== undefined, skip());
    expect(await degraded()).toBeUndefined();
    const { status, json } = await generate();
    expect([status, json.usage.completion_tokens]).toEqual([200, 8]);
  });

  test("log, health and metric say so, without a folder of the machine", async (context) => {
    context.skip(skip() !== undefined, skip());
    const notes = await degraded();
    expect(notes).toEqual([{ backend: "vulkan", reason: expect.stringMatching(reason), retry_after: expect.any(Number) }]);
    expect(JSON.stringify(notes)).not.toContain(folder);
    expect(server.stderr()).toContain("a backend failed");
    expect(await metric(server, "shimmy_backend_failures_total", '{backend="vulkan"}')).toBe(1);
  });

  test("it rests: the next load does not try it", async (context) => {
    context.skip(skip() !== undefined, skip());
    expect((await askJson(server, "/api/models/shimmy-tiny/unload", {})).status).toBe(200);
    expect((await generate()).status).toBe(200);
    expect(server.stderr().split("a backend failed")).toHaveLength(2);
  });

  test("GET /api/devices tells why, and shows what works", async (context) => {
    context.skip(skip() !== undefined, skip());
    const { status, text } = await ask(server, "/api/devices");
    const { engines, degraded } = JSON.parse(text);
    expect([status, engines.map(({ backend }: { backend: string }) => backend)]).toEqual([200, ["vulkan", "cpu"]]);
    expect(engines[0].problem).toMatch(reason);
    expect(engines[1].devices).toEqual([expect.objectContaining({ name: "CPU", kind: "cpu" })]);
    expect(degraded).toHaveLength(1);
    expect(text).not.toContain(folder);
  });
});

test.skipIf(!IS_LINUX_X64)("an engine of which a library is damaged: health tells why without a folder of the machine", async () => {
  const engine = engineWith(join(folder, "damaged"), "");
  const library = join(engine, readdirSync(engine).find((file) => /^libggml-base\./.test(file))!);
  rmSync(library);
  writeFileSync(library, "this is no library");
  const server = await startServer({ args: ["--engine-dir", engine], env: { HOME: folder, XDG_DATA_HOME: folder } });
  try {
    expect((await askJson(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Hello", max_tokens: 2 })).status).toBe(200);
    const { text } = await ask(server, "/health");
    expect(text).toContain("libggml-base.");
    expect(text).not.toContain(folder);
    expect((await ask(server, "/api/devices")).text).not.toContain(folder);
  } finally {
    await server.stop();
  }
});
