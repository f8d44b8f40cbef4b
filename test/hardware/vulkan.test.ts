/**
 * The real Vulkan engine on Debian's driver in software (lavapipe): models are computed on it, spread as the plan says, and when the
 * driver dies the processor answers. Slow the first time, when the driver compiles.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { ask, askJson, begin, metric } from "../support/raw.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { compiled, LAVAPIPE, LOADER_FLAGS, vulkanFolder, vulkanMissing } from "./support.ts";

const missing = vulkanMissing();
const folder = temporaryFolder();
const SLOW = 240_000;

const generate = (server: TestServer, prompt = "Once upon a time") =>
  askJson(server, "/v1/completions", { model: "shimmy-tiny", prompt, max_tokens: 6, temperature: 0 });
const health = async (server: TestServer) => JSON.parse((await ask(server, "/health")).text);
const modelOf = async (server: TestServer) => JSON.parse((await ask(server, "/v1/models/shimmy-tiny")).text).meta;

describe.skipIf(missing)(`on a driver in software (${missing ?? "it is here"})`, () => {
  test("gpu-info shows the device and its memory", async () => {
    const { code, stdout } = await shimmy(["gpu-info", "--json"], { cwd: folder, env: LAVAPIPE });
    const { engines } = JSON.parse(stdout);
    const [vulkan] = engines;
    expect([code, vulkan.engine.backend, vulkan.engine.source, vulkan.problem]).toEqual([0, "vulkan", "installed", undefined]);
    const [device] = vulkan.devices;
    expect(device).toMatchObject({ name: "Vulkan0", kind: "gpu", description: expect.stringContaining("llvmpipe") });
    expect(device.freeBytes).toBeGreaterThan(2 ** 28);
    const people = await shimmy(["gpu-info"], { cwd: folder, env: LAVAPIPE });
    expect(people.stdout).toMatch(/Vulkan0: llvmpipe .* GiB of .* GiB free/);
  });

  test("without GGML_VK_VISIBLE_DEVICES it is passed over, and gpu-info says so", async () => {
    const { stdout } = await shimmy(["gpu-info", "--json"], { cwd: folder, env: { ...LAVAPIPE, GGML_VK_VISIBLE_DEVICES: "" } });
    expect(JSON.parse(stdout).engines[0].problem).toBe("its driver shows no device");
  });

  describe("a server", () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await startServer({ env: { ...LAVAPIPE, HOME: folder } });
    });
    afterAll(async () => void (await server.stop()));

    test(
      "computes the whole model on the device and says so; nothing is degraded",
      async () => {
        const { status, json } = await generate(server);
        expect([status, json.usage.completion_tokens]).toEqual([200, 6]);
        expect(await modelOf(server)).toMatchObject({ devices: ["Vulkan0"], n_gpu_layers: 7, n_cpu_moe: 0 });
        expect(server.stderr()).toContain("7 of 7 layers on Vulkan0");
        expect((await health(server)).degraded).toBeUndefined();
      },
      SLOW,
    );

    test(
      "/metrics tells the memory of the device, and what the model is planned to hold there",
      async () => {
        await generate(server);
        const of = (name: string) => metric(server, `shimmy_device_${name}`, '{device="Vulkan0"}');
        const [total, free, held] = [await of("memory_bytes"), await of("free_memory_bytes"), await of("held_memory_bytes")];
        const { text } = await ask(server, "/metrics");
        expect(text).toMatch(/^shimmy_device_info\{device="Vulkan0",description="llvmpipe[^"]*",kind="gpu",backend="vulkan"\} 1$/m);
        const { stdout } = await shimmy(["gpu-info", "--json"], { cwd: folder, env: LAVAPIPE });
        const [device] = JSON.parse(stdout).engines[0].devices;
        expect(total).toBe(device.totalBytes);
        expect(free).toBeGreaterThan(2 ** 28);
        expect(free).toBeLessThanOrEqual(total);
        // As the plan in the log has it, and the intermediate results beside that.
        const [, mebibytes] = /7 of 7 layers on Vulkan0 \((\d+) MiB of/.exec(server.stderr()) ?? [];
        expect(held / 2 ** 20).toBeGreaterThan(Number(mebibytes));
        expect(held / 2 ** 20).toBeLessThan(Number(mebibytes) + 64);
        const { devices } = JSON.parse((await ask(server, "/metrics?format=json")).text);
        const mb = (bytes: number) => Math.round(bytes / 2 ** 20);
        expect(devices).toEqual([
          {
            ...{ name: "Vulkan0", description: device.description, kind: "gpu", backend: "vulkan" },
            ...{ memory_total_mb: mb(total), memory_free_mb: expect.any(Number), memory_held_mb: mb(held) },
          },
        ]);
        expect((await askJson(server, "/api/models/shimmy-tiny/unload", {})).status).toBe(200);
        expect((await ask(server, "/metrics")).text).not.toMatch(/^shimmy_device_/m);
      },
      SLOW,
    );

    test(
      "the most likely next word is the processor's too",
      async () => {
        const processor = await startServer({ args: ["--gpu", "off"], env: { ...LAVAPIPE, HOME: folder } });
        try {
          const text = async (of: TestServer) =>
            (await generate(of, "Once upon a time, there was a little")).json.choices[0].text.split(" ")[1];
          expect(await text(server)).toBe(await text(processor));
          expect((await modelOf(processor)).devices).toBeUndefined();
        } finally {
          await processor.stop();
        }
      },
      SLOW,
    );
  });

  test(
    "--gpu-layers spreads it: some layers there, the rest on the processor",
    async () => {
      const server = await startServer({ args: ["--gpu", "llvmpipe", "--gpu-layers", "3"], env: { ...LAVAPIPE, HOME: folder } });
      try {
        expect((await generate(server)).status).toBe(200);
        expect(await modelOf(server)).toMatchObject({ devices: ["Vulkan0"], n_gpu_layers: 3 });
      } finally {
        await server.stop();
      }
    },
    SLOW,
  );

  test("a device that is not there is an error that names those that are", async () => {
    const args = ["generate", "shimmy-tiny", "--prompt", "x", "--gpu", "Vulkan7"];
    const { code, stderr } = await shimmy(args, { cwd: folder, env: LAVAPIPE });
    expect([code, stderr]).toEqual([1, expect.stringContaining("There is no device 'Vulkan7' here. Devices: Vulkan0 (llvmpipe")]);
  });

  describe.each(["vkCreateInstance", "vkAllocateMemory", "vkCmdDispatch"])("a driver that dies in %s", (at) => {
    let server: TestServer;
    const loader = missing ? undefined : compiled(join(folder, at), readFileSync("test/hardware/crash.c", "utf8"), ...LOADER_FLAGS);
    beforeAll(async () => {
      if (!loader) return;
      const engine = join(folder, at, "engine");
      mkdirSync(engine);
      for (const file of readdirSync(vulkanFolder())) copyFileSync(join(vulkanFolder(), file), join(engine, file));
      writeFileSync(join(engine, "libvulkan.so.1"), loader);
      const env = { ...LAVAPIPE, HOME: folder, XDG_DATA_HOME: folder, SHIMMY_TEST_CRASH_AT: at };
      server = await startServer({ args: ["--engine-dir", engine], env });
    });
    afterAll(async () => void (await server?.stop()));

    test("requests that were waiting are all answered by the processor, streams with one beginning", async (context) => {
      context.skip(!loader, "there is no C compiler");
      const stream = await begin(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Once", max_tokens: 5, stream: true });
      const answers = await Promise.all([generate(server), generate(server, "The fox"), generate(server, "A dog")]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      await until(() => stream.received().includes("[DONE]"));
      expect(stream.received()).not.toContain('"error"');
      expect((await health(server)).degraded).toEqual([
        { backend: "vulkan", reason: `killed by SIGABRT: driver: the device is lost in ${at}`, retry_after: expect.any(Number) },
      ]);
      expect(await metric(server, "shimmy_backend_failures_total", '{backend="vulkan"}')).toBe(1);
      expect((await modelOf(server)).devices).toBeUndefined();
    });
  });
});
