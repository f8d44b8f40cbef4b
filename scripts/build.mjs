/**
 * Builds dist/: the command line, the library, the engine child. Run by `npm run build`, hence by `prepare`.
 * Code that a quiet server does not need sits in chunks of its own, loaded by `import()` when first used.
 */
import { createHash } from "node:crypto";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const id = buildId();
rmSync(new URL("../dist", import.meta.url), { recursive: true, force: true });

const result = await build({
  entryPoints: {
    cli: "src/cli/main.ts",
    index: "src/index.ts",
    engine: "src/engine/main.ts",
    "grammar-worker": "src/pool/grammar-worker.ts",
    "bare-server": "src/deploy/bare-server.ts",
  },
  outdir: "dist",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  external: ["koffi"],
  define: { SHIMMY_VERSION: JSON.stringify(version), SHIMMY_BUILD: JSON.stringify(id) },
  // Source text stays in memory: short names alone save 0.4 MB of the 5 MB that an idle gateway may use.
  minify: true,
  legalComments: "linked",
  metafile: true,
  // Some bundled libraries are CommonJS and ask for node's own modules by require().
  banner: { js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);' },
});
chmodSync("dist/cli.js", 0o755);
// A running program looks for this name to know whether the package is still the one that it came from (src/pool/package.ts).
writeFileSync(`dist/build-${id}`, "");
writeFileSync("dist/THIRD-PARTY-LICENSES.txt", licenses(Object.keys(result.metafile.inputs)));

const bytes = Object.values(result.metafile.outputs).reduce((n, { bytes }) => n + bytes, 0);
console.log(`dist/: ${Object.keys(result.metafile.outputs).length} files, ${Math.round(bytes / 1024)} KB`);

/** Of all that the bundles are made of: another build has another id, the same sources have the same. */
function buildId() {
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter(
    (path) => /\.ts$/.test(path) && !path.endsWith(".test.ts"),
  );
  const files = ["package.json", "package-lock.json", "scripts/build.mjs", ...sources.sort().map((path) => join("src", path))];
  const hash = createHash("sha256");
  for (const path of files) hash.update(`${path}\0`).update(readFileSync(path)).update("\0");
  return hash.digest("hex").slice(0, 12);
}

/** What is bundled is distributed, so the notices of its authors go with it. */
function licenses(inputs) {
  const folders = new Set(inputs.map((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]).filter(Boolean));
  const notices = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name} ${version} (${license})\n\n${file ? readFileSync(`${folder}/${file}`, "utf8").trim() : "The package holds no licence file."}\n`;
  });
  return notices.join(`\n${"-".repeat(80)}\n\n`);
}
