/** `shimmy validate`: the integration template's checklist against a running instance, or one that is started for it. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { VERSION } from "../assemble.ts";
import { listenAddress } from "../config/listen.ts";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { fail, type Result, runChecks } from "../deploy/check.ts";
import { type CommandLine, type OwnServer, startServer } from "../deploy/own-server.ts";
import { listenerAt } from "../deploy/ports.ts";
import { adviceLines, exitCodeOf, jsonReport, junitReport, summary, tableRows } from "../deploy/report.ts";
import { checklist } from "../deploy/validate/checks.ts";
import { engineFacts, modelFacts } from "../deploy/validate/facts.ts";
import { enginesOf } from "../deploy/validate/processes.ts";
import { serverAt } from "../deploy/validate/server.ts";
import { messageOf } from "../deploy/validate/shapes.ts";
import { firstLook } from "../deploy/validate/silence.ts";
import { chooseModel, type Server, type Subject, type Wanted } from "../deploy/validate/subject.ts";
import { idsMeantBy } from "../models/names.ts";
import { wantsTraces } from "../telemetry/tracing/wanted.ts";
import { environmentOf } from "./child-environment.ts";
import { exitOnSignal } from "./ending.ts";
import { modelsHere } from "./models-here.ts";
import { printable, printJson, printTable } from "./output.ts";
import { addressOf } from "./remote.ts";

interface Flags {
  readonly url?: string;
  readonly model?: string;
  readonly json?: boolean;
  readonly junit?: string;
}

/** What was found, as an exit code too. @throws invalid_value when --url is none, or --junit cannot be written. */
export async function validate(loaded: LoadedConfig, flags: Flags): Promise<void> {
  const given = flags.url === undefined ? undefined : addressOf("--url", flags.url);
  const ending = new AbortController();
  const release = exitOnSignal(ending);
  const command = [process.execPath, fileURLToPath(new URL("./cli.js", import.meta.url))] as const;
  const commandLine = { command, env: environmentOf(loaded), signal: ending.signal };
  const started = given === undefined ? await startServer(commandLine).catch((error: Error) => error.message) : undefined;
  try {
    const subject = await subjectOf(loaded, { ...flags, url: given }, started);
    const results = await check(loaded, flags, subject, commandLine);
    report(results, subject.server.url, flags);
  } finally {
    if (typeof started === "object") await started.stop();
    release();
  }
}

/** @param started absent: --url; a text: why it did not start. */
async function subjectOf(
  loaded: LoadedConfig,
  { url, model }: Pick<Flags, "model"> & { url: string | undefined },
  started: OwnServer | string | undefined,
): Promise<Subject> {
  const [key] = [...loaded.config.apiKey, ...loaded.config.strictKeys];
  const own = typeof started === "object" ? started : undefined;
  const server = serverAt(own?.url ?? url ?? "http://127.0.0.1", key);
  const dead =
    typeof started === "string"
      ? fail(`it does not start: ${started}`, "Correct what it says.", { command: "shimmy serve" })
      : await firstLook(server);
  const refused = dead ? undefined : await refusal(server);
  const pid = own?.pid ?? listenerAt(server.url);
  const models = once(() => (url === undefined ? modelsHere(loaded) : modelFacts(server)));
  return {
    server,
    models,
    engines: once(() => engineFacts(server)),
    enginesSeen: once(() => enginesOf(server)),
    chosen: async () => chooseModel(await models(), model === undefined ? undefined : wanted(model)),
    ...(own && { own }),
    ...(pid !== undefined && { pid }),
    ...(dead && { dead }),
    ...(refused && { refused }),
  };
}

async function check(loaded: LoadedConfig, flags: Flags, subject: Subject, commandLine: CommandLine): Promise<Result[]> {
  const { threads, preload } = loaded.config;
  const checks = checklist(subject, {
    packageFolder: fileURLToPath(new URL("..", import.meta.url)),
    commandLine,
    threads,
    burden: { preloads: preload.length > 0, extras: extrasOf(loaded) },
    ...(flags.url === undefined && { port: listenAddress(loaded) }),
    ...(flags.model !== undefined && { model: wanted(flags.model) }),
  });
  const shown = process.stderr.isTTY ? (text: string) => process.stderr.write(`\r\x1b[K${text}`) : () => true;
  const results = await runChecks(checks, ({ group, name }) => shown(`${group}: ${name}`));
  shown("");
  return results;
}

function report(results: readonly Result[], url: string, { json, junit }: Flags): void {
  if (json) printJson(jsonReport(results, { version: VERSION, url }));
  else {
    printTable(tableRows(results));
    for (const line of ["", ...adviceLines(results)]) process.stdout.write(`${printable(line)}\n`);
    process.stdout.write(`${summary(results)}\n`);
  }
  process.exitCode = exitCodeOf(results);
  // Last: where it cannot be written, what was measured is told all the same.
  if (junit !== undefined) writeJunit(junit, results);
}

function writeJunit(path: string, results: readonly Result[]): void {
  try {
    writeFileSync(path, junitReport(results, "shimmy validate"));
  } catch (cause) {
    throw new ShimmyError(
      "invalid_value",
      { param: "junit", reason: `it cannot be written (${(cause as NodeJS.ErrnoException).code})` },
      { cause },
    );
  }
}

/** As a server understands it: by the file's name, for one. */
function wanted(model: string): Wanted {
  return [model, ...idsMeantBy(model)];
}

/** What it says to who has no right to ask. What does not answer now is found by the checks. */
async function refusal(server: Server) {
  const { status, json } = await server.ask("/v1/models").catch(() => ({ status: 0, json: undefined }));
  if (status !== 401 && status !== 403) return undefined;
  return fail(`status ${status}: ${messageOf(json) ?? "refused"}`, "Give a key of the server with --api-key or SHIMMY_API_KEY.", {
    command: `SHIMMY_API_KEY=… shimmy validate --url ${server.url}`,
  });
}

/** What takes memory from the start, since somebody configured it. */
function extrasOf({ alerts }: LoadedConfig): string[] {
  return [...(Object.keys(alerts).length > 0 ? ["alerts"] : []), ...(wantsTraces(process.env) ? ["traces"] : [])];
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
