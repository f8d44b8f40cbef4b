/** A gateway that is killed, whatever its engines do at that moment: none of them stays. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { NO_SHARED, post, SMOLLM2, startServer, until } from "../support/server.ts";
import { short } from "./support.ts";

/** Gone, or only to be reaped by init. */
function isOver(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || /\) [ZX] /.test(readFileSync(stat, "utf8"));
}

async function goneWithin(pid: number, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    if (isOver(pid)) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

// Only Linux has PR_SET_PDEATHSIG; elsewhere an engine sees the closed channel between two steps.
describe.skipIf(process.platform !== "linux")("on Linux the kernel ends engines with their gateway", () => {
  test("one that is stopped, so that it can see nothing itself", async () => {
    const server = await startServer();
    await short(server, "shimmy-tiny");
    const [engine] = await server.engines();
    process.kill(engine!, "SIGSTOP");
    process.kill(server.pid, "SIGKILL");
    const gone = await goneWithin(engine!, 2000);
    if (!gone) process.kill(engine!, "SIGKILL");
    expect(gone).toBe(true);
  });

  test.skipIf(NO_SHARED)("one in a step of seconds", async () => {
    const args = ["--model-path", SMOLLM2, "--threads", "1", "--step-time", "1h", "--batch-tokens", "8192", "--ctx", "8192"];
    const server = await startServer({ args: [...args, "--parallel", "1"] });
    await short(server, "smollm2-135m-instruct-q4_1");
    const [engine] = await server.engines();
    const busy = () => Number(readFileSync(`/proc/${engine}/stat`, "utf8").split(" ")[13]);
    const before = busy();
    const prompt = Array.from({ length: 6000 }, (_, i) => 1000 + ((i * 7919) % 30_000));
    const asked = post(server, "/v1/completions", { model: "smollm2-135m-instruct-q4_1", prompt, max_tokens: 1 }).catch(() => undefined);
    await until(() => busy() - before > 30); // 0.3 s of its processor time are behind it, 10 s before it
    process.kill(server.pid, "SIGKILL");
    const gone = await goneWithin(engine!, 1000);
    if (!gone) process.kill(engine!, "SIGKILL");
    expect(gone).toBe(true);
    await asked;
  });

  test("one whose gateway is a worker thread lives as long as that thread, and no longer", async () => {
    const settings = { modelStores: "off" };
    const code = `
      import { parentPort } from "node:worker_threads";
      import { createShimmy } from ${JSON.stringify(pathToFileURL("dist/index.js").href)};
      const shimmy = await createShimmy(${JSON.stringify(settings)});
      const ask = async (path, body) => (await shimmy.fetch(new Request("http://localhost" + path, body && { method: "POST", body,
        headers: { "content-type": "application/json" } }))).json();
      parentPort.on("message", async () => {
        const { choices } = await ask("/v1/completions", JSON.stringify({ model: "shimmy-tiny", prompt: "Once", max_tokens: 3 }));
        const { models } = await ask("/api/ps");
        parentPort.postMessage({ text: choices[0].text, pid: models[0].pid });
      });`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
    const told = async () => {
      worker.postMessage("ask");
      return (await once(worker, "message"))[0] as { text: string; pid: number };
    };
    const first = await told();
    // Threads of the process come and go; only the one that forked counts.
    await once(new Worker("", { eval: true }), "exit");
    expect(await told()).toEqual(first);
    process.kill(first.pid, "SIGSTOP");
    await worker.terminate();
    const gone = await goneWithin(first.pid, 2000);
    if (!gone) process.kill(first.pid, "SIGKILL");
    expect(gone).toBe(true);
  });
});

test("an engine whose gateway has ended before it looked ends at once", async () => {
  const other = 1;
  const engine = fork(resolve("dist/engine.js"), [String(other)], { serialization: "advanced", execArgv: [] });
  engine.send({ type: "load", options: {} });
  expect(await once(engine, "exit")).toEqual([0, null]);
});
