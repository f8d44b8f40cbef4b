/**
 * A gateway before three instances: tokens a second through it and of the three asked directly, alternately in one run; beside it the floor,
 * two bare proxies at the same place (gateway/bare-proxy.mjs). Each instance has one thread, so that all have something to share.
 * Run after a build: `npm run bench:gateway -- [--model FILE] [--rounds N] [--answers N] [--tokens N] [--old DIST] [--only NAMES] [--cpu-prof DIR]`.
 * `--old`: another build's dist, as a gateway before the same instances and (`--only direct-old`) as three of its own. Prints a table and one JSON line.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { bareProxy, cpuOf, type Started, serve } from "./gateway/contestants.ts";

const INSTANCES = 3;
const CLIENTS = 12;

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    rounds: { type: "string", default: "7" },
    answers: { type: "string", default: "48" },
    tokens: { type: "string", default: "64" },
    old: { type: "string" },
    only: { type: "string", default: "direct,gateway,old,tcp,http" },
    "cpu-prof": { type: "string" },
  },
});
const answers = Number(values.answers);
const model = values.model === undefined ? [] : ["--model-path", resolve(values.model), "--no-embedded-model"];
const folder = mkdtempSync(join(tmpdir(), "shimmy-bench-"));

/** Shimmy Tiny tells long stories of these, and takes a number for a sum. Each is a conversation of its own to the choice of an upstream. */
function questionOf(index: number): string {
  const nouns = ["dog", "cat", "fox", "bear", "bird", "boat", "tree", "frog", "king", "girl", "boy", "duck"];
  const kinds = ["little", "red", "kind", "brave", "sad", "happy", "big", "shy"];
  return `Tell a story about a ${kinds[Math.floor(index / nouns.length) % kinds.length]} ${nouns[index % nouns.length]}.`;
}

/** Tokens of one streamed answer, as usage tells them. */
async function tokensOf(url: string, index: number): Promise<number> {
  const body = {
    messages: [{ role: "user", content: questionOf(index) }],
    ...{ max_tokens: Number(values.tokens), temperature: 1, seed: index, stream: true, stream_options: { include_usage: true } },
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

interface Contestant {
  readonly name: string;
  readonly urls: readonly string[];
  /** Whose processor time is told. */
  readonly pid?: number;
  readonly rounds: Array<{ readonly rate: number; readonly user: number; readonly system: number }>;
}

/** All clients together, the same questions each time; client i asks the i-th of the addresses. */
async function round({ urls, pid, rounds }: Contestant): Promise<void> {
  let asked = 0;
  let tokens = 0;
  const before = pid === undefined ? undefined : cpuOf(pid);
  const began = performance.now();
  const client = async (_: unknown, i: number) => {
    while (asked < answers) {
      // Not `tokens += await …`: that would add to what it was before the wait.
      const told = await tokensOf(urls[i % urls.length]!, asked++);
      tokens += told;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const rate = (tokens * 1000) / (performance.now() - began);
  const after = pid === undefined ? undefined : cpuOf(pid);
  const perToken = (kind: "user" | "system") => (before && after ? (after[kind] - before[kind]) / tokens : Number.NaN);
  rounds.push({ rate, user: perToken("user"), system: perToken("system") });
}

const started: Started[] = [];
const keep = async (starting: Promise<Started>) => {
  const one = await starting;
  started.push(one);
  return one;
};
try {
  const threeOf = (dist: string) =>
    Promise.all(Array.from({ length: INSTANCES }, () => keep(serve(dist, ["--threads", "1", ...model], folder))));
  const instances = await threeOf("dist");
  const before = ["--no-embedded-model", ...instances.flatMap(({ url }) => ["--upstream", url])];
  const profile = values["cpu-prof"] === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${resolve(values["cpu-prof"])}`];
  const contestants: Contestant[] = [{ name: "direct", urls: instances.map(({ url }) => url), rounds: [] }];
  const wanted = values.only.split(",");
  const add = async (name: string, start: () => Promise<Started>) => {
    if (!wanted.includes(name)) return;
    const { url, pid } = await keep(start());
    contestants.push({ name, urls: [url], pid, rounds: [] });
  };
  await add("gateway", () => serve("dist", before, folder, profile));
  if (values.old !== undefined && wanted.includes("direct-old")) {
    const older = await threeOf(values.old);
    contestants.push({ name: "direct-old", urls: older.map(({ url }) => url), rounds: [] });
  }
  if (values.old !== undefined) await add("old", () => serve(values.old!, before, folder));
  await add("http", () => bareProxy("http", instances, folder));
  await add("tcp", () => bareProxy("tcp", instances, folder));

  for (const each of contestants) await round(each); // To warm them.
  for (const { rounds } of contestants) rounds.length = 0;
  for (let turn = 0; turn < Number(values.rounds); turn++) {
    // Each comes first, second … equally often: a machine that slows down favours nobody.
    for (let i = 0; i < contestants.length; i++) await round(contestants[(i + turn) % contestants.length]!);
  }
  report(contestants);
} finally {
  for (const { stop } of started) stop();
  rmSync(folder, { recursive: true, force: true });
}

function report(contestants: readonly Contestant[]): void {
  const direct = contestants[0]!.rounds.map(({ rate }) => rate);
  const rows = contestants.map(({ name, rounds }) => {
    const rates = rounds.map(({ rate }) => rate);
    // Of the same turn: what is slow at one moment is slow for both.
    const ratios = rates.map((rate, turn) => rate / direct[turn]!);
    const [low, middle, high] = [quantile(ratios, 0.25), quantile(ratios, 0.5), quantile(ratios, 0.75)];
    const user = quantile(
      rounds.map((each) => each.user),
      0.5,
    );
    const system = quantile(
      rounds.map((each) => each.system),
      0.5,
    );
    return { name, tokensPerSecond: quantile(rates, 0.5), ratio: middle, ratioQuartiles: [low, high], userUs: user, systemUs: system };
  });
  process.stderr.write("contestant  tok/s   of direct (quartiles)   µs user + system a token\n");
  for (const { name, tokensPerSecond, ratio, ratioQuartiles, userUs, systemUs } of rows) {
    const spread = ratioQuartiles.map((each) => each.toFixed(3)).join("–");
    const cpu = Number.isNaN(userUs) ? "" : `${userUs.toFixed(1)} + ${systemUs.toFixed(1)}`;
    process.stderr.write(`${name.padEnd(10)} ${tokensPerSecond.toFixed(0).padStart(6)}   ${ratio.toFixed(3)} (${spread})   ${cpu}\n`);
  }
  process.stdout.write(`${JSON.stringify(rows, (_, value) => (typeof value === "number" ? Number(value.toPrecision(4)) : value))}\n`);
}

function quantile(list: readonly number[], part: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)]!;
  return below + (sorted[Math.ceil(place)]! - below) * (place % 1);
}
