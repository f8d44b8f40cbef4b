/** `shimmy doctor` as it is built: what is wrong is found, with the next command, also when the settings cannot be read. */
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { judgeAddresses } from "../../src/deploy/doctor/limits.ts";
import { bareEnvironment, type CommandOptions, finished, shimmy, temporaryFolder } from "../support/command.ts";
import { CLI, post, startServer, TINY } from "../support/server.ts";

const folder = temporaryFolder();
const LIMIT_MS = 60_000;
/** Of a person's shell, which would make warnings. */
const NO_PROXIES = Object.fromEntries(
  ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [
    [name, ""],
    [name.toLowerCase(), ""],
  ]),
);

async function doctor(args: readonly string[] = [], options: Partial<CommandOptions> = {}) {
  const env = { ...NO_PROXIES, SHIMMY_MODEL_STORES: "off", XDG_CACHE_HOME: join(folder, "cache"), ...options.env };
  const { code, stdout, stderr } = await shimmy(["doctor", "--json", ...args], { cwd: folder, ...options, env });
  expect(stderr).toBe("");
  const { checks } = JSON.parse(stdout) as { checks: Array<Record<"group" | "name" | "verdict" | "measured" | "command", string>> };
  const find = (group: string, name: string) => checks.find((check) => check.group === group && check.name === name)!;
  return { code, checks, find, failed: checks.filter(({ verdict }) => verdict === "fail").map(({ group, name }) => `${group}/${name}`) };
}

test(
  "a machine on which all is well",
  async () => {
    const { code, failed, checks, find } = await doctor(["--port", "0"]);
    expect([code, failed]).toEqual([0, []]);
    expect([...new Set(checks.map(({ group }) => group))]).toEqual(["program", "engine", "folders", "network", "models"]);
    expect(find("engine", "library").measured).toContain("cpu");
    expect(find("models", "models").measured).toContain("shimmy-tiny");
  },
  LIMIT_MS,
);

test.runIf(process.platform === "linux" && process.arch === "x64")(
  "the build of ggml that it names is the one that an engine has really loaded",
  async () => {
    const { find } = await doctor(["--port", "0"]);
    const named = /ggml's build: (\w+)/.exec(find("engine", "processor").measured)?.[1];
    const server = await startServer();
    try {
      await post(server, "/v1/completions", { model: "shimmy-tiny", prompt: "a", max_tokens: 1 });
      const [engine] = await server.engines();
      const mapped = /libggml-cpu-(\w+)\.so/.exec(readFileSync(`/proc/${engine}/maps`, "utf8"))?.[1];
      expect(named).toBe(mapped);
    } finally {
      await server.stop();
    }
  },
  LIMIT_MS,
);

test(
  "a file of settings that cannot be used is the finding, and all else is looked at all the same",
  async () => {
    const here = join(folder, "settings");
    mkdirSync(here);
    writeFileSync(join(here, "shimmy.yaml"), "prot: 80\n");
    const { code, failed, find } = await doctor([], { cwd: here });
    expect(code).toBe(1);
    expect(failed).toEqual(["program/configuration"]);
    expect(find("program", "configuration").measured).toContain("unknown key 'prot'");
    expect(find("engine", "library").verdict).toBe("pass");
  },
  LIMIT_MS,
);

test(
  "a missing folder, a broken model, a taken port, a proxy: each with what to type",
  async () => {
    const models = join(folder, "models-of-mine");
    mkdirSync(models);
    writeFileSync(join(models, "bad.gguf"), readFileSync(TINY).subarray(0, 50_000));
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const { port } = holder.address() as { port: number };
    try {
      const missing = join(folder, "missing");
      const { code, failed, find } = await doctor(["--model-dirs", models, "--model-dirs", missing, "--port", String(port)], {
        env: { HTTP_PROXY: "http://me:secret@proxy:3128" },
      });
      expect(code).toBe(1);
      expect(failed).toEqual(["folders/models 2", `network/port ${port}`, "models/models", "models/files"]);
      expect(find("folders", "models 2").command).toBe(`mkdir -p ${missing}`);
      expect(find("models", "files").command).toBe("shimmy verify");
      expect(find("network", "proxies")).toMatchObject({ verdict: "warn", measured: "HTTP_PROXY=http://***@proxy:3128" });
    } finally {
      holder.close();
    }
  },
  LIMIT_MS,
);

test.runIf(process.platform === "linux")(
  "too few open files and addresses are found, and nothing ends with a stack",
  async () => {
    const child = spawn(
      "bash",
      ["-c", 'ulimit -n 64; ulimit -v 2500000; exec "$@"', "bash", process.execPath, CLI, "doctor", "--json", "--port", "0"],
      {
        cwd: folder,
        env: { ...bareEnvironment(folder), SHIMMY_MODEL_STORES: "off" },
      },
    );
    const { code, stdout } = await finished(child);
    const { checks } = JSON.parse(stdout) as { checks: Array<Record<"name" | "verdict" | "command", string>> };
    const limits = checks.filter(({ name }) => name === "open files" || name === "address space");
    expect([code, ...limits.map(({ verdict, command }) => [verdict, command])]).toEqual([
      1,
      ["fail", "ulimit -n 1024"],
      ["fail", "ulimit -v unlimited"],
    ]);
  },
  LIMIT_MS,
);

test.runIf(process.platform === "linux")(
  "under a limit of addresses a server answers with what doctor says",
  async () => {
    const server = await startServer({ addresses: 8_000_000, env: { NODE_OPTIONS: "--disable-wasm-trap-handler" } });
    const answer = await post(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Once", max_tokens: 4 });
    expect(answer.status).toBe(200);
    expect(await server.stop()).toBe(0);
    const { advice } = judgeAddresses("Max address space         8000000000            unlimited            bytes\n");
    expect(advice).toContain("leave 8 GB beside the models and set NODE_OPTIONS=--disable-wasm-trap-handler");
  },
  LIMIT_MS,
);

test.runIf(process.platform === "linux")(
  "under a limit of addresses and without that a server answers all the same, and says what does not work",
  async () => {
    const server = await startServer({ addresses: 6_000_000 });
    for (const prompt of ["Once", "Twice"])
      expect((await post(server, "/v1/completions", { model: "shimmy-tiny", prompt, max_tokens: 4 })).status).toBe(200);
    const told = server.stderr().includes("set NODE_OPTIONS=--disable-wasm-trap-handler");
    expect(told).toBe(Number(process.versions.node.split(".")[0]) < 24);
    expect(await server.stop()).toBe(0);
  },
  LIMIT_MS,
);

test.skipIf(process.platform === "win32")(
  "a model folder that everybody may write, although it is empty",
  async () => {
    const open = join(folder, "open-to-all");
    mkdirSync(open);
    chmodSync(open, 0o777);
    const { find } = await doctor(["--model-dirs", open, "--port", "0"]);
    expect(find("models", "permissions")).toMatchObject({ verdict: "warn", command: `chmod o-w ${open}` });
    chmodSync(open, 0o755);
  },
  LIMIT_MS,
);

test(
  "an engine that is not there",
  async () => {
    const empty = join(folder, "no-engine");
    mkdirSync(empty);
    const { find } = await doctor(["--engine-dir", empty, "--port", "0"]);
    expect(find("engine", "library")).toMatchObject({ verdict: "warn", command: "shimmy engine list" });
    expect(find("engine", "library").measured).toContain("custom: there is no llama library");
  },
  LIMIT_MS,
);
