/**
 * How long a list of many models takes: `npm run build && npm run bench:listing -- --models 200`. Makes a store of that many models with
 * headers of a usual size, half in a folder and half in an Ollama store, and lists it cold, warm, and with the command line.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { median } from "../src/bench/measure/figures.ts";
import { Catalogue } from "../src/models/catalogue.ts";
import { tinyModel } from "../test/fixtures/gguf.ts";

/** Issue 5: a warm list of 200 models, in a new process. */
const GOAL_MS = 100;
const VOCABULARY = 16_384;
const TENSORS = 200;

const { values } = parseArgs({ options: { models: { type: "string", default: "200" }, rounds: { type: "string", default: "11" } } });
const [count, rounds] = [Number(values.models), Number(values.rounds)];
const cli = resolve("dist/cli.js");
const home = await mkdtemp(join(tmpdir(), "shimmy-bench-listing-"));
try {
  await makeStores();
  await measure();
} finally {
  await rm(home, { recursive: true });
}

async function measure(): Promise<void> {
  const cold = [await timed(() => list())];
  const inProcess = await repeated(() => list());
  const held = catalogue();
  await held.list();
  const again = await repeated(() => held.scan());
  // The build of this bench and that of dist/ do not share a cache: one list fills it.
  const coldCommand = [await timed(async () => command([cli, "list"]))];
  const commands = await repeated(async () => command([cli, "list"]));
  const node = await repeated(async () => command(["-e", "0"]));
  const rows: Array<readonly [string, readonly number[]]> = [
    [`${count} models, cold, in process`, cold],
    ["warm, in process, a new catalogue", inProcess],
    ["warm, in process, the same catalogue looks again", again],
    ["cold, shimmy list", coldCommand],
    ["warm, shimmy list", commands],
    ["node -e 0, the floor of any command", node],
  ];
  process.stdout.write(`${"".padEnd(52)} ${"median".padStart(8)} ${"fastest".padStart(8)} ms\n`);
  const shown = (ms: number) => ms.toFixed(1).padStart(8);
  for (const [what, times] of rows) process.stdout.write(`${what.padEnd(52)} ${shown(median(times))} ${shown(Math.min(...times))}\n`);
  const verdict = (times: readonly number[]) => (median(times) < GOAL_MS ? "reached" : "NOT reached");
  process.stdout.write(`goal, under ${GOAL_MS} ms warm: in process ${verdict(inProcess)}, shimmy list ${verdict(commands)}\n`);
}

function catalogue(): Catalogue {
  return new Catalogue({
    dirs: [join(home, "models")],
    files: [],
    stores: ["auto"],
    around: { env: {}, home, platform: process.platform },
    cachesHeaders: true,
  });
}

async function list(): Promise<void> {
  const made = catalogue();
  const { length } = await made.list();
  if (length !== count) throw new Error(`${length} models listed, not ${count}`);
  await made.close();
}

function command(args: readonly string[]): void {
  const env = { PATH: process.env.PATH, HOME: home, USERPROFILE: home };
  const output = execFileSync(process.execPath, args, { cwd: home, env, encoding: "utf8" });
  const lines = output.trim().split("\n").length;
  // A heading, and the embedded model.
  if (args[0] === cli && lines !== count + 2) throw new Error(`${lines} lines, not ${count + 2}`);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function repeated(work: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await timed(work));
  return times;
}

async function makeStores(): Promise<void> {
  const ollama = join(home, ".ollama", "models");
  const manifests = join(ollama, "manifests", "registry.ollama.ai", "library");
  await Promise.all([join(home, "models"), join(ollama, "blobs"), manifests].map((folder) => mkdir(folder, { recursive: true })));
  for (let index = 0; index < count; index++) {
    const content = model(index);
    if (index % 2 === 0) {
      await writeFile(join(home, "models", `model-${index}-7b-q4_k_m.gguf`), content);
      continue;
    }
    const layers = [await blob(ollama, "model", content), await blob(ollama, "template", `{{ .Prompt }} ${index % 5}`)];
    await mkdir(join(manifests, `model-${index}`));
    await writeFile(join(manifests, `model-${index}`, "latest"), JSON.stringify({ schemaVersion: 2, layers }));
  }
}

async function blob(ollama: string, type: string, content: Buffer | string) {
  const hex = createHash("sha256").update(content).digest("hex");
  await writeFile(join(ollama, "blobs", `sha256-${hex}`), content);
  return { mediaType: `application/vnd.ollama.image.${type}`, digest: `sha256:${hex}` };
}

/** The header of a real model is 1 to 10 MB, nearly all of it vocabulary; the templates of 200 models are about ten. */
function model(index: number): Buffer {
  const tokens = Array.from({ length: VOCABULARY }, (_, token) => `token${token}`);
  const template = `{% for message in messages %}${"x".repeat(4000)}${index % 10}{% endfor %}`;
  return tinyModel(
    { "general.name": `Model ${index}`, "tokenizer.ggml.tokens": tokens, "tokenizer.chat_template": template },
    { tensors: Array.from({ length: TENSORS }, (_, tensor) => ({ name: `blk.${tensor}.weight`, dims: [32] })) },
  );
}
