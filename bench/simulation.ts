/**
 * The scheduler beyond this machine: 10,000 requests on a modelled GPU with 256 slots, in simulated time. `npm run bench:simulation --
 * --help`. Ends with an error when the scheduler breaks a promise (a token lost, doubled or another's; a budget overdrawn; somebody starved).
 */
import { parseArgs } from "node:util";
import { writeFile } from "./results.ts";
import { H100 } from "./simulation/gpu.ts";
import { figuresTable, type Run, simulationPage } from "./simulation/report.ts";
import { type SimulationOptions, simulate } from "./simulation/run.ts";
import { traffic } from "./simulation/traffic.ts";

const HELP = `npm run bench:simulation -- [options]      the real scheduler on a modelled GPU
  --requests N        default 10000
  --rates LIST        arrivals a second, a run each; default 30
  --slots N           default 256
  --ctx N             cells of one sequence; default 4096
  --cells N           cells of all; default 450000, which is 60 GB of 128 KiB
  --store-tokens N    cells in the memory of the host; default 500000
  --batch-tokens N    most tokens of a step; default 2048
  --step-ms N         how long a step should take; default 40
  --seed N            default 1
  --html FILE         default bench/results/simulation.html`;

function numbers(values: Readonly<Record<string, string | boolean>>): (name: string) => number {
  return (name) => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new Error(`--${name}: ${values[name]} is not a number above 0`);
    return value;
  };
}

function main(argv: readonly string[]): void {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      ...{ requests: text("10000"), rates: text("30"), slots: text("256"), ctx: text("4096"), cells: text("450000") },
      ...{ "store-tokens": text("500000"), "batch-tokens": text("2048"), "step-ms": text("40"), seed: text("1") },
      ...{ html: text("bench/results/simulation.html"), help: { type: "boolean", default: false } },
    },
  });
  if (values.help) return void process.stdout.write(`${HELP}\n`);
  const of = numbers(values);
  const options: SimulationOptions = {
    ...{ costs: H100, slots: of("slots"), cellsPerSequence: of("ctx"), cells: of("cells") },
    ...{ storeTokens: of("store-tokens"), batchTokens: of("batch-tokens"), targetStepMs: of("step-ms") },
  };
  const runs = values.rates.split(",").map((rate): Run => {
    const requests = traffic({ requests: of("requests"), rate: Number(rate), seed: of("seed"), context: options.cellsPerSequence });
    return { rate: Number(rate), outcome: simulate(requests, options) };
  });
  process.stdout.write(`${figuresTable(runs)}\n`);
  const { costs, ...rest } = options;
  const facts = { ...rest, ...Object.fromEntries(Object.entries(costs).map(([name, value]) => [`ms a ${name}`, value])), seed: of("seed") };
  writeFile(values.html, simulationPage(runs, Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, String(value)]))));
  process.stdout.write(`page: ${values.html}\n`);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`simulation: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
