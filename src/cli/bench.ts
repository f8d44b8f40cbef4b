/** `shimmy bench`: named workloads on a server that it starts or that is named, also beside another one; table, JSON and a page. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { VERSION } from "../assemble.ts";
import { benchPage } from "../bench/page/bench-page.ts";
import type { BenchResult } from "../bench/result.ts";
import { runBench } from "../bench/run.ts";
import type { ServerAddress } from "../bench/server.ts";
import { textOf } from "../bench/text.ts";
import { NAMED, workloadsNamed } from "../bench/workloads/list.ts";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { type OwnServer, startServer } from "../deploy/own-server.ts";
import { listenerAt } from "../deploy/ports.ts";
import { environmentOf } from "./child-environment.ts";
import { abortOnSignal } from "./ending.ts";
import { printable, printJson, printTable } from "./output.ts";
import { addressOf } from "./remote.ts";

interface Flags {
  readonly model?: string;
  readonly url?: string;
  readonly against?: string;
  readonly againstKey?: string;
  readonly againstModel?: string;
  readonly workloads?: string;
  readonly list?: boolean;
  readonly rounds: number;
  readonly tokens?: number;
  readonly clients?: string;
  readonly seed?: string;
  readonly html?: string;
  readonly json?: boolean;
}

const SEEDS = 10_000;
const MOST_CLIENTS = 1024;

/** Exit code 1 where a request failed; 130 after Ctrl-C. @throws unknown_workload, invalid_value, target_unreachable …, before anything is measured */
export async function bench(loaded: LoadedConfig, flags: Flags): Promise<void> {
  if (flags.list) return printTable(NAMED.map(({ name, summary }) => [name, summary]));
  const asked = {
    workloads: workloadsNamed(flags.workloads),
    clients: flags.clients?.split(",").map((text) => whole("--clients", text, 1, MOST_CLIENTS)),
    tokens: flags.tokens,
    rounds: flags.rounds,
    seed: flags.seed === undefined ? Math.floor(Math.random() * SEEDS) : whole("--seed", flags.seed, 0, SEEDS - 1),
  };
  const against =
    flags.against === undefined ? undefined : { ...address("--against", flags.against, flags.againstKey), model: flags.againstModel };
  const named = flags.url === undefined ? undefined : address("--url", flags.url, keyOf(loaded));
  if (flags.html !== undefined) writable(flags.html, (path) => closeSync(openSync(path, "a")));
  const ending = new AbortController();
  const interrupted = abortOnSignal(ending);
  let own: OwnServer | undefined;
  try {
    own = named ? undefined : await start(loaded, ending.signal);
    const here = { ...(named ?? { url: own!.url, key: keyOf(loaded), pid: own!.pid }), model: flags.model, started: own !== undefined };
    const result = await runBench({ ...asked, here, against, shimmy: VERSION, signal: ending.signal, say });
    report(result, flags);
  } catch (error) {
    if (!ending.signal.aborted) throw error;
    say("Ended before anything was measured.");
  } finally {
    await own?.stop();
    interrupted();
  }
}

/** @throws invalid_value: it is no URL */
function address(flag: string, typed: string, key: string | undefined): ServerAddress {
  const url = addressOf(flag, typed);
  const pid = listenerAt(url);
  return { url, ...(key !== undefined && { key }), ...(pid !== undefined && { pid }) };
}

function keyOf({ config }: LoadedConfig): string | undefined {
  return [...config.apiKey, ...config.strictKeys][0];
}

/** Stored batches are left alone, so that nothing but the workloads is at work. @throws not_measured */
function start(loaded: LoadedConfig, signal: AbortSignal): Promise<OwnServer> {
  const command = [process.execPath, fileURLToPath(new URL("./cli.js", import.meta.url))] as const;
  say("starting a server …");
  return startServer({ command, env: environmentOf(loaded), signal }, ["--no-files", "--log-level", "error"]).catch((cause: Error) => {
    throw new ShimmyError("not_measured", { reason: cause.message }, { cause });
  });
}

function report(result: BenchResult, { json, html }: Flags): void {
  if (html !== undefined) writable(html, (path) => writeFileSync(path, benchPage(result)));
  if (json) printJson(result);
  else for (const line of textOf(result)) process.stdout.write(`${printable(line)}\n`);
  if (result.failures.length > 0) process.exitCode = 1;
}

/** @throws cannot_write */
function writable(path: string, write: (path: string) => void): void {
  try {
    write(path);
  } catch (cause) {
    throw new ShimmyError("cannot_write", { path, reason: (cause as NodeJS.ErrnoException).code }, { cause });
  }
}

function whole(param: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ShimmyError("invalid_value", { param, reason: `it must be made of whole numbers from ${least} to ${most}` });
}

function say(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}
