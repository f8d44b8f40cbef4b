/**
 * The bench: named workloads on our server and llama-server, alternately in one run. `npm run bench -- --help`. Prints tables, writes raw JSON.
 * Runs from the root of the repository, on Linux. How to read the figures: bench/README.md.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { number } from "../src/bench/format.ts";
import { describeQuiet, machineInfo, waitForQuiet } from "../src/bench/measure/machine.ts";
import { type Contestant, REFERENCE_SCRIPT, WITH_AND_WITHOUT } from "./contestants/commands.ts";
import { versions } from "./measure/versions.ts";
import { type BenchModel, resolveModel } from "./models.ts";
import { type BenchOptions, HELP, parseOptions } from "./options.ts";
import { page } from "./page/page.ts";
import { agreement, contestantsOf, problemLines, summarise, summaryTable } from "./report.ts";
import { type Results, readResults, writeFile } from "./results.ts";
import { type Case, type RunRecord, runSession, type SessionPlan } from "./session.ts";
import { measureStartup } from "./startup.ts";
import { startupTable, startupVerdicts, summariseStartup } from "./startup-report.ts";
import { verdictLine, verdicts } from "./verdicts.ts";

const ROOT = process.cwd();
const SCRIPTS = dirname(fileURLToPath(import.meta.url));

async function main(options: BenchOptions): Promise<void> {
  const results = options.from === undefined ? await measure(options) : readResults(options.from);
  if (options.from !== undefined) report(results, options);
  if (options.html === undefined) return;
  writeFile(options.html, page(results, options.issues));
  say(`page: ${options.html}`);
}

async function measure(options: BenchOptions): Promise<Results> {
  await insistOnQuiet(options.noisy);
  const models = options.models.map((name) => resolveModel(name, ROOT, SCRIPTS));
  const about = { started: new Date().toISOString(), machine: machineInfo(), versions: versions(ROOT, REFERENCE_SCRIPT), options };
  const results: Results = { ...about, runs: [], discarded: [], startup: [] };
  try {
    if (options.startup) results.startup.push(...(await measureStartup(models[0]!, options, (round) => say(`start-up round ${round}`))));
    await measureWorkloads(models, options, results);
  } finally {
    // Also after a failure: what was measured until then is worth keeping.
    report(results, options);
    const summaries = { summary: summarise(results.runs), startupSummary: summariseStartup(results.startup) };
    writeFile(options.out, `${JSON.stringify({ ...results, ...summaries })}\n`);
    say(`raw: ${options.out}`);
  }
  return results;
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
  for (let round = 0; round < options.rounds; round++)
    for (const model of models)
      for (const cases of sessionsOf(options)) {
        const contestants = contestantsFor(cases, options.servers);
        // Reversed every other round, so that neither always has the warmer or the cooler machine.
        const order = round % 2 === 0 ? contestants : contestants.reverse();
        for (const contestant of order) await undisturbed({ round, model, contestant, cases }, options, results);
      }
}

/** Cases that share a server: none, or with `--fresh model` all that start it in the usual way. */
function sessionsOf(options: BenchOptions): Case[][] {
  const cases = options.workloads.flatMap((workload): Case[] => {
    const clients = workload.fixedClients ? workload.clients : (options.clients ?? workload.clients);
    return clients.map((count) => ({ workload, clients: count }));
  });
  if (options.fresh === "case") return cases.map((each) => [each]);
  const plain = cases.filter(({ workload }) => workload.needs === undefined);
  const special = cases.filter(({ workload }) => workload.needs !== undefined).map((each) => [each]);
  return plain.length > 0 ? [plain, ...special] : special;
}

function contestantsFor(cases: readonly Case[], named: readonly Contestant[]): Contestant[] {
  if (!cases.some(({ workload }) => workload.needs === "speculation")) return [...named];
  return [...new Set(named.flatMap((name) => [name, WITH_AND_WITHOUT[name] ?? name]))];
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

function progress({ round, model, workload, clients, contestant, figures, problems, cpu, notServed }: RunRecord): string {
  if (notServed !== undefined) return `round ${round + 1}  ${model} ${workload} ${clients}  ${contestant}: not served, ${notServed}`;
  const [first, second] = figures;
  const told = [first, second].map((f) => (f ? `${f.name} ${number(f.value)} ${f.unit}` : "")).join(", ");
  const used = ` [cpu s: server ${cpu.contestant.toFixed(1)}, bench ${cpu.bench.toFixed(2)}, others ${cpu.others.toFixed(1)}, stolen ${cpu.stolen.toFixed(1)}]`;
  return `round ${round + 1}  ${model} ${workload} ${clients}  ${contestant}: ${told}${used}${problems.map((p) => `\n    ! ${p}`).join("")}`;
}

function report({ machine, versions: known, runs, startup, options: made }: Results, { issues }: BenchOptions): void {
  const names = Object.entries(known).map((pair) => pair.join(" "));
  say(`\n${machine.cpu}, ${machine.cores} cores; ${names.join("; ")}`);
  say(`slots ${made.slots} (reference ${made.referenceSlots}), ${made.context} cells each, ${made.rounds} rounds`);
  if (startup.length > 0) {
    const rows = summariseStartup(startup);
    say(["", startupTable(rows), ...startupVerdicts(rows)].join("\n"));
    for (const { round, starter, problem } of startup)
      if (problem !== undefined) say(`! start-up round ${round + 1}, ${starter}: ${problem}`);
  }
  if (runs.length === 0) return;
  const rows = summarise(runs);
  say(`\n${summaryTable(rows, contestantsOf(runs, made.servers), issues)}\n`);
  for (const verdict of verdicts(rows, issues)) say(verdictLine(verdict));
  if (made.servers.includes("ours") && made.servers.includes("reference")) say(agreement(runs, "ours", "reference"));
  for (const line of problemLines(runs)) say(line);
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
