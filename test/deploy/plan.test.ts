/** `shimmy plan` and `shimmy init --template integration` with the embedded model, whole: a server is started, measured and ended. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { INTEGRATION_TEMPLATE } from "../../src/deploy/init/integration/template.ts";
import { processTree } from "../../src/deploy/processes.ts";
import { bareEnvironment, type Finished, finished, shimmy, temporaryFolder } from "../support/command.ts";
import { isGone } from "../support/process.ts";

const folder = temporaryFolder();
const SHARED = "../shared/reference/integration-template.md";
const PORT = "18435";
const STATED = ["--application", "Ticket 'desk'", "--rps", "600/min", "--p95", "2s", "--answer-tokens", "40", "--port", PORT];
const TINY = ["--model", "shimmy-tiny", "--ctx", "1024"];

const init = (...flags: string[]) => shimmy(["init", "--template", "integration", ...STATED, ...TINY, ...flags], { cwd: folder });

test.skipIf(!existsSync(SHARED))("the template is the one of ../shared, word for word (skipped where that folder is absent)", () => {
  expect(INTEGRATION_TEMPLATE).toBe(readFileSync(SHARED, "utf8"));
});

describe("the integration specification", () => {
  let finished: Finished;
  let document: string;
  beforeAll(async () => {
    finished = await init("--out", "spec");
    document = readFileSync(join(folder, "spec/INTEGRATION.md"), "utf8");
  }, 60_000);

  test("is written beside a README, and told", () => {
    expect(finished.code).toBe(0);
    expect(finished.stdout.trim().split("\n")).toEqual(
      ["INTEGRATION.md", "README-integration.md"].map((name) => `written ${join(folder, "spec", name)}`),
    );
    expect(readFileSync(join(folder, "spec/README-integration.md"), "utf8")).toContain(`--application 'Ticket '\\''desk'\\'''`);
  });

  test("has every section of the template", () => {
    const headings = (text: string) => text.match(/^###+ .*$/gm);
    expect(headings(document)).toEqual(headings(INTEGRATION_TEMPLATE));
  });

  test("has nothing blank: neither a placeholder nor a line that was to be filled in as it was", () => {
    const blanks = INTEGRATION_TEMPLATE.split("\n").filter((line) => /^- \*\*.*\*\*: \[/.test(line));
    expect(blanks.length).toBe(7);
    expect(document).not.toMatch(
      /: \[(Your|Requests|Specific|REST|Optional|Bandwidth)|\[Your Application\]|your-model|test-model|path\/to|undefined|NaN/,
    );
    expect(document).toContain("# Shimmy Integration Specification: Ticket 'desk'");
    expect(document).toContain(
      "**Expected Traffic**: 10 requests/s, 256 prompt (assumed) and 40 answer tokens each; 95% answered within 2.0 s",
    );
  });

  test("ticks what the run showed and leaves what comes after deployment", () => {
    for (const name of ["Startup Speed", "API Compatibility", "CLI Access", "Models Available", "Ports Configured", "Dependencies Met"])
      expect(document).toContain(`- [x] **${name}**`);
    for (const name of ["Health Check", "Model Discovery", "Generation Test", "Performance Metrics"])
      expect(document).toContain(`- [ ] **${name}**`);
  });

  test("its commands and settings are the template's own, with this port, model and folder", () => {
    const blocks = (text: string) => [...text.matchAll(/```(bash|yaml)\n(.*?)```/gs)].map(([, , block]) => block!);
    const modelFolder = join(process.cwd(), "models/shimmy-tiny");
    const back = document
      .replaceAll(PORT, "11435")
      .replace('"model": "shimmy-tiny",\n    "messages"', '"model": "your-model-name",\n    "messages"')
      .replace('{"model": "shimmy-tiny"', '{"model": "test-model"')
      .replace('grep "shimmy-tiny"', 'grep "model-pattern"')
      .replace(`model_dirs: "${modelFolder}"`, 'model_dirs: "path/to/your/models"')
      .replace(`SHIMMY_MODEL_DIRS="${modelFolder}"`, 'SHIMMY_MODEL_DIRS="/path/to/models"')
      .replace("request_latency_p95: >2s", "request_latency_p95: >5s");
    expect(blocks(back)).toEqual(blocks(INTEGRATION_TEMPLATE));
    const [settings] = blocks(document).map((block) => block);
    expect(parse(settings!)).toMatchObject({ shimmy_config: { bind: `127.0.0.1:${PORT}` } });
  });

  test("its settings are taken by the server", async () => {
    mkdirSync(join(folder, "use"));
    writeFileSync(join(folder, "use/shimmy.yaml"), /```yaml\n(.*?)```/s.exec(document)![1]!);
    const { code, stdout } = await shimmy(["config", "--json"], { cwd: join(folder, "use") });
    expect([code, JSON.parse(stdout).settings]).toEqual([
      0,
      expect.arrayContaining([expect.objectContaining({ key: "bind", value: `127.0.0.1:${PORT}` })]),
    ]);
  });

  test("is not overwritten without --force: the diff is shown, nothing changes, the command fails", async () => {
    const path = join(folder, "spec/INTEGRATION.md");
    writeFileSync(path, "mine\n");
    const again = await init("--out", "spec");
    expect(again.code).toBe(1);
    expect(again.stdout).toBe("");
    expect(again.stderr).toContain("\n-mine\n");
    expect(again.stderr).toMatch(/error: Nothing was written, .*INTEGRATION\.md/);
    expect(readFileSync(path, "utf8")).toBe("mine\n");
    const forced = await init("--out", "spec", "--force");
    expect(forced.code).toBe(0);
    expect(forced.stdout).toContain(`overwritten ${path}`);
    expect(readFileSync(path, "utf8")).toContain("### Project Information");
  }, 60_000);

  test("says that a port is taken", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => holder.once("listening", resolve));
    const { port } = holder.address() as { port: number };
    await init("--out", "taken", "--port", String(port));
    holder.close();
    expect(readFileSync(join(folder, "taken/INTEGRATION.md"), "utf8")).toContain(
      `- [ ] **Ports Configured**: Network ports available and firewall configured — ${port} is TAKEN`,
    );
  }, 60_000);
});

test("what is needed and not said, where nobody can be asked, is a usage error that names the flags", async () => {
  const { code, stderr } = await shimmy(["init", "--template", "integration", "--rps", "2"], { cwd: folder });
  expect(code).toBe(2);
  expect(stderr).toContain("--application, --p95");
});

test("init lists its templates", async () => {
  const { code, stdout } = await shimmy(["init", "--list", "--json"], { cwd: folder });
  expect(code).toBe(0);
  expect(JSON.parse(stdout).templates[0]).toMatchObject({ name: "integration" });
});

/** readline sets the cursor behind a question: ESC [ column G. */
function withoutColumns(text: string): string {
  return text.replace(new RegExp(`${String.fromCharCode(27)}\\[\\d+G$`), "");
}

/** util-linux's `script` makes a terminal of a pipe. */
test.runIf(existsSync("/usr/bin/script"))(
  "questions in a terminal: an answer of no use is asked again, an end of input names the flags, without a stack",
  async () => {
    const { CLI } = await import("../support/server.ts");
    const typed = spawn("/usr/bin/script", ["-qec", `${process.execPath} ${CLI} init --template integration --out never`, "/dev/null"], {
      cwd: folder,
      env: bareEnvironment(folder),
    });
    const answers = ["Desk\r", "often\r", "\u0004"];
    typed.stdout!.on("data", (text: Buffer) => {
      if (withoutColumns(String(text)).endsWith(": ")) typed.stdin!.write(answers.shift() ?? "");
    });
    const { code, stdout } = await finished(typed);
    expect(stdout).toContain("Invalid value for '--rps'");
    expect(stdout).toMatch(/error: .*--application, --rps, --p95/);
    expect(stdout).not.toContain("node:internal");
    expect([code, existsSync(join(folder, "never"))]).toEqual([2, false]);
  },
  30_000,
);

describe("shimmy plan", () => {
  test.runIf(process.platform === "linux")(
    "that is told to end ends the server that it measures",
    async () => {
      const { CLI } = await import("../support/server.ts");
      const child = spawn(process.execPath, [CLI, "plan", ...TINY], { cwd: folder, env: bareEnvironment(folder) });
      const waits = finished(child);
      await new Promise<void>((resolve) => child.stderr!.on("data", (text) => /loading/.test(String(text)) && resolve()));
      const below = processTree(child.pid!)!.filter((pid) => pid !== child.pid);
      expect(below.length).toBeGreaterThan(0);
      child.kill("SIGTERM");
      expect((await waits).code).toBe(143);
      await expect.poll(() => below.every(isGone), { timeout: 10_000 }).toBe(true);
    },
    30_000,
  );

  test("measures 1, 4 and 8 clients and plans from it, as JSON", async () => {
    const { code, stdout } = await shimmy(["plan", "--json", ...TINY, "--rps", "5", "--p95", "5s", "--prompt-tokens", "64"], {
      cwd: folder,
    });
    expect(code).toBe(0);
    const { measured, plan, traffic, model } = JSON.parse(stdout);
    expect(model.id).toBe("shimmy-tiny");
    expect(traffic).toMatchObject({ requestsPerSecond: 5, p95Seconds: 5, promptTokens: 64, answerTokens: 128, assumed: ["answerTokens"] });
    expect(measured.contextTokens).toBe(1024); // --ctx reached the server
    expect(measured.waves.map(({ clients }: { clients: number }) => clients)).toEqual([1, 4, 8]);
    for (const wave of measured.waves)
      for (const name of ["ttftMs", "prefillPerSecond", "decodePerSecond"]) expect(wave[name], name).toBeGreaterThan(0);
    expect(measured.startMs).toBeGreaterThan(20);
    expect(measured.tookMs).toBeLessThan(30_000);
    expect(plan).toMatchObject({ reachable: true, contextFits: true });
    expect(plan.replicas).toBeGreaterThanOrEqual(1);
  }, 60_000);

  test("names a model that is not there, and starts nothing", async () => {
    const { code, stderr } = await shimmy(["plan", "--model", "no-such-model"], { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toContain("no-such-model");
    expect(stderr).not.toContain("starting a server");
  });
});
