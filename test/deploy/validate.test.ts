/** `shimmy validate` as it is built: green against itself, red with the right words for each thing that is wrong. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandOptions, shimmy, temporaryFolder } from "../support/command.ts";
import { isGone } from "../support/process.ts";
import { MINILM, NO_SHARED, startServer, type TestServer, TINY } from "../support/server.ts";

interface Wire {
  readonly group: string;
  readonly name: string;
  readonly verdict: string;
  readonly measured: string;
  readonly advice: string | null;
  readonly command: string | null;
}

const folder = temporaryFolder();
const LIMIT_MS = 60_000;

async function validate(args: readonly string[] = [], options: Partial<CommandOptions> = {}) {
  const { code, stdout, stderr } = await shimmy(["validate", "--json", ...args], {
    cwd: folder,
    ...options,
    env: { SHIMMY_MODEL_STORES: "off", ...options.env },
  });
  expect(stderr).toBe("");
  const report = JSON.parse(stdout) as { ok: boolean; url: string; checks: Wire[] };
  const failed = report.checks.filter(({ verdict, name }) => verdict === "fail" && !BUSY.has(name));
  const find = (name: string) => report.checks.find((check) => check.name === name)!;
  return { code, report, failed, find };
}

/** Figures that depend on what else the machine does: judged where it is quiet (bench/), never by a test that runs beside others. */
const BUSY: ReadonlySet<string> = new Set(["start-up time", "base memory", "time to first token", "total latency", "memory in use"]);

/** What programs may rely on. */
const NAMES = [
  ...["package size", "start-up time", "base memory"].map((name) => `constitution/${name}`),
  ...["models", "chat", "chat, streamed", "completions", "embeddings", "errors"].map((name) => `constitution/API: ${name}`),
  "constitution/no Python",
  "constitution/CLI access",
  ...["models available", "model files", "memory for models", "port", "processors", "dependencies"].map((name) => `pre-deployment/${name}`),
  ...["start-up time", "health", "access", "model discovery", "generation", "time to first token", "total latency", "memory in use"].map(
    (name) => `post-deployment/${name}`,
  ),
];

test(
  "green against itself, with everything measured; what it started has ended",
  async () => {
    const junit = join(folder, "report.xml");
    const { code, report, failed, find } = await validate(["--bind", "127.0.0.1:0", "--junit", junit]);
    expect(failed).toEqual([]);
    expect(report.checks.filter(({ verdict }) => verdict === "warn")).toEqual([]);
    const failures = report.checks.filter(({ verdict }) => verdict === "fail").length;
    expect([code, report.ok]).toEqual(failures === 0 ? [0, true] : [1, false]);
    expect(report.checks.map(({ group, name }) => `${group}/${name}`)).toEqual(NAMES);
    const unmeasured = report.checks.filter(({ verdict }) => verdict === "unmeasured").map(({ name }) => name);
    expect(unmeasured).toEqual(process.platform === "linux" ? ["API: embeddings"] : expect.arrayContaining(["API: embeddings"]));
    expect(find("generation").measured).toContain("shimmy-tiny");
    await expect(fetch(report.url)).rejects.toThrow();
    const xml = readFileSync(junit, "utf8");
    expect(xml).toContain(`tests="${NAMES.length}" failures="${failures}"`);
    expect(xml.match(/<testcase /g)).toHaveLength(NAMES.length);
  },
  LIMIT_MS,
);

test(
  "the table says the same to people",
  async () => {
    const { code, stdout } = await shimmy(["validate", "--bind", "127.0.0.1:0"], { cwd: folder, env: { SHIMMY_MODEL_STORES: "off" } });
    expect(stdout).toMatch(/^CHECK +MEASURED +LIMIT +VERDICT\n/);
    expect(stdout).toMatch(/\n {2}start-up time +\d[\d.]* m?s +< 2 s +(pass|fail)\n/);
    const [, failures] = /passed, 0 warned, (\d+) failed, 1 not measured$/m.exec(stdout)!;
    expect(code).toBe(failures === "0" ? 0 : 1);
  },
  LIMIT_MS,
);

test.skipIf(NO_SHARED)(
  `embedding models alone: what needs text is not measured, and the model may be called as its file is (${NO_SHARED ?? "all-minilm-l6-v2"})`,
  async () => {
    const alone = ["--model-path", MINILM, "--no-embedded-model"];
    for (const named of [[], ["--model", basename(MINILM)]]) {
      const { failed, find } = await validate([...alone, ...named]);
      expect(failed).toEqual([]);
      expect(find("API: embeddings").verdict).toBe("pass");
      for (const name of ["API: chat", "generation", "time to first token"]) expect(find(name).verdict).toBe("unmeasured");
    }
  },
  LIMIT_MS,
);

describe("red, with the right words", () => {
  test(
    "an empty folder",
    async () => {
      const empty = join(folder, "empty");
      mkdirSync(empty);
      const { code, failed } = await validate(["--model-dirs", empty]);
      expect(code).toBe(1);
      expect(failed.map(({ name, measured }) => [name, measured])).toEqual([["models available", `the folder ${empty} holds no model`]]);
      expect(failed[0]!.command).toContain("shimmy pull");
    },
    LIMIT_MS,
  );

  test(
    "no models at all",
    async () => {
      const { code, find } = await validate(["--no-embedded-model"]);
      expect(code).toBe(1);
      expect(find("models available")).toMatchObject({ verdict: "fail", measured: "no model was found" });
      expect(find("model discovery")).toMatchObject({ verdict: "fail", measured: "the list is empty" });
      expect(find("generation")).toMatchObject({ verdict: "fail", measured: "there is no model that generates text" });
    },
    LIMIT_MS,
  );

  test(
    "a corrupt model beside a good one",
    async () => {
      const models = join(folder, "corrupt");
      mkdirSync(models);
      copyFileSync(TINY, join(models, "good.gguf"));
      writeFileSync(join(models, "bad.gguf"), readFileSync(TINY).subarray(0, 100_000));
      const { code, failed } = await validate(["--model-dirs", models]);
      expect(code).toBe(1);
      expect(failed.map(({ name, command }) => [name, command])).toEqual([["model files", "shimmy verify"]]);
      expect(failed[0]!.measured).toMatch(/^1 broken file: bad\.gguf: /);
    },
    LIMIT_MS,
  );

  test(
    "too little memory",
    async () => {
      const { code, failed } = await validate(["--memory-budget", "10MB"]);
      expect(code).toBe(1);
      expect(failed.map(({ name }) => name)).toEqual(["memory for models"]);
      expect(failed[0]!.measured).toMatch(/^the memory is too small: the largest, shimmy-tiny, needs \d+ MB$/);
    },
    LIMIT_MS,
  );

  test(
    "a server that does not start: what it says is told, once",
    async () => {
      const { code, failed, find } = await validate(["--preload", "no-such-model", "--strict-models"]);
      expect(code).toBe(1);
      expect(failed.map(({ name }) => name)).toContain("health");
      expect(find("health").measured).toMatch(/no-such-model/);
      expect(find("API: chat")).toMatchObject({ verdict: "unmeasured", measured: "the server does not answer" });
    },
    LIMIT_MS,
  );

  describe("a port that is taken", () => {
    let holder: Server;
    let port: number;
    beforeAll(async () => {
      holder = createServer((socket) => socket.destroy());
      await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
      port = (holder.address() as { port: number }).port;
    });
    afterAll(() => void holder.close());

    test(
      "is told with who has it",
      async () => {
        const { code, failed } = await validate(["--port", String(port)]);
        expect(code).toBe(1);
        expect(failed.map(({ name }) => name)).toEqual(["port"]);
        expect(failed[0]!.measured).toContain(`127.0.0.1:${port} is taken by `);
        if (process.platform === "linux") expect(failed[0]!.measured).toContain(`(process ${process.pid})`);
      },
      LIMIT_MS,
    );
  });
});

describe("--url", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ env: { SHIMMY_API_KEY: "right" } });
  });
  afterAll(() => server.stop());

  test(
    "a running server is judged and stays",
    async () => {
      const { code, report, failed, find } = await validate(["--url", server.url, "--api-key", "right"]);
      expect(failed).toEqual([]);
      expect(code).toBe(0);
      expect(report.checks.map(({ group, name }) => `${group}/${name}`)).toEqual(NAMES);
      expect(find("start-up time")).toMatchObject({ verdict: "unmeasured", measured: "it ran already" });
      expect(find("access").measured).toBe("by key, and the given one is right");
      if (process.platform === "linux") expect(find("memory in use").verdict).toBe("pass");
      expect(isGone(server.pid)).toBe(false);
    },
    LIMIT_MS,
  );

  test(
    "a wrong key",
    async () => {
      const { code, failed, find } = await validate(["--url", server.url, "--api-key", "wrong"]);
      expect(code).toBe(1);
      expect(failed.map(({ name, measured }) => [name, measured])).toEqual([["access", "status 401: The API key is not valid"]]);
      expect(failed[0]!.advice).toContain("--api-key");
      expect(find("API: chat").measured).toBe("the server refused the API key");
    },
    LIMIT_MS,
  );

  test(
    "nobody there",
    async () => {
      const url = await closedPort();
      const { code, failed } = await validate(["--url", url]);
      expect(code).toBe(1);
      expect(failed.map(({ name, command }) => [name, command])).toEqual([["health", "shimmy serve"]]);
      expect(failed[0]!.measured).toBe(`No Shimmy server answers at ${url}: ECONNREFUSED`);
    },
    LIMIT_MS,
  );

  test(
    "a disk that is full, or that nobody may write, is no matter of base memory",
    async () => {
      const { find } = await validate(["--bind", "127.0.0.1:0"], { env: { TMPDIR: join(folder, "no-such-folder") } });
      expect(find("base memory").measured).toMatch(/^\d+\.\d MB \(/);
    },
    LIMIT_MS,
  );

  test(
    "Python is looked for when the engine runs",
    async () => {
      const { find } = await validate(["--url", server.url, "--api-key", "right"]);
      if (process.platform === "linux") expect(find("no Python").measured).toContain("none of 2 of the server's processes");
    },
    LIMIT_MS,
  );

  test("a URL with a password is refused, and the password is not told", async () => {
    const { code, stdout, stderr } = await shimmy(["validate", "--url", "http://me:secret@localhost:1"], { cwd: folder });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("it must not hold a password");
    expect(stderr).not.toContain("secret");
  });

  test("no URL at all is an error of its own", async () => {
    const { code, stderr } = await shimmy(["validate", "--url", "localhost:1"], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toContain("that is no URL");
  });
});

async function closedPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}
