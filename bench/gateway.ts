/**
 * A gateway before three instances: tokens a second through it, and of the three asked directly at the same time, alternately. Each instance
 * has one thread, so that gateway and instances have something to share. Run after a build:
 * `npm run bench:gateway -- [model.gguf] [rounds]`. Prints one JSON line.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const INSTANCES = 3;
const CLIENTS = 12;
const ANSWERS = 48;
const TOKENS = 64;

interface Started {
  readonly url: string;
  stop(): void;
}

const model = process.argv[2] === undefined ? [] : ["--model-path", resolve(process.argv[2]), "--no-embedded-model"];
const rounds = Number(process.argv[3] ?? 3);
const folder = mkdtempSync(join(tmpdir(), "shimmy-bench-"));

function serve(args: readonly string[]): Promise<Started> {
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, SHIMMY_MODEL_STORES: "off" };
  const all = [resolve("dist/cli.js"), "serve", "--bind", "127.0.0.1:0", "--json", "--log-level", "warn", ...args];
  const child = spawn(process.execPath, all, { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((done, fail) => {
    child.once("exit", (code) => fail(new Error(`serve ended with ${code}`)));
    child.stdout!.once("data", (line) => done({ url: JSON.parse(String(line)).url, stop: () => child.kill("SIGTERM") }));
  });
}

/** Tokens of one streamed answer, as usage tells them. */
async function tokensOf(url: string, index: number): Promise<number> {
  const body = {
    messages: [{ role: "user", content: `Tell a story about number ${index}.` }],
    ...{ max_tokens: TOKENS, temperature: 1, seed: index, stream: true, stream_options: { include_usage: true } },
  };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const told = /"completion_tokens":(\d+)/.exec(text)?.[1];
  if (!response.ok || told === undefined) throw new Error(`${response.status}: ${text.slice(0, 300)}`);
  return Number(told);
}

/** Tokens a second of all clients together; client i asks the i-th of the addresses. */
async function throughput(urls: readonly string[]): Promise<number> {
  let asked = 0;
  let tokens = 0;
  const began = performance.now();
  const client = async (_: unknown, i: number) => {
    while (asked < ANSWERS) {
      const told = await tokensOf(urls[i % urls.length]!, asked++);
      tokens += told;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return (tokens * 1000) / (performance.now() - began);
}

const instances = await Promise.all(Array.from({ length: INSTANCES }, () => serve(["--threads", "1", ...model])));
const gateway = await serve(["--no-embedded-model", ...instances.flatMap(({ url }) => ["--upstream", url])]);
try {
  const urls = instances.map(({ url }) => url);
  await throughput(urls);
  await throughput([gateway.url]);
  const direct: number[] = [];
  const through: number[] = [];
  for (let round = 0; round < rounds; round++) {
    direct.push(await throughput(urls));
    through.push(await throughput([gateway.url]));
  }
  const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!;
  const figures = { direct: median(direct), through: median(through), ratio: median(through) / median(direct) };
  process.stdout.write(`${JSON.stringify({ ...figures, rounds: { direct, through } })}\n`);
} finally {
  gateway.stop();
  for (const { stop } of instances) stop();
  rmSync(folder, { recursive: true, force: true });
}
