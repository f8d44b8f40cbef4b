/**
 * Fuzzes a server of its own by its own /openapi.json: `npm run build && npm run bench:openapi -- --examples 50`. A development tool:
 * schemathesis (Python) is installed once into the user's cache. First the document is judged by the official schema of OpenAPI 3.1, then
 * every operation gets valid and invalid bodies; no answer may be a 5xx, of an undocumented status or type, or another JSON than is
 * documented. Exit code: 0 if nothing was found. What comes after `--` goes to schemathesis, such as `-- --include-path /tokenize`.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const PACKAGES = ["schemathesis==4.32.5", "openapi-spec-validator==0.9.0"];
const CHECKS = ["not_a_server_error", "response_schema_conformance", "content_type_conformance", "status_code_conformance"];
/** A hang is a failure too. Seconds. */
const REQUEST_TIMEOUT = 20;

const { values, positionals } = parseArgs({
  options: { examples: { type: "string", default: "20" }, seed: { type: "string" } },
  allowPositionals: true,
});
const tools = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "shimmy-bench", PACKAGES.join("+"));
const folder = mkdtempSync(join(tmpdir(), "shimmy-openapi-"));
process.exitCode = await main().finally(() => rmSync(folder, { recursive: true, force: true }));

async function main() {
  install();
  const { child, url } = await serve();
  try {
    const document = join(folder, "openapi.json");
    run("curl", ["-sfo", document, `${url}/openapi.json`]);
    const valid = run(join(tools, "bin/python"), ["-m", "openapi_spec_validator", "--schema", "3.1", document]);
    return fuzz(url) || valid;
  } finally {
    child.kill("SIGTERM");
  }
}

function install() {
  if (existsSync(join(tools, "bin/schemathesis"))) return;
  const steps = [
    ["python3", ["-m", "venv", tools]],
    [join(tools, "bin/pip"), ["install", "--quiet", ...PACKAGES]],
  ];
  for (const [command, args] of steps) if (run(command, args) !== 0) throw new Error(`${command} ${args.join(" ")} failed`);
}

/** Shimmy Tiny alone, in an empty home, and no way to the network. */
async function serve() {
  const env = {
    PATH: process.env.PATH,
    ...Object.fromEntries(["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"].map((name) => [name, folder])),
    SHIMMY_OFFLINE: "on",
  };
  const args = ["serve", "--bind", "127.0.0.1:0", "--model-stores", "off", "--max-tokens-default", "8", "--log-level", "error", "--json"];
  const child = spawn(process.execPath, [resolve("dist/cli.js"), ...args], { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) return { child, url: JSON.parse(line).url };
  throw new Error("the server did not start");
}

/** One worker: while nobody else unloads models, an answer of 503 is nobody's fault but the server's. */
function fuzz(url) {
  return run(join(tools, "bin/schemathesis"), [
    ...["--config-file", resolve("bench/openapi/schemathesis.toml"), "run", `${url}/openapi.json`],
    ...["--checks", CHECKS.join(","), "--max-examples", values.examples, "--request-timeout", String(REQUEST_TIMEOUT)],
    ...["--workers", "1", "--continue-on-failure", "--no-color", ...(values.seed ? ["--seed", values.seed] : [])],
    ...positionals,
  ]);
}

/** What a tool keeps for its next run goes with the folder. */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: folder, stdio: "inherit" });
  if (error) throw error;
  return status ?? 1;
}
