/**
 * The bench: named workloads on our server and llama-server, alternately in one run. `npm run bench -- --help`. Prints tables, writes raw JSON.
 * Runs from the root of the repository, on Linux. How to read the figures: bench/README.md.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { REFERENCE_SCRIPT } from "./contestants/commands.ts";
import { describeQuiet, machineInfo, versions, waitForQuiet } from "./measure/machine.ts";
import { type BenchModel, resolveModel } from "./models.ts";
import { type BenchOptions, HELP, parseOptions } from "./options.ts";
import { agreement, number, problemLines, summarise, summaryTable } from "./report.ts";
import { type Case, type RunRecord, runSession, type SessionPlan } from "./session.ts";
import { measureStartup, type StartupRecord } from "./startup.ts";
import { startupTable, startupVerdicts, summariseStartup } from "./startup-report.ts";

const ROOT = process.cwd();
const SCRIPTS = dirname(fileURLToPath(import.meta.url));

/** What one run of the bench has seen so far. */
interface Results {
  readonly runs: RunRecord[];
  /** Disturbed by other programs and run again: kept for the reader, in no figure. */
  readonly discarded: RunRecord[];
  readonly startup: StartupRecord[];
}

async function main(options: BenchOptions): Promise<void> {
  await insistOnQuiet(options.noisy);
  const models = options.models.map((name) => resolveModel(name, ROOT, SCRIPTS));
  const about = { started: new Date().toISOString(), machine: machineInfo(), versions: versions(ROOT, REFERENCE_SCRIPT), options };
  say(
    `${about.machine.cpu}, ${about.machine.cores} cores; ${Object.entries(about.versions)
      .map((pair) => pair.join(" "))
      .join("; ")}`,
  );
  say(`slots ${options.slots} (reference ${options.referenceSlots}), ${options.context} cells each, ${options.rounds} rounds`);
  const results: Results = { runs: [], discarded: [], startup: [] };
  try {
    if (options.startup) results.startup.push(...(await measureStartup(models[0]!, options, (round) => say(`start-up round ${round}`))));
    await measureWorkloads(models, options, results);
  } finally {
    // Also after a failure: what was measured until then is worth keeping.
    report(results, options);
    write(options.out, { ...about, ...results, summary: summarise(results.runs), startupSummary: summariseStartup(results.startup) });
  }
}

/** @throws when the machine is at work already, unless that is wanted. */
async function insistOnQuiet(noisy: boolean): Promise<void> {
  const sample = await waitForQuiet(noisy ? 0 : 15_000);
  if (sample.quiet) return;
  const text = `the machine is not quiet: ${describeQuiet(sample)}`;
  if (!noisy) throw new Error(`${text}. Figures would be worth nothing; --noisy measures all the same.`);
  say(`!!! ${text}. --noisy: DO NOT QUOTE THESE FIGURES !!!`);
}

async function measureWorkloads(models: readonly BenchModel[], options: BenchOptions, results: Results): Promise<void> {
  const cases = options.workloads.flatMap((workload): Case[] => {
    const clients = workload.fixedClients ? workload.clients : (options.clients ?? workload.clients);
    return clients.map((count) => ({ workload, clients: count }));
  });
  const sessions = options.fresh === "model" ? [cases] : cases.map((each) => [each]);
  for (let round = 0; round < options.rounds; round++) {
    // Reversed every other round, so that neither always has the warmer or the cooler machine.
    const order = round % 2 === 0 ? options.servers : [...options.servers].reverse();
    for (const model of models)
      for (const session of sessions)
        for (const contestant of order) await undisturbed({ round, model, contestant, cases: session }, options, results);
  }
}

/** Runs a session, again when other programs disturbed it. Only foreign CPU decides that, never the figures. */
async function undisturbed(plan: SessionPlan, options: BenchOptions, results: Results): Promise<void> {
  for (let left = options.noisy ? 0 : options.retries; ; left--) {
    const records = await runSession(plan, options, SCRIPTS);
    for (const record of records) say(progress(record));
    if (left === 0 || !records.some((record) => record.disturbed)) {
      results.runs.push(...records);
      return;
    }
    results.discarded.push(...records);
    say("    again, since other programs were at work");
  }
}

function progress({ round, model, workload, clients, contestant, figures, problems, cpu }: RunRecord): string {
  const [first, second] = figures;
  const told = [first, second].map((f) => (f ? `${f.name} ${number(f.value)} ${f.unit}` : "")).join(", ");
  const used = ` [cpu s: server ${cpu.contestant.toFixed(1)}, bench ${cpu.bench.toFixed(2)}, others ${cpu.others.toFixed(1)}, stolen ${cpu.stolen.toFixed(1)}]`;
  return `round ${round + 1}  ${model} ${workload} ${clients}  ${contestant}: ${told}${used}${problems.map((p) => `\n    ! ${p}`).join("")}`;
}

function report({ runs, startup }: Results, options: BenchOptions): void {
  if (startup.length > 0) {
    const rows = summariseStartup(startup);
    say(["", startupTable(rows), ...startupVerdicts(rows)].join("\n"));
    for (const { round, starter, problem } of startup)
      if (problem !== undefined) say(`! start-up round ${round + 1}, ${starter}: ${problem}`);
  }
  if (runs.length === 0) return;
  say(`\n${summaryTable(summarise(runs), options.servers)}`);
  if (options.servers.includes("ours") && options.servers.includes("reference")) say(agreement(runs, "ours", "reference"));
  for (const line of problemLines(runs)) say(line);
}

function write(file: string, content: unknown): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(content)}\n`);
  say(`raw: ${file}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A signal must run the exit handlers, which end the servers. */
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.once(signal, () => process.exit(code));

try {
  const options = parseOptions(process.argv.slice(2));
  if (options) await main(options);
  else say(HELP);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
