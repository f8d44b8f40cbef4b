/**
 * Makes a small model of every architecture that libllama will load, by asking it: a tensor that it misses is added, a shape that it did
 * not expect is corrected, until it loads. Run by hand for a new libllama, after `npm run bench:fuzz -- 0 0` has built it:
 * `node node_modules/.cache/fuzz/grow.js` writes bench/fuzz/grown.json.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { buildGguf, type FixtureTensor, type FixtureValue } from "../../test/fixtures/gguf.ts";
import { HEADERS } from "./bases.ts";
import { buildLoader } from "./survivors.ts";

const MOST_STEPS = 300;
const CHILD = "node_modules/.cache/fuzz/grow-child.mjs";

let child: ChildProcess | undefined;

/** What libllama says of a file. */
function ask(path: string): Promise<string> {
  child ??= spawn(process.execPath, [CHILD], { env: { ...process.env, GGML_NO_BACKTRACE: "1" }, stdio: ["pipe", "ignore", "pipe"] });
  const asked = child;
  return new Promise((resolve) => {
    let text = "";
    const done = (more: string) => {
      asked.stderr!.removeAllListeners("data");
      asked.removeAllListeners("close");
      resolve(text + more);
    };
    asked.stderr!.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      if (/\n@@(loaded|refused)\n/.test(text)) done("");
    });
    asked.once("close", () => {
      child = undefined;
      done("@@crashed");
    });
    asked.stdin!.write(`${path}\n`);
  });
}

/** The tensors of a model that loads, and the keys that it needs besides. */
interface Grown {
  readonly tensors: ReadonlyArray<readonly [name: string, dims: readonly number[]]>;
  readonly metadata: Readonly<Record<string, FixtureValue>>;
}

/** For a key that is missed: one after the other, as its type is not told. */
const GUESSES: readonly FixtureValue[] = [
  8,
  1,
  { type: "f32", value: 0.5 },
  true,
  [1, 0],
  { type: "array", of: "f32", value: [0.5, 0.5] },
  ["a"],
];

/** @returns what it took, or why it will not load. */
async function grow(base: (typeof HEADERS)[number], path: string): Promise<Grown | string> {
  const tensors = new Map<string, FixtureTensor>([["token_embd.weight", { name: "token_embd.weight", dims: [32, 273] }]]);
  const keys = new Map<string, number>();
  const shapes = new Set<string>();
  let said = "";
  for (let step = 0; step < MOST_STEPS; step++) {
    const guessed = Object.fromEntries([...keys].map(([key, guess]) => [key, GUESSES[guess]!]));
    await writeFile(path, buildGguf({ metadata: { ...base.metadata, ...guessed }, tensors: [...tensors.values()] }));
    said = await ask(path);
    if (said.includes("@@loaded")) return { tensors: [...tensors.values()].map(({ name, dims }) => [name, dims]), metadata: guessed };
    const missing = /tensor '([^']+)' not found/.exec(said)?.[1];
    const [, wrong, expected] = /tensor '([^']+)' has wrong shape; expected ([\d, ]+), got/.exec(said) ?? [];
    const key = /key not found in model: ([\w.-]+)/.exec(said)?.[1] ?? /key ([\w.-]+) (?:has|is not an array|must)/.exec(said)?.[1];
    if (missing !== undefined && !tensors.has(missing)) tensors.set(missing, { name: missing, dims: [1] });
    else if (wrong !== undefined && expected !== undefined && !shapes.has(`${wrong} ${expected}`)) {
      shapes.add(`${wrong} ${expected}`);
      tensors.set(wrong, { name: wrong, dims: dimsOf(expected) });
    } else if (key !== undefined && (keys.get(key) ?? -1) + 1 < GUESSES.length) keys.set(key, (keys.get(key) ?? -1) + 1);
    else break;
  }
  return said
    .split("\n")
    .filter((line) => /error|assert|throw|@@/i.test(line))
    .slice(0, 3)
    .join(" | ");
}

function dimsOf(text: string): number[] {
  const dims = text.split(",").map(Number);
  while (dims.length > 1 && dims.at(-1) === 1) dims.pop();
  return dims;
}

await build({
  entryPoints: ["bench/fuzz/grow-child.ts"],
  outfile: CHILD,
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
});
const folder = await mkdtemp(join(tmpdir(), "shimmy-grow-"));
const loader = await buildLoader();
const grown: Record<string, Grown> = {};
for (const base of HEADERS) {
  const path = join(folder, "grown.gguf");
  let result = await grow(base, path);
  // Where made-up numbers do not fit together, the first computation says so.
  const env = { ...process.env, GGML_NO_BACKTRACE: "1" };
  const tried = spawnSync(process.execPath, [loader], { input: `0 ${path}\n`, encoding: "utf8", env });
  if (typeof result !== "string" && !tried.stdout.includes("loaded")) result = `${tried.signal ?? "refused"} ${tried.stderr.slice(-200)}`;
  if (typeof result === "string") console.error(`${base.name}: ${result}`);
  else grown[base.name] = result;
}
child?.kill();
await rm(folder, { recursive: true });
const lines = Object.entries(grown).map(([name, model]) => `  ${JSON.stringify(name)}: ${JSON.stringify(model)}`);
await writeFile("bench/fuzz/grown.json", `{\n${lines.join(",\n")}\n}\n`);
console.error(`${Object.keys(grown).length} of ${HEADERS.length} architectures load`);
