/** Where nobody reads what is printed, or no room is left for it: commands say so, and a server goes on. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { bareEnvironment, finished, temporaryFolder } from "../support/command.ts";
import { CLI } from "../support/server.ts";

const cwd = temporaryFolder();
const env = bareEnvironment(cwd);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function healthAt(port: number): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
    if (response) return response.status;
    await sleep(50);
  }
  return 0;
}

const chat = (port: number) =>
  fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "hello" }], max_tokens: 2 }),
  }).then(({ status }) => status);

/** With this stdout and stderr it answers, and ends well. @param lose takes them away once it runs */
async function serves(outputs: readonly ["pipe", "pipe"] | readonly [number, number], lose: (child: ChildProcess) => void): Promise<void> {
  const port = await freePort();
  const child = spawn(process.execPath, [CLI, "serve", "--bind", `127.0.0.1:${port}`], { cwd, env, stdio: ["ignore", ...outputs] });
  const ended = once(child, "close");
  lose(child);
  try {
    expect(await healthAt(port)).toBe(200);
    expect(await chat(port)).toBe(200);
  } finally {
    child.kill("SIGTERM");
  }
  expect(await ended).toEqual([0, null]);
}

/** A device that has no room is Linux's. */
describe.skipIf(!existsSync("/dev/full"))("on a full disk", () => {
  const full = () => openSync("/dev/full", "w");

  for (const typed of ["dashboard export", "alerts export", "config --json", "version"])
    test(`shimmy ${typed} > FILE fails, for half a file is none`, async () => {
      const disk = full();
      const child = spawn(process.execPath, [CLI, ...typed.split(" ")], { cwd, env, stdio: ["ignore", disk, "pipe"] });
      const { code, stderr } = await finished(child);
      closeSync(disk);
      expect(code).toBe(1);
      expect(stderr).toContain("error: the output cannot be written (ENOSPC)");
    });

  test("an error that cannot be told is its exit code all the same", async () => {
    const disk = full();
    const { code } = await finished(spawn(process.execPath, [CLI, "surve"], { cwd, env, stdio: ["ignore", "pipe", disk] }));
    closeSync(disk);
    expect(code).toBe(2);
  });

  test("a server whose ready line and log find no room serves", async () => {
    const disk = full();
    await serves([disk, disk], () => closeSync(disk));
  }, 30_000);
});

test("a server whose log is read by nobody serves", async () => {
  await serves(["pipe", "pipe"], (child) => child.stderr?.destroy());
}, 30_000);

describe("whoever read the output has gone", () => {
  const unread = async (...typed: string[]) => {
    const child = spawn(process.execPath, [CLI, ...typed], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    return finished(child);
  };

  test("a command that did what it should ends well, without a word", async () => {
    expect(await unread("config")).toMatchObject({ code: 0, stderr: "" });
  });

  test("validate still ends with what it found", async () => {
    expect(await unread("validate", "--url", `http://127.0.0.1:${await freePort()}`)).toMatchObject({ code: 1, stderr: "" });
  }, 30_000);
});
