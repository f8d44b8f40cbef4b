/** `shimmy bench` on targets that are slow, or behind TLS; and that its own server's key is in no list of processes, nor that of `plan`. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { BenchResult } from "../../src/bench/result.ts";
import { ChatServer, type Manners } from "../support/chat-server.ts";
import { bareEnvironment, finished, shimmy, temporaryFolder } from "../support/command.ts";
import { commandLineOf, descendantsOf } from "../support/process.ts";
import { CLI } from "../support/server.ts";

const cwd = temporaryFolder();
const env = { SHIMMY_MODEL_STORES: "off" };
const running: ChatServer[] = [];
afterEach(() => {
  for (const server of running.splice(0)) server.stop();
});

async function fake(manners: Manners): Promise<string> {
  const server = new ChatServer(manners);
  running.push(server);
  return server.start();
}

describe("a target with a certificate of its own", () => {
  const NO_OPENSSL = hasOpenssl() ? undefined : "there is no openssl on this machine";
  function hasOpenssl(): boolean {
    try {
      return execFileSync("openssl", ["version"]).length > 0;
    } catch {
      return false;
    }
  }

  test.skipIf(NO_OPENSSL)(
    `is measured where it is trusted, and refused with the reason where it is not${NO_OPENSSL ? ` (skipped: ${NO_OPENSSL})` : ""}`,
    async () => {
      const [key, cert] = [join(cwd, "key.pem"), join(cwd, "cert.pem")];
      const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
      execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", cert, ...subject], {
        stdio: "ignore",
      });
      const url = await fake({ tls: { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") } });
      const args = ["bench", "--url", url, "--workloads", "decode", "--clients", "2", "--rounds", "1", "--tokens", "8", "--json"];
      const trusted = await shimmy(args, { cwd, env: { ...env, NODE_EXTRA_CA_CERTS: cert } });
      expect([trusted.code, (JSON.parse(trusted.stdout) as BenchResult).failures]).toEqual([0, []]);
      const strange = await shimmy(args, { cwd, env });
      expect([strange.code, strange.stdout]).toEqual([1, ""]);
      expect(strange.stderr).toMatch(/No server answers at https:.*(SELF_SIGNED|self-signed)/);
    },
  );
});

test("a slow target gets less work, and how much that is, is said as it is", { timeout: 60_000 }, async () => {
  const server = new ChatServer({ pauseMs: 60 });
  running.push(server);
  const args = ["bench", "--url", await server.start(), "--workloads", "decode", "--clients", "1", "--rounds", "1"];
  const { code, stdout, stderr } = await shimmy([...args, "--json"], { cwd, env });
  const { settings } = JSON.parse(stdout) as BenchResult;
  const asked = server.asked.slice(-settings.round_tokens).filter(({ messages }) => messages[0]!.content.includes("a llama"));
  expect([code, asked.reduce((sum, { max_tokens }) => sum + max_tokens, 0)]).toEqual([0, settings.round_tokens]);
  expect(settings.share).toBeLessThan(1);
  expect(stderr).toContain(`a round is ${settings.round_tokens} tokens of answers`);
  expect(stderr).toContain(`${Math.round(100 * settings.share)}% of the full lengths and counts`);
});

test("answers that somebody wants longer than the context are cut to it, and that is said", { timeout: 60_000 }, async () => {
  const args = ["bench", "--workloads", "decode", "--clients", "1", "--rounds", "1", "--tokens", "5000", "--json"];
  const { code, stdout, stderr } = await shimmy(args, { cwd, env });
  const { settings, notes } = JSON.parse(stdout) as BenchResult;
  expect([code, settings.tokens, notes.filter((note) => note.includes("ended before"))]).toEqual([0, 256, []]);
  expect(stderr).toContain("Answers have 256 tokens at most: longer ones have no room in the context.");
});

describe.skipIf(process.platform !== "linux")("what was typed, and keys", () => {
  const KEY = "sk-known-and-nowhere-else-0815";
  /** Runs it, and reads the command lines of all that it starts. */
  async function watched(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
    const child = spawn(process.execPath, [CLI, ...args, "--json"], { cwd, env: { ...bareEnvironment(cwd), ...env, ...more } });
    const seen = new Set<string>();
    const look = setInterval(() => {
      // Between fork and exec a child still has the words of its parent.
      const own = commandLineOf(child.pid!);
      for (const pid of descendantsOf(child.pid!)) seen.add(commandLineOf(pid));
      seen.delete(own);
    }, 10);
    const { code, stdout, stderr } = await finished(child);
    clearInterval(look);
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect([...seen].some((line) => / serve /.test(line))).toBe(true);
    expect([...seen].filter((line) => line.includes(KEY))).toEqual([]);
    expect(stdout + stderr).not.toContain(KEY);
    return { lines: [...seen], result: JSON.parse(stdout) };
  }

  test("bench: the key reaches its server, and is on no command line", { timeout: 90_000 }, async () => {
    const args = ["bench", "--api-key", KEY, "--workloads", "decode", "--clients", "1", "--rounds", "1", "--tokens", "8"];
    const { result } = await watched(args);
    expect(result.runs).toHaveLength(1);
  });

  test("plan: neither is on a command line, and the server has both", { timeout: 90_000 }, async () => {
    const args = ["plan", "--model", "shimmy-tiny", "--ctx", "777", "--rps", "1/min", "--answer-tokens", "8"];
    const { lines, result } = await watched(args, { SHIMMY_API_KEY: KEY });
    expect(lines.filter((line) => line.includes("777"))).toEqual([]);
    expect(result.measured.contextTokens).toBe(777);
  });
});
