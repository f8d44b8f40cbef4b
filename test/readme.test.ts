/** Each command that README.md shows for the built command line, and each curl, does what it says, typed as it stands. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { bareEnvironment, temporaryFolder } from "./support/command.ts";
import { startServer } from "./support/server.ts";

const blocks = [...readFileSync("README.md", "utf8").matchAll(/^```bash\n(.*?)^```/gms)].map(([, text]) => text!);
const commands = blocks
  .flatMap((block) => block.split("\n"))
  .map((line) => line.replace(/\s+#.*$/, ""))
  .filter((line) => /(^|\| )node dist\/cli\.js /.test(line))
  // A chat needs a terminal: test/cli/chat.test.ts.
  .filter((line) => !/^node dist\/cli\.js run \S+$/.test(line));
/** Whole blocks: they go over several lines. */
const curls = blocks.filter((block) => /(^|\s)curl http:\/\/localhost:11435\//.test(block));
const home = temporaryFolder();

/** From the root of the repository, with nothing on stdin. */
function typed(command: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn("bash", ["-c", command], {
    cwd: resolve("."),
    env: { ...bareEnvironment(home), PATH: process.env.PATH!, SHIMMY_PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  return new Promise((done) => child.once("close", (code) => done({ code, stdout, stderr })));
}

test("README shows commands", () => {
  expect(commands.length).toBeGreaterThan(10);
});

// In their order: one takes away the name that another gave.
test.sequential.each(commands)("%s", async (command) => {
  const { code, stdout, stderr } = await typed(command);
  expect([code, stderr.includes("error")]).toEqual([0, false]);
  expect(`${stdout}${stderr}`.trim()).not.toBe("");
});

test("README shows a curl for each kind of request, and each of them is answered", async () => {
  expect(curls.length).toBeGreaterThan(4);
  const server = await startServer();
  for (const block of curls) {
    const { code, stdout } = await typed(
      block.replaceAll("http://localhost:11435", server.url).replaceAll("curl ", "curl -s --fail-with-body "),
    );
    const { error, object } = JSON.parse(stdout);
    expect([block, code, error ?? undefined, object]).toEqual([block, 0, undefined, expect.any(String)]);
  }
  await server.stop();
});
