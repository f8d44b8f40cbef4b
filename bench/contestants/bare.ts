/** The bare loop as a contestant of `decode`: starts bare-loop.js for it and turns its times into the same figures. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Figure, latencyFigures } from "../../src/bench/measure/figures.ts";
import type { BareResult, BareTask } from "../bare-loop.ts";

const execute = promisify(execFile);

/** @throws when the child fails or is not done in `limitMs` */
export async function runBareLoop(scripts: string, task: BareTask, limitMs: number): Promise<BareResult> {
  const args = [`${scripts}/bare-loop.js`, JSON.stringify(task)];
  const { stdout } = await execute(process.execPath, args, { timeout: limitMs, killSignal: "SIGKILL", maxBuffer: 1 << 26 });
  return JSON.parse(stdout) as BareResult;
}

export function bareFigures({ tokens, wallMs, waves }: BareResult): Figure[] {
  const throughput: Figure = { name: "throughput", unit: "tok/s", better: "higher", value: tokens / (wallMs / 1000) };
  const gaps = waves.flatMap((wave) => wave.stepMs);
  return [
    throughput,
    ...latencyFigures(
      waves.map((wave) => wave.prefillMs),
      gaps,
    ),
  ];
}
