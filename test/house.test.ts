/**
 * The rules of the house, held by the code itself: which room may import which (docs/architecture.md draws it), what a quiet server may
 * load, what goes into the package. Every error code and setting is documented: src/config/markdown.test.ts.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { build, type Metafile } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";

/** Room → what it may import, rooms or single files of rooms. A file of src/ itself is a room of its own. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  config: ["contract"],
  telemetry: ["contract", "config"],
  models: ["contract", "config", "telemetry"],
  hub: ["contract", "config", "telemetry", "models"],
  grammar: ["contract"],
  chat: ["contract", "grammar"],
  protocols: ["contract", "grammar"],
  files: ["contract", "models"],
  batches: ["contract", "config", "telemetry", "models", "files"],
  scheduler: ["contract"],
  hardware: ["contract"],
  llama: ["contract"],
  engine: ["contract", "scheduler", "llama"],
  pool: ["contract", "config", "telemetry", "models", "hardware", "grammar", "chat", "engine/ipc.ts"],
  upstream: ["contract", "config", "telemetry", "models"],
  server: ["contract", "config", "telemetry", "protocols", "models"],
  deploy: ["contract", "config"],
  bench: ["contract", "config", "deploy"],
  "assemble.ts": ["contract", "config", "telemetry", "models", "hub", "batches", "pool", "upstream", "server"],
  cli: ["contract", "config", "telemetry", "models", "hub", "hardware", "protocols", "pool", "server", "deploy", "bench", "assemble.ts"],
  "index.ts": ["contract", "config", "server", "assemble.ts"],
};

/** Too heavy for a server that waits: loaded by `import()` when first needed. */
const HEAVY = [
  "@huggingface/hub",
  "hono",
  "@hono/node-server",
  "zod",
  "yaml",
  "@huggingface/jinja",
  "@huggingface/gguf",
  "prom-client",
  "pino",
  "koffi",
];

interface SourceFile {
  /** Below src/, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Below src/ or the name of a package; node's own modules are left out. */
  readonly imports: readonly string[];
}

const sources: SourceFile[] = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => {
    const text = readFileSync(join("src", path), "utf8");
    return { path: path.replaceAll(sep, "/"), text, imports: importsOf(path, text) };
  });
const production = sources.filter(({ path }) => !/\.test\.ts$|test-support|fixtures|simulation/.test(path));

/** Type imports count: a type ties two rooms together as a value does. */
function importsOf(path: string, text: string): string[] {
  const statement = /^\s*(?:import|export)\b[^"';]*?\bfrom\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm;
  const named = [...text.matchAll(statement)].map(([, from, bare, dynamic]) => (from ?? bare ?? dynamic)!);
  return named
    .filter((name) => !name.startsWith("node:"))
    .map((name) => (name.startsWith(".") ? normalize(join(dirname(path), name)).replaceAll(sep, "/") : name));
}

function roomOf(path: string): string {
  return path.split("/")[0]!;
}

function mayImport(room: string, target: string): boolean {
  return roomOf(target) === room || ROOMS[room]!.some((allowed) => allowed === target || allowed === roomOf(target));
}

test("the scan sees imports of every kind", () => {
  const text = `import a from "../x/a.ts";\nimport type { B } from "./b.ts";\nimport {\n  c,\n} from "../y/c.ts";\nexport * from "d";\nimport "e";\nawait import("../z/f.ts");\nimport "node:fs";`;
  expect(importsOf("room/file.ts", text)).toEqual(["x/a.ts", "room/b.ts", "y/c.ts", "d", "e", "z/f.ts"]);
  expect(sources.length).toBeGreaterThan(80);
  expect(sources.find(({ path }) => path === "pool/open-engine.ts")!.imports).toContain("pool/engine-process.ts");
});

test("src/ has the rooms of the table and no others", () => {
  expect([...new Set(sources.map(({ path }) => roomOf(path)))].sort()).toEqual(Object.keys(ROOMS).sort());
});

test("imports point downwards only", () => {
  const known = new Set(sources.map(({ path }) => path));
  const upward = production.flatMap(({ path, imports }) =>
    imports.filter((target) => known.has(target) && !mayImport(roomOf(path), target)).map((target) => `${path} imports ${target}`),
  );
  expect(upward).toEqual([]);
});

test("koffi is imported in src/llama/ only", () => {
  const importers = sources.filter(({ imports }) => imports.includes("koffi")).map(({ path }) => roomOf(path));
  expect(new Set(importers)).toEqual(new Set(["llama"]));
});

test("every file opens with a comment that says what it is, and none is longer than 400 lines", () => {
  const silent = production.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path);
  const long = sources.filter(({ text }) => text.split("\n").length > 401).map(({ path }) => path);
  expect([silent, long]).toEqual([[], []]);
});

describe("what is loaded", () => {
  let inputs: Metafile["inputs"];
  beforeAll(async () => {
    const entryPoints = ["src/cli/main.ts", "src/index.ts", "src/engine/main.ts"];
    const result = await build({
      entryPoints,
      outdir: "unused",
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      external: ["koffi"],
      metafile: true,
      write: false,
    });
    inputs = result.metafile.inputs;
  });

  /** Every file that these files load, dynamically too if `lazy`. Types are gone. */
  function closure(entries: readonly string[], lazy: boolean): string[] {
    const seen = new Set(entries);
    for (const path of seen)
      for (const { path: target, kind } of inputs[path]?.imports ?? []) if (lazy || kind !== "dynamic-import") seen.add(target);
    return [...seen];
  }

  function packagesIn(paths: readonly string[]): Set<string> {
    const nameOf = (path: string) => (inputs[path] ? /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] : path);
    return new Set(paths.map(nameOf).filter((name): name is string => name !== undefined && !name.startsWith("node:")));
  }

  test("at the start of a server: nothing that a quiet server does not need", () => {
    const atStart = closure(["src/cli/main.ts", "src/cli/serve.ts"], false);
    expect(atStart).toContain("src/server/listen.ts");
    expect(atStart).not.toContain("src/server/app.ts");
    expect(atStart.filter((path) => /^src\/(telemetry\/alerts|bench)\//.test(path))).toEqual([]);
    expect(HEAVY.filter((name) => packagesIn(atStart).has(name))).toEqual([]);
  });

  test("with the library: nothing heavy before the first call", () => {
    expect(HEAVY.filter((name) => packagesIn(closure(["src/index.ts"], false)).has(name))).toEqual([]);
  });

  test("in the gateway, ever: no native code and nothing of the engine but its messages", () => {
    const ever = closure(["src/cli/main.ts", "src/index.ts"], true);
    expect(packagesIn(ever)).toContain("hono"); // the closure reaches what is loaded late
    expect(packagesIn(ever)).not.toContain("koffi");
    expect(ever.filter((path) => /^src\/(engine|llama|scheduler)\//.test(path) && path !== "src/engine/ipc.ts")).toEqual([]);
  });

  test("in an engine, ever: no web server, no templates, no settings", () => {
    const ever = closure(["src/engine/main.ts"], true);
    expect([...packagesIn(ever)]).toEqual(["koffi"]);
    expect(new Set(ever.filter((path) => path.startsWith("src/")).map((path) => roomOf(path.slice(4))))).toEqual(
      new Set(["engine", "llama", "scheduler", "contract"]),
    );
  });
});

describe("the npm package", () => {
  let packed: { readonly size: number; readonly files: ReadonlyArray<{ readonly path: string }> };
  beforeAll(() => {
    // Without scripts: `prepare` would build in the middle of the suites that run the build.
    const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { encoding: "utf8", stdio: "pipe" });
    packed = JSON.parse(output)[0];
  });

  test("is at most 5 MB", () => {
    expect(packed.size).toBeLessThanOrEqual(5e6);
  });

  test("holds what runs: the bundles, the types, the model, licence and readme", () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        "dist/cli.js",
        "dist/engine.js",
        "dist/index.js",
        "dist/types/index.d.ts",
        "dist/THIRD-PARTY-LICENSES.txt",
        "models/shimmy-tiny/shimmy-tiny-q8_0.gguf",
        "models/shimmy-tiny/MODEL_CARD.md",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "package.json",
      ]),
    );
  });

  test("holds no sources, tests, benches or training scripts", () => {
    const strange = packed.files
      .map(({ path }) => path)
      .filter((path) => /(?<!\.d)\.ts$|\.test\.|^(src|test|bench|scripts|docs|examples)\/|\.py$|tokenizer\.json$/.test(path));
    expect(strange).toEqual([]);
  });
});
